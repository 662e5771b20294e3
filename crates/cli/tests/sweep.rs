//! Every key of a configuration and every option of every command, with nasty values: one line that
//! says what is wrong and code 1 or 2, or it works; never a panic, and within bounded time.

mod place;

use place::{Place, QUICK_DIGITS};
use pyroclast_core::named::Kind;
use pyroclast_train::config::{Config, explain};
use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// A command that takes longer on a few samples or steps is a fault.
const LONGEST: Duration = Duration::from_secs(30);
const WORKERS: usize = 4;

fn nasty() -> Vec<String> {
    let values = [
        "0",
        "-1",
        "0.5",
        "1e308",
        "nan",
        "inf",
        "",
        "[]",
        "../..",
        "\u{1b}[2J\n",
        "9223372036854775807",
        "18446744073709551616",
    ];
    let mut values: Vec<String> = values.map(str::to_owned).into();
    values.push("9".repeat(400));
    values.push("é".repeat(20_000));
    values
}

/// Runs a command, and says what is wrong with how it ended; none if nothing is.
fn fault(place: &Place, arguments: &[String]) -> Option<String> {
    let shown: Vec<String> = arguments
        .iter()
        .map(|a| a.chars().take(60).collect())
        .collect();
    let mut child = Command::new(assert_cmd::cargo::cargo_bin!("pyroclast"))
        .current_dir(place.path(""))
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut pipe = child.stderr.take().expect("it is piped");
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.read_to_end(&mut bytes);
        bytes
    });
    let clock = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("it is ours") {
            break Some(status);
        }
        if clock.elapsed() > LONGEST {
            child.kill().expect("it is ours");
            child.wait().expect("it was ours");
            break None;
        }
        std::thread::sleep(Duration::from_millis(3));
    };
    let bytes = reader.join().expect("it reads");
    let stderr = String::from_utf8_lossy(&bytes);
    let errors = stderr
        .lines()
        .filter(|line| line.starts_with("error: "))
        .count();
    let wrong = match status.map(|status| status.code()) {
        None => "it does not end",
        Some(Some(0)) if errors == 0 => return None,
        Some(Some(1 | 2)) if errors != 1 => "not one line that says what is wrong",
        Some(Some(1 | 2)) if stderr.contains("panicked") => "it panics",
        Some(Some(1 | 2)) if stderr.chars().any(|c| c.is_control() && c != '\n') => {
            "control characters"
        }
        Some(Some(1 | 2)) if stderr.len() > 8000 => "too long an error",
        Some(Some(1 | 2)) => return None,
        Some(_) => "another exit code",
    };
    let stderr: String = stderr.chars().take(400).collect();
    Some(format!("{shown:?}: {wrong}: {status:?}: {stderr}"))
}

/// Runs all commands, and fails with every fault.
fn sweep(place: &Place, commands: &[Vec<String>]) {
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut faults = Vec::new();
        while let Some(command) = commands.get(next.fetch_add(1, Ordering::Relaxed)) {
            faults.extend(fault(place, command));
        }
        faults
    };
    let faults: Vec<String> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS).map(|_| scope.spawn(worker)).collect();
        let join = |worker: std::thread::ScopedJoinHandle<'_, _>| worker.join().expect("it ends");
        workers.into_iter().flat_map(join).collect()
    });
    let n = (faults.len(), commands.len());
    assert!(
        faults.is_empty(),
        "{} of {} fail:\n{}",
        n.0,
        n.1,
        faults.join("\n")
    );
}

/// The keys below this one: of a choice, those of the parameters of its names.
fn keys(key: &str, kind: &Kind, all: &mut Vec<String>) {
    all.push(key.to_owned());
    match kind {
        Kind::Choice(choices) if key != "network.kind" => {
            for choice in choices {
                if let Some(parameters) = &choice.parameters {
                    keys(&format!("{key}.{}", choice.name), parameters, all);
                }
            }
        }
        Kind::Section(section) => {
            for inner in section {
                keys(&format!("{key}.{}", inner.name), &inner.kind, all);
            }
        }
        _ => {}
    }
}

