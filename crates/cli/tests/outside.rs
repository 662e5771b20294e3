//! Text from outside reaches the terminal as text: on one line, without control characters, cut.

mod place;

use place::{Place, QUICK, QUICK_FILE};
use std::fs;
use std::path::Path;

/// Sets the title of the window, then clears the screen.
const OWNED: &str = "\u{1b}]0;owned\u{7}\u{1b}[2J";

fn check(what: &str, text: &str) {
    let bad = text.chars().find(|c| c.is_control() && *c != '\n');
    assert_eq!(bad, None, "{what}: {text:?}");
}

/// Runs what has to fail: one line, of a length that a reader can take.
fn refused(place: &Place, arguments: &[&str], code: i32, part: &str) {
    let output = std::process::Command::new(assert_cmd::cargo::cargo_bin!("pyroclast"))
        .current_dir(place.path(""))
        .args(arguments)
        .output()
        .expect("the binary runs");
    let (stdout, stderr) = (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    );
    check("stdout", &stdout);
    check("stderr", &stderr);
    let shown: Vec<String> = arguments
        .iter()
        .map(|a| a.chars().take(50).collect())
        .collect();
    assert_eq!(output.status.code(), Some(code), "{shown:?}: {stderr}");
    assert_eq!(stderr.lines().count(), 1, "{shown:?}: {stderr}");
    assert!(
        stderr.starts_with("error: ") && stderr.contains(part),
        "{shown:?}: {stderr}"
    );
    assert!(stderr.len() < 4000, "{shown:?}: {} bytes", stderr.len());
}

#[test]
fn options_and_names_are_shown_without_control_characters() {
    let place = Place::new();
    place.trained();
    let long = "x".repeat(100_000);
    for text in [OWNED, "two\nlines", "\u{202e}gnp exe", &long] {
        let train = |arguments: &[&str], part: &str| {
            refused(&place, &[&["train"], arguments].concat(), 2, part);
        };
        train(&[text], "no preset");
        train(&["moons", "--device", text], "no device");
        train(&["moons", "--set", text], "does not set a key");
        train(&["moons", "--set", &format!("{text}.a=1")], "unknown field");
        train(
            &["moons", "--set", &format!("training.{text}=1")],
            "unknown field",
        );
        train(
            &["moons", "--set", &format!("path.schedule={text}")],
            "schedule",
        );
        train(
            &["moons", "--set", &format!("data.name={text}")],
            "data.name",
        );
        train(&["moons", "--steps", text], "--steps");
        refused(&place, &[text], 2, "subcommand");
        refused(&place, &["sample", "run", text], 2, "argument");
        for (option, part) in [
            ("--method", "no method"),
            ("--grid", "no grid"),
            ("--weights", "average"),
            ("--schedule", "no schedule"),
            ("--guidance-interval", "interval"),
            ("--eta", "not a number"),
            ("--variance", "variance"),
            ("--out", "is for images"),
        ] {
            refused(
                &place,
                &["sample", "run", "--device", "flex", option, text],
                2,
                part,
            );
        }
        refused(&place, &["presets", text], 2, "no preset");
        refused(&place, &["methods", text], 2, "no method");
        refused(&place, &["config", "--explain", text], 2, "no key");
        refused(&place, &["completions", text], 2, "invalid value");
        let file = format!("{text}.safetensors");
        let digits = [
            "evaluate",
            "run",
            "--device",
            "flex",
            "-n",
            "20",
            "--features",
            &file,
        ];
        refused(&place, &digits, 1, "cannot read");
    }
    // A file name cannot be longer than the file system allows.
    for text in [OWNED, "two\nlines"] {
        refused(&place, &["sample", text], 1, "does not exist");
        refused(&place, &["distance", text, text], 1, "");
    }
}

