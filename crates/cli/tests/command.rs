//! The real binary: what it prints, the files it leaves, its exit codes, every error message.

use assert_cmd::Command;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A temporary folder that commands run in.
struct Place(TempDir);

/// What a command did.
struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> &Self {
        fs::write(self.path(name), text).expect("a writable folder");
        self
    }

    fn run(&self, arguments: &str) -> Ran {
        let output = Command::cargo_bin("pyroclast")
            .expect("the binary")
            .current_dir(self.0.path())
            .args(arguments.split_whitespace())
            .output()
            .expect("the binary runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ran {
            code: output.status.code().expect("no signal"),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }

    /// Runs what has to succeed.
    fn ok(&self, arguments: &str) -> Ran {
        let ran = self.run(arguments);
        assert_eq!(ran.code, 0, "{arguments}: {}", ran.stderr);
        ran
    }

    /// Runs what has to fail, with one line that says why.
    fn fails(&self, arguments: &str, code: i32, parts: &[&str]) {
        let ran = self.run(arguments);
        let errors: Vec<&str> = ran
            .stderr
            .lines()
            .filter(|l| l.starts_with("error:"))
            .collect();
        assert_eq!(
            (ran.code, errors.len()),
            (code, 1),
            "{arguments}: {}",
            ran.stderr
        );
        for part in parts {
            assert!(
                ran.stderr.contains(part),
                "{arguments}: `{part}` is not in: {}",
                ran.stderr
            );
        }
        assert!(
            !ran.stderr.contains("panicked"),
            "{arguments}: {}",
            ran.stderr
        );
    }

    /// A small run in `run`.
    fn trained(&self) -> &Self {
        self.ok(&format!("train moons --out run {QUICK}"));
        self
    }

    fn spawn(&self, arguments: &str) -> Child {
        std::process::Command::new(assert_cmd::cargo::cargo_bin!("pyroclast"))
            .current_dir(self.0.path())
            .args(arguments.split_whitespace())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary runs")
    }
}

const QUICK: &str = "--steps 6 --device flex --set training.batch=16 --set training.save-every=3 \
    --set training.log-every=2 --set data.size=200 --set sampling.steps=4";

fn checkpoints(run: &Path) -> usize {
    let entries = fs::read_dir(run.join("checkpoints"))
        .into_iter()
        .flatten()
        .flatten();
    entries
        .filter(|e| e.file_name().to_string_lossy().starts_with("step-"))
        .count()
}

fn newest(run: &Path) -> Vec<u8> {
    let entries = fs::read_dir(run.join("checkpoints")).expect("checkpoints");
    let path = entries
        .map(|e| e.expect("an entry").path())
        .max()
        .expect("a checkpoint");
    fs::read(path).expect("a readable file")
}

#[test]
fn a_run_leaves_what_it_promises() {
    let place = Place::new();
    let ran = place.ok(&format!("train moons {QUICK}"));
    assert!(ran.stdout.contains("run      runs/moons"), "{}", ran.stdout);
    assert!(ran.stderr.contains("step 6/6"), "{}", ran.stderr);
    for file in [
        "config.toml",
        "metrics.jsonl",
        "loss.png",
        "samples/step-00000006.png",
    ] {
        assert!(place.path("runs/moons").join(file).exists(), "{file}");
    }
    assert_eq!(checkpoints(&place.path("runs/moons")), 2);
    // The same again goes elsewhere, and to the same numbers.
    place.ok(&format!("train moons {QUICK}"));
    assert!(newest(&place.path("runs/moons")) == newest(&place.path("runs/moons-2")));
}