#[test]
fn every_key_takes_nasty_values_or_refuses_them_in_a_line() {
    let place = Place::new();
    let of_points = "[data]\nname = \"moons\"\nsize = 50\n\
         [network]\nkind = \"mlp\"\nwidth = 4\ndepth = 1\n\
         [training]\nsteps = 2\nbatch = 4\n[sampling]\nsteps = 2\n";
    let of_images = "[data]\nname = \"digits\"\n\
         [network]\nkind = \"unet\"\nchannels = 4\nmultipliers = [1]\n\
         [training]\nsteps = 1\nbatch = 2\n[sampling]\nsteps = 1\n";
    place
        .write("points.toml", of_points)
        .write("images.toml", of_images);
    let mut all = Vec::new();
    for entry in explain("").expect("the keys") {
        keys(&entry.key, &entry.kind, &mut all);
    }
    assert!(all.len() > 60, "{}", all.len());
    let mut commands = Vec::new();
    for key in &all {
        let of_mlp = ["width", "depth", "activation", "sinusoids"]
            .iter()
            .any(|name| *key == format!("network.{name}"));
        let is_unet = key.starts_with("network.") && key != "network.kind" && !of_mlp;
        let (source, text) = if is_unet {
            ("images.toml", of_images)
        } else {
            ("points.toml", of_points)
        };
        for value in nasty() {
            let set = format!("{key}={value}");
            // What is refused at once needs no process of its own: the command prints this line.
            match Config::parse(text, source, std::slice::from_ref(&set)) {
                Err(error) => {
                    let line = error.to_string();
                    assert!(line.len() < 2000, "{key}: {line}");
                    continue;
                }
                // Works, for longer than anyone can wait.
                Ok(config) if config.training.steps > 1000 => continue,
                Ok(_) => {}
            }
            let out = format!("runs/{}", commands.len());
            let command = [
                "train", source, "--device", "flex", "--out", &out, "--set", &set,
            ];
            commands.push(command.map(str::to_owned).into());
        }
    }
    sweep(&place, &commands);
}

/// The options that the help of a command lists.
fn options(place: &Place, command: &str) -> Vec<String> {
    let help = place.ok(&format!("{command} --help")).stdout;
    let option = |line: &str| {
        let line = line.trim_start();
        let at = line.find("--")?;
        let takes_value = line[at..].contains('<');
        (line.starts_with('-') && at <= 4 && takes_value).then(|| {
            let name = line[at..]
                .split([' ', '=', '\n'])
                .next()
                .unwrap_or_default();
            name.trim_end_matches(',').to_owned()
        })
    };
    help.lines().filter_map(option).collect()
}

#[test]
fn every_option_takes_nasty_values_or_refuses_them_in_a_line() {
    let place = Place::new();
    place.trained();
    place.ok(&format!("train digits --out images {QUICK_DIGITS}"));
    let network = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/networks/torchcfm_unet_f32.safetensors");
    std::fs::copy(network, place.path("unet.safetensors")).expect("a writable folder");
    let row = |i: usize| format!("{i},{},{}\n", i * i % 7, i % 2);
    let rows: String = (0..40).map(row).collect();
    place.write("a.csv", &format!("a,b,label\n{rows}"));
    let mut commands: Vec<Vec<String>> = Vec::new();
    for (command, usual) in [
        (
            "train",
            "moons --steps 1 --set data.size=50 --set training.batch=4 --device flex",
        ),
        ("sample", "run -n 3 --steps 2 --device flex"),
        (
            "evaluate",
            "run -n 10 --steps 2 --likelihoods 0 --device flex",
        ),
        ("export", "run --out m.safetensors"),
        ("page", "run --out site"),
        (
            "import",
            "unet.safetensors --out u.safetensors --device flex",
        ),
        (
            "classifier",
            "digits --out c.safetensors --steps 1 --device flex",
        ),
        ("distance", "a.csv a.csv"),
        (
            "compare",
            "images -n 4 --evaluations 2 --methods ddim --device flex",
        ),
        ("config", "--explain"),
    ] {
        let found = options(&place, command);
        assert!(!found.is_empty(), "{command}");
        for option in &found {
            for value in nasty() {
                // Works, for longer than anyone can wait.
                if option == "--steps" && value.parse::<i64>().is_ok_and(|steps| steps > 1000) {
                    continue;
                }
                // An option that is given twice is refused, so the usual one makes way.
                let mut arguments: Vec<String> = vec![command.to_owned()];
                let mut words = usual.split_whitespace().peekable();
                while let Some(word) = words.next() {
                    let short = *option == "--count" && word == "-n";
                    let adapts =
                        ["--rtol", "--atol"].contains(&option.as_str()) && word == "--steps";
                    if (word == option && option != "--set") || short || adapts {
                        words.next();
                    } else {
                        arguments.push(word.to_owned());
                    }
                }
                arguments.push(format!("{option}={value}"));
                commands.push(arguments);
            }
        }
    }
    // What stands without an option. Runs of such names lie here by now, and are sampled.
    for command in ["train", "sample", "presets", "methods", "completions"] {
        for value in nasty() {
            commands.push(vec![command.to_owned(), value]);
        }
    }
    assert!(commands.len() > 1000, "{}", commands.len());
    sweep(&place, &commands);
}