#[test]
fn files_are_shown_without_control_characters() {
    let place = Place::new();
    let toml = |text: &str| format!("[data]\nname = \"moons\"\n{text}\n");
    for (text, part) in [
        (
            "[training]\n\"\\u001b]0;owned\\u0007\" = 1",
            "unknown field",
        ),
        (
            "[path]\nschedule = \"\\u001b]0;owned\\u0007\"",
            "no schedule",
        ),
        ("[path]\nsource = \"\\u001b]0;owned\\u0007\"", "no source"),
        ("[sampling]\ngrid = \"\\u001b]0;owned\\u0007\"", "no grid"),
        (
            "[sampling]\nmethod = \"\\u001b]0;owned\\u0007\"",
            "no method",
        ),
        (
            "[network]\nkind = \"\\u001b]0;owned\\u0007\"",
            "unknown variant",
        ),
    ] {
        place.write("c.toml", &toml(text));
        refused(&place, &["train", "c.toml"], 2, part);
    }
    place.write("c.toml", "[data]\nname = \"\\u001b]0;owned\\u0007.csv\"\n");
    refused(
        &place,
        &["train", "c.toml", "--device", "flex"],
        1,
        "does not exist",
    );
    let keys: String = (0..50_000).map(|i| format!("k{i} = 1\n")).collect();
    place.write("c.toml", &toml(&format!("[training]\n{keys}")));
    refused(&place, &["train", "c.toml"], 2, "unknown field");

    // The header of a .npy file.
    for body in [
        format!("{{'descr': '<f4', 'fortran_order': {OWNED}, 'shape': (3, 2), }}"),
        format!("{{'descr': '{OWNED}', 'fortran_order': False, 'shape': (3, 2), }}"),
        "{'descr': '<f4', 'fortran_order': Fal se, 'shape': (3, 2), }".to_owned(),
        "x".repeat(8000),
        "\n\n\n".to_owned(),
    ] {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((body.len() as u16).to_le_bytes());
        bytes.extend(body.as_bytes());
        bytes.extend([0; 24]);
        fs::write(place.path("x.npy"), bytes).expect("a file");
        refused(&place, &["distance", "x.npy", "x.npy"], 1, "x.npy");
    }
    place.write("x.csv", &format!("a,b\n1,2\n{OWNED},3\n"));
    refused(&place, &["distance", "x.csv", "x.csv"], 1, "x.csv");

    // The header of a model: its digest is wrong now, and what it says is shown.
    place.ok(&format!("train moons --out run {QUICK}"));
    place.ok("export run --out m.safetensors");
    let model = fs::read(place.path("m.safetensors")).expect("a model");
    let text = String::from_utf8_lossy(&model).into_owned();
    let at = text.find("moons").expect("the name of the data");
    let mut edited = model.clone();
    edited[at..at + 5].copy_from_slice(b"\x1b]0;o");
    fs::write(place.path("m.safetensors"), edited).expect("a file");
    refused(
        &place,
        &["sample", "m.safetensors", "--device", "flex"],
        1,
        "m.safetensors",
    );
}

#[cfg(unix)]
#[test]
fn results_are_printed_without_control_characters() {
    let place = Place::new();
    fs::create_dir(place.path(OWNED)).expect("a folder");
    let name = format!("{OWNED}/x.csv");
    let rows: String = (0..30).map(|i| format!("{i},{}\n", i % 7)).collect();
    fs::write(place.path(&name), rows).expect("a file");
    let config = "[data]\nname = \"\\u001b]0;owned\\u0007\\u001b[2J/x.csv\"\n\
         [network]\nkind = \"mlp\"\nwidth = 8\n";
    place.write("c.toml", config);
    let out = Path::new(OWNED).join("run");
    let out = out.to_str().expect("text");
    let commands = [
        [
            &["train", "c.toml", "--out", out][..],
            &QUICK_FILE.split_whitespace().collect::<Vec<_>>(),
        ]
        .concat(),
        vec!["sample", out, "--device", "flex", "-n", "4"],
        vec!["evaluate", out, "--device", "flex", "-n", "10"],
        vec!["distance", &name, &name],
    ];
    for command in commands {
        let output = std::process::Command::new(assert_cmd::cargo::cargo_bin!("pyroclast"))
            .current_dir(place.path(""))
            .args(&command)
            .output()
            .expect("the binary runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{stderr}");
        check("stdout", &stdout);
        check("stderr", &stderr);
    }
}