#[test]
fn samples_come_in_every_format() {
    let place = Place::new();
    place.trained();
    for (file, magic) in [
        ("a.png", &b"\x89PNG"[..]),
        ("a.npy", b"\x93NUMPY"),
        ("a.csv", b"x0,x1\n"),
    ] {
        place.ok(&format!("sample run -n 30 --device flex --out {file}"));
        let bytes = fs::read(place.path(file)).expect("a file");
        assert!(bytes.starts_with(magic), "{file}");
    }
    let csv = fs::read_to_string(place.path("a.csv")).expect("text");
    assert_eq!(csv.lines().count(), 31);
    place.ok("sample run -n 30 --device flex --out a.safetensors");
    let bytes = fs::read(place.path("a.safetensors")).expect("a file");
    let tensors = safetensors::SafeTensors::deserialize(&bytes).expect("safetensors");
    let samples = tensors.tensor("samples").expect("the samples");
    assert_eq!(samples.shape(), [30, 2]);
    // The csv and the safetensors are the same samples.
    let first = f32::from_le_bytes(samples.data()[..4].try_into().expect("four bytes"));
    let line = csv.lines().nth(1).expect("a row");
    assert_eq!(
        line.split(',').next().and_then(|v| v.parse::<f32>().ok()),
        Some(first)
    );
    let ran = place.ok("sample run -n 20 --device flex --trajectory --steps 5 --method heun");
    assert!(ran.stdout.contains("10 evaluations each"), "{}", ran.stdout);
    let gif = fs::read(place.path("run/samples/sample.gif")).expect("a trajectory");
    assert!(gif.starts_with(b"GIF89a"));
}

#[test]
fn every_method_samples() {
    let place = Place::new();
    place.ok(&format!(
        "train moons --out run {QUICK} --set path.coupling=independent"
    ));
    for method in [
        "euler",
        "midpoint",
        "heun",
        "ralston",
        "rk4",
        "bosh3",
        "dopri5",
        "euler-maruyama",
    ] {
        place.ok(&format!(
            "sample run -n 5 --device flex --method {method} --steps 3 --out {method}.csv"
        ));
    }
    for method in ["heun", "ralston", "bosh3", "dopri5"] {
        place.ok(&format!(
            "sample run -n 5 --device flex --method {method} --rtol 1e-3 --out {method}-a.csv"
        ));
    }
    let read = |file: &str| fs::read_to_string(place.path(file)).expect("text");
    assert_ne!(read("euler.csv"), read("heun.csv"));
    assert_ne!(read("euler.csv"), read("euler-maruyama.csv"));
    // No noise is no noise.
    place.ok("sample run -n 5 --device flex --method euler-maruyama --noise-level 0 --steps 3 --out still.csv");
    assert_eq!(read("euler.csv"), read("still.csv"));
}

#[test]
fn classes_and_guidance_are_obeyed() {
    let place = Place::new();
    place.ok(&format!(
        "train digits --out run {QUICK} --set network.channels=8 --set training.batch=4"
    ));
    let out = |arguments: &str| {
        place.ok(&format!(
            "sample run -n 3 --device flex --steps 2 --out a.csv {arguments}"
        ));
        fs::read_to_string(place.path("a.csv")).expect("text")
    };
    let sevens = out("--class 7");
    assert!(
        sevens.lines().skip(1).all(|line| line.starts_with("7,")),
        "{sevens}"
    );
    assert!(out("").lines().nth(2).expect("a row").starts_with("1,"));
    // A network whose output started at zero has hardly learned its classes: only equality is meaningful.
    assert_eq!(out("--class 7 --seed 3"), out("--class 7 --seed 3"));
    assert_ne!(out("--class 7 --seed 3"), out("--class 7 --seed 4"));
    assert_ne!(out("--class 7 --guidance 0"), out("--class 7 --guidance 5"));
    place.fails(
        "sample run --device flex --class 10",
        2,
        &["there is no class 10", "0 to 9"],
    );
    let json = place
        .ok("evaluate run --device flex -n 20 --steps 2 --json")
        .stdout;
    let report: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(report["n"], 20);
}

