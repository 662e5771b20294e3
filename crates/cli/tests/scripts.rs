//! What scripts and shells use: results as JSON, completions, the manual page.

mod place;

use place::{Place, QUICK, QUICK_DIGITS};
use serde_json::Value;

/// The keys of an object and of the objects in it.
fn keys(value: &Value, all: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                all.push(key.clone());
                keys(inner, all);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| keys(item, all)),
        _ => {}
    }
}

#[test]
fn every_command_prints_one_object_with_the_documented_keys() {
    let place = Place::new();
    let rows: String = (0..20).map(|i| format!("{i},{}\n", i * i % 7)).collect();
    place.write("a.csv", &format!("a,b\n{rows}"));
    let network = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/networks/torchcfm_unet_f32.safetensors");
    std::fs::copy(network, place.path("unet.safetensors")).expect("a writable folder");
    let page = include_str!("../../../docs/json.md");
    let documented = |command: &str| {
        let row = page
            .lines()
            .find(|line| line.starts_with(&format!("| `{command}")));
        row.unwrap_or_else(|| panic!("docs/json.md has no row for {command}"))
    };
    for command in [
        &format!("train moons --out run {QUICK}"),
        &format!("train digits --out images {QUICK_DIGITS}"),
        "sample run -n 4 --device flex --out x.csv",
        "sample run -n 4 --device flex --trajectory --steps 2",
        "evaluate run -n 20 --likelihoods 0 --device flex",
        "export run --out m.safetensors",
        "page run --out site",
        "import unet.safetensors --verify unet.safetensors --device flex --out u.safetensors",
        "classifier digits --steps 2 --out c.safetensors --device flex",
        "distance a.csv a.csv",
        "compare images -n 4 --evaluations 2 --methods ddim --device flex",
        "devices",
        "config --explain",
        "config --explain training.batch",
        "methods",
        "data inspect a.csv",
        "methods ddim",
        "presets",
        "presets moons",
    ] {
        let ran = place.ok(&format!("{command} --json"));
        assert_eq!(ran.stdout.lines().count(), 1, "{command}: {}", ran.stdout);
        let report: Value = serde_json::from_str(&ran.stdout).expect(command);
        let (mut found, mut words) = (Vec::new(), command.split(' '));
        let name = words.next().expect("a command");
        let row = documented(name);
        match name {
            // The scores are those of the table.
            "evaluate" => {
                found.extend(["n", "seeds", "method", "weights", "precision"].map(str::to_owned))
            }
            "presets" => {
                let map = report.as_object().expect("an object");
                found.extend(map.keys().cloned());
            }
            _ => keys(&report, &mut found),
        }
        for key in found {
            assert!(
                row.contains(&format!("`{key}`")),
                "{command}: `{key}` is not in: {row}"
            );
        }
    }
    let interrupted = place
        .ok("train moons --out run --device flex --resume --json")
        .stdout;
    let report: Value = serde_json::from_str(&interrupted).expect("JSON");
    assert_eq!(
        (&report["outcome"], &report["step"]),
        (&"finished".into(), &6.into())
    );
}

#[test]
fn shells_complete_every_command_and_option() {
    let place = Place::new();
    let commands = [
        "train",
        "sample",
        "evaluate",
        "export",
        "serve",
        "page",
        "import",
        "classifier",
        "distance",
        "compare",
        "devices",
        "config",
        "methods",
        "sweep",
        "data",
        "presets",
        "completions",
        "man",
    ];
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = place.ok(&format!("completions {shell}")).stdout;
        for command in commands {
            assert!(
                script.contains(command),
                "{shell} does not complete {command}"
            );
        }
        assert!(
            script.contains("guidance-rescale") && script.contains("corrector-ratio"),
            "{shell}"
        );
    }
    place.fails("completions tcsh", 2, &["tcsh", "bash"]);
    let page = place.ok("man").stdout;
    assert!(page.contains(".TH pyroclast 1"), "{}", &page[..200]);
    for command in commands {
        let section = format!(".SH \"PYROCLAST {}\"", command.to_uppercase());
        assert!(page.contains(&section), "{section}");
    }
    for option in [
        "guidance\\-rescale",
        "corrector\\-ratio",
        "bound\\-steps",
        "json",
    ] {
        assert!(page.contains(option), "{option}");
    }
}