#[test]
fn evaluation_prints_every_metric() {
    let place = Place::new();
    place.trained();
    let ran = place.ok("evaluate run -n 50 --seeds 2 --device flex");
    for metric in [
        "W2",
        "perfect sampler",
        "sliced W2",
        "energy distance",
        "normalised path energy",
        "straightness",
        "NLL of held-out data (nats)",
        "its standard error",
        "evaluations",
        "seconds",
        "±",
    ] {
        assert!(ran.stdout.contains(metric), "{metric}: {}", ran.stdout);
    }
    let json = place
        .ok("evaluate run -n 50 --seeds 2 --json --device flex")
        .stdout;
    let report: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert!(report["w2"]["mean"].as_f64().expect("a number") > 0.0);
    assert!(report["w2_floor"]["mean"].as_f64() < report["w2"]["mean"].as_f64());
    assert!(
        report["nll"]["mean"]
            .as_f64()
            .expect("a number")
            .is_finite()
    );
    assert!(
        report["bits_per_dimension"].is_null(),
        "points have no bins"
    );
    let ran = place.ok("evaluate run -n 50 --likelihoods 0 --device flex");
    assert!(
        ran.stdout.contains("not known, or not asked for"),
        "{}",
        ran.stdout
    );
    let json = place
        .ok("evaluate run -n 50 --rtol 1e-3 --json --device flex")
        .stdout;
    let report: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert!(report["npe"].is_null());
}

#[test]
fn presets_and_devices_are_listed() {
    let place = Place::new();
    let presets = place.ok("presets").stdout;
    assert!(presets.contains("digits") && presets.contains("moons-8gaussians"));
    // What is shown can be trained from.
    place.write("mine.toml", &place.ok("presets moons").stdout);
    let ran = place.ok(&format!("train mine.toml {QUICK}"));
    assert!(ran.stdout.contains("runs/mine"), "{}", ran.stdout);
    let devices = place.ok("devices").stdout;
    for device in ["flex", "ndarray", "wgpu", "cuda"] {
        assert!(devices.contains(device), "{devices}");
    }
    assert!(devices.contains("ready, the default"), "{devices}");
}

#[test]
fn any_table_of_vectors_can_be_learned() {
    let place = Place::new();
    let rows: String = (0..60)
        .map(|i| format!("{},{},{}\n", i, 1000 + i * i, -i))
        .collect();
    place
        .write("v.csv", &rows)
        .write("c.toml", "[data]\nname = \"v.csv\"\n");
    place.ok(&format!(
        "train c.toml --out run {}",
        QUICK.replace("--set data.size=200 ", "")
    ));
    place.ok("sample run -n 7 --device flex --out s.csv");
    let samples = fs::read_to_string(place.path("s.csv")).expect("text");
    // In the units of the file: the second column lies in the thousands.
    let second = |line: &str| line.split(',').nth(1).and_then(|v| v.parse::<f32>().ok());
    assert!(
        samples
            .lines()
            .skip(1)
            .all(|line| second(line).expect("a number") > 100.0),
        "{samples}"
    );
    place.ok("evaluate run --device flex");
    place.fails(
        "evaluate run --device flex -n 31",
        2,
        &["-n 31 is more than half"],
    );
}

#[test]
fn what_is_not_known_is_named_with_what_is() {
    let place = Place::new();
    place.trained();
    place.fails("train moon", 2, &["no preset `moon`", "digits, moons"]);
    place.fails(
        "train moons --device tpu",
        2,
        &["no device `tpu`", "flex, ndarray, wgpu, cuda"],
    );
    place.fails(
        "train moons --set training.bach=3",
        2,
        &["unknown field `bach`"],
    );
    place.fails(
        "train moons --set training.batch",
        2,
        &["section.key=value"],
    );
    place.fails(
        "train moons --set data.name=mooons",
        1,
        &["data.name = `mooons`", "moons"],
    );
    place.fails(
        "train moons --set data.source=gausian",
        1,
        &["data.source = `gausian`"],
    );
    place.fails(
        "train moons --set network.kind=unet",
        2,
        &["a UNet takes images"],
    );
    place.fails(
        "sample run --method eular",
        2,
        &["no method `eular`", "euler, midpoint"],
    );
    place.fails(
        "sample run --method rk4 --rtol 1e-3",
        2,
        &["rk4 does not estimate its error"],
    );
    place.fails(
        "sample run --out a.jpg",
        2,
        &["a.jpg", ".png, .npy, .csv or .safetensors"],
    );
    place.fails("sample run --class 1", 2, &["knows no classes"]);
    place.fails("sample run --rtol -1 --device flex", 1, &["rtol = -1"]);
    // Moons are learned with optimal transport.
    place.fails(
        "sample run --method euler-maruyama",
        2,
        &["needs the score", "path.coupling=independent"],
    );
    place.fails("sample nowhere", 1, &["nowhere holds no run"]);
    place.fails("presets moon", 2, &["no preset `moon`"]);
    assert!(
        !place.path("runs").exists(),
        "a refused run leaves no folder"
    );
}

#[test]
fn zero_of_anything_is_refused() {
    let place = Place::new();
    place.trained();
    place.fails("sample run -n 0", 2, &["0"]);
    place.fails("sample run --steps 0", 2, &["0"]);
    place.fails("train moons --steps 0", 2, &["0"]);
    place.fails("evaluate run -n 0", 2, &["0"]);
    place.fails("evaluate run --seeds 0", 2, &["0"]);
    place.fails(
        "train moons --set training.steps=0",
        2,
        &["training.steps = 0", "at least 1"],
    );
    place.fails(
        "train moons --set training.batch=0",
        2,
        &["training.batch = 0"],
    );
}

#[test]
fn bad_files_are_named_with_the_place_in_them() {
    let place = Place::new();
    place.write(
        "broken.toml",
        "[data]\nname = \"moons\"\n[training\nsteps = 3\n",
    );
    place.fails("train broken.toml", 2, &["broken.toml", "line 3"]);
    let with = |csv: &str| {
        place
            .write("d.csv", csv)
            .write("c.toml", "[data]\nname = \"d.csv\"\n");
    };
    with("");
    place.fails("train c.toml", 1, &["d.csv", "empty"]);
    with("1,2\n3,4,5\n");
    place.fails("train c.toml", 1, &["d.csv", "row 2", "3 columns"]);
    with("1,2\n3,NaN\n");
    place.fails("train c.toml", 1, &["d.csv", "row 2, column 2", "NaN"]);
    with("1,2\n3,x\n");
    place.fails("train c.toml", 1, &["`x`", "not a number"]);
    place.write("c.toml", "[data]\nname = \"none.csv\"\n");
    place.fails("train c.toml", 1, &["none.csv does not exist"]);
    assert!(
        !place.path("runs").exists(),
        "a refused run leaves no folder"
    );
}

#[test]
fn damaged_runs_are_told_apart() {
    let place = Place::new();
    place.trained();
    let path = place.path("run/checkpoints/step-00000006.safetensors");
    let whole = fs::read(&path).expect("a checkpoint");
    fs::write(&path, &whole[..whole.len() / 2]).expect("a writable file");
    place.fails(
        "sample run --device flex",
        1,
        &["damaged", "earlier checkpoint"],
    );
    place.fails(
        &format!("train moons --out run --resume {QUICK}"),
        1,
        &["damaged"],
    );
    fs::write(&path, "hello").expect("a writable file");
    place.fails(
        "sample run --device flex",
        1,
        &["damaged or no safetensors"],
    );
    // The remedy works: without the damaged file, the run goes on to the same end.
    fs::remove_file(&path).expect("the damaged file");
    place.ok(&format!("train moons --out run --resume {QUICK}"));
    assert!(fs::read(&path).expect("a checkpoint") == whole);
}

#[test]
fn a_run_is_neither_overwritten_nor_resumed_as_another() {
    let place = Place::new();
    place.trained();
    let before = newest(&place.path("run"));
    place.fails(
        &format!("train moons --out run {QUICK}"),
        1,
        &["run is not empty", "--resume"],
    );
    place.fails(
        "train moons --out run --resume --seed 1",
        2,
        &["another configuration"],
    );
    assert!(newest(&place.path("run")) == before);
    place.ok(&format!(
        "train moons --out run --resume {}",
        QUICK.replace("--steps 6", "--steps 9")
    ));
    assert!(
        place
            .path("run/checkpoints/step-00000009.safetensors")
            .exists()
    );
}

#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let place = Place::new();
    place.write("file", "");
    place.fails(
        &format!("train moons --out file/run {QUICK}"),
        1,
        &["file/run"],
    );
}

/// A file system of 100 kB, for as long as the test has the right to mount one.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_keeps_the_last_checkpoint() {
    let place = Place::new();
    let disk = place.path("disk");
    fs::create_dir(&disk).expect("a folder");
    let mount = |arguments: &[&str]| {
        std::process::Command::new(arguments[0])
            .args(&arguments[1..])
            .arg(&disk)
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    };
    // A checkpoint of this network takes some 150 kB: two fit, and a third, written before one is removed, does not.
    if !mount(&["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs"]) {
        return;
    }
    let arguments = format!(
        "train moons --out disk/run {} --set training.save-every=1",
        QUICK.replace("--steps 6", "--steps 60")
    );
    let ran = place.run(&arguments);
    let kept = checkpoints(&place.path("disk/run"));
    let inspected = kept > 0
        && place
            .run("sample disk/run -n 5 --device flex --out s.csv")
            .code
            == 0;
    assert!(mount(&["umount", "-l"]));
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("No space left on device"),
        "{}",
        ran.stderr
    );
    assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
    assert!(
        inspected,
        "{kept} checkpoints are kept, and the newest is whole"
    );
}

#[cfg(unix)]
fn signal(child: &Child, name: &str) {
    let status = std::process::Command::new("kill")
        .args([format!("-{name}"), child.id().to_string()])
        .status();
    assert!(status.expect("kill runs").success());
}

#[cfg(unix)]
const LONG: &str = "train moons --out run --steps 4000 --device flex --set training.batch=16 \
    --set training.save-every=50 --set data.size=200 --set sampling.steps=4 --set path.coupling=independent";

#[cfg(unix)]
fn wait_for_checkpoint(run: &Path) {
    let start = Instant::now();
    while checkpoints(run) == 0 {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "no checkpoint in a minute"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[cfg(unix)]
#[test]
fn a_killed_run_resumes_to_the_same_bits() {
    let place = Place::new();
    place.ok(&LONG.replace("--out run", "--out whole"));
    let mut child = place.spawn(LONG);
    for pause in [0, 70, 130] {
        wait_for_checkpoint(&place.path("run"));
        std::thread::sleep(Duration::from_millis(pause));
        signal(&child, "KILL");
        child.wait().expect("the killed process");
        child = place.spawn(&format!("{LONG} --resume"));
    }
    assert!(child.wait().expect("the last process").success());
    assert!(newest(&place.path("run")) == newest(&place.path("whole")));
}

#[cfg(unix)]
#[test]
fn an_interrupt_saves_and_says_how_to_go_on() {
    let place = Place::new();
    let child = place.spawn(LONG);
    wait_for_checkpoint(&place.path("run"));
    signal(&child, "INT");
    let output = child.wait_with_output().expect("the interrupted process");
    assert_eq!(output.status.code(), Some(130));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        text.contains("pyroclast train moons --out run --device flex --resume"),
        "{text}"
    );
    let step: u64 = text
        .split("after step ")
        .nth(1)
        .and_then(|t| t.split(',').next()?.parse().ok())
        .expect("a step");
    assert!(
        place
            .path(&format!("run/checkpoints/step-{step:08}.safetensors"))
            .exists()
    );
}
