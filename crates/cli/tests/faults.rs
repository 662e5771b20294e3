//! What goes wrong around a run costs neither the run nor a wrong number: logs that go away, data
//! that changes, kills at a bad moment, two processes at once.

mod place;

use place::{Place, QUICK};
use std::fs::{self, File};
use std::process::{Command, Stdio};

fn table(n: usize, scale: f64) -> String {
    let row = |i: usize| {
        let u = i as f64 / n as f64;
        format!("{},{}\n", scale * (7.0 * u).sin(), 3.0 + (5.0 * u).cos())
    };
    "a,b\n".to_owned() + &(0..n).map(row).collect::<String>()
}

fn config(steps: u64) -> String {
    format!(
        "[data]\nname = \"d.csv\"\n[network]\nkind = \"mlp\"\nwidth = 8\n\
         [training]\nsteps = {steps}\nbatch = 16\nsave-every = 3\n[sampling]\nsteps = 4\n"
    )
}

/// A run on a table in `d.csv`, of the configuration `c.toml`, in `run`.
fn on_a_table() -> Place {
    let place = Place::new();
    place.write("d.csv", &table(60, 1.0));
    place.write("c.toml", &config(6));
    place.ok("train c.toml --out run --device flex");
    place
}

#[test]
fn a_log_that_goes_away_does_not_stop_training() {
    let place = Place::new();
    let mut child = Command::new(assert_cmd::cargo::cargo_bin!("pyroclast"))
        .current_dir(place.path(""))
        .args(format!("train moons --out run {QUICK}").split_whitespace())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    drop((child.stdout.take(), child.stderr.take()));
    let status = child.wait().expect("it ends");
    assert_eq!(status.code(), Some(0));
    let last = place.path("run/checkpoints/step-00000006.safetensors");
    assert!(last.exists());
}

#[cfg(target_os = "linux")]
#[test]
fn results_that_cannot_be_printed_end_a_command_without_a_panic() {
    let run = |out: Stdio| {
        let output = Command::new(assert_cmd::cargo::cargo_bin!("pyroclast"))
            .arg("methods")
            .stdout(out)
            .stderr(Stdio::piped())
            .output()
            .expect("the binary runs");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), stderr)
    };
    let full = File::options()
        .write(true)
        .open("/dev/full")
        .expect("Linux");
    let (code, stderr) = run(full.into());
    assert_eq!(code, Some(1));
    assert!(
        stderr.starts_with("error: cannot write the results"),
        "{stderr}"
    );
    assert_eq!(stderr.lines().count(), 1, "{stderr}");

    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    assert_eq!(run(writer.into()), (Some(0), String::new()));
}

#[test]
fn a_run_that_was_killed_in_its_first_moment_can_begin_and_resume() {
    let place = Place::new();
    fs::create_dir(place.path("a")).expect("a folder");
    place.write("a/.pyroclast-x", "half a configuration");
    place.ok(&format!("train moons --out a {QUICK}"));

    place.trained();
    fs::create_dir(place.path("b")).expect("a folder");
    fs::copy(place.path("run/config.toml"), place.path("b/config.toml")).expect("a copy");
    place.ok("train moons --out b --device flex --resume");
    assert!(
        place
            .path("b/checkpoints/step-00000006.safetensors")
            .exists()
    );
}

#[test]
fn a_model_is_sampled_without_its_data() {
    let place = on_a_table();
    let before = place
        .ok("sample run -n 5 --seed 3 --device flex --out a.csv")
        .stdout;
    assert!(before.contains("5 samples"));
    place.write("d.csv", &table(60, 100.0));
    place.ok("sample run -n 5 --seed 3 --device flex --out b.csv");
    fs::remove_file(place.path("d.csv")).expect("the data");
    place.ok("sample run -n 5 --seed 3 --device flex --out c.csv");
    let read = |name: &str| fs::read(place.path(name)).expect("samples");
    assert!(read("a.csv") == read("b.csv") && read("a.csv") == read("c.csv"));
}

#[test]
fn changed_data_is_not_resumed_on_unless_it_is_asked_for() {
    let place = on_a_table();
    place.write("d.csv", &table(60, 100.0));
    place.write("c.toml", &config(9));
    let before = fs::read(place.path("run/config.toml")).expect("a configuration");
    place.fails(
        "train c.toml --out run --device flex --resume",
        2,
        &[
            "d.csv has changed since run was trained on it",
            "--new-data",
        ],
    );
    assert!(fs::read(place.path("run/config.toml")).expect("still there") == before);
    place.ok("train c.toml --out run --device flex --resume --new-data");
    // It is now the data of the run.
    place.write("c.toml", &config(12));
    place.ok("train c.toml --out run --device flex --resume");
    let note = place
        .ok("evaluate run -n 20 --likelihoods 0 --device flex")
        .stderr;
    assert!(!note.contains("is not the data"), "{note}");
}

#[test]
fn what_is_refused_changes_nothing() {
    let place = on_a_table();
    let before = fs::read(place.path("run/config.toml")).expect("a configuration");
    for (arguments, code, part) in [
        (
            "train c.toml --out run --resume --steps 50 --device cuda",
            1,
            "cuda",
        ),
        (
            "train c.toml --out run --resume --device flex --set training.batch=8",
            2,
            "batch = 16",
        ),
        (
            "train c.toml --out run --resume --device flex --steps 2",
            2,
            "already taken 6 steps",
        ),
    ] {
        place.fails(arguments, code, &[part]);
        let now = fs::read(place.path("run/config.toml")).expect("still there");
        assert!(now == before, "{arguments}");
    }
    // An edited file is compared whole.
    place.write("c.toml", &config(9).replace("batch = 16", "batch = 8"));
    place.fails(
        "train c.toml --out run --resume --device flex",
        2,
        &["another configuration", "batch"],
    );
}

#[test]
fn a_run_is_trained_by_one_process_at_a_time() {
    let place = Place::new();
    place.trained();
    let lock = File::create(place.path("run/.lock")).expect("a lock");
    lock.lock().expect("a free lock");
    place.fails(
        "train moons --out run --device flex --resume",
        1,
        &["run is being trained by another process"],
    );
    drop(lock);
    place.ok("train moons --out run --device flex --resume");
}

#[test]
fn samples_drawn_at_once_have_names_of_their_own() {
    let place = Place::new();
    place.trained();
    let sample = || place.spawn("sample run -n 4 --device flex");
    let mut all = [sample(), sample(), sample(), sample()];
    for child in &mut all {
        assert!(child.wait().expect("it ends").success());
    }
    for name in ["sample", "sample-2", "sample-3", "sample-4"] {
        let file = fs::metadata(place.path(&format!("run/samples/{name}.png")));
        assert!(file.expect(name).len() > 0);
    }
    place.fails(
        "sample run -n 4 --device flex --out nowhere/x.png",
        2,
        &["there is no folder nowhere"],
    );
}

#[test]
fn a_checkpoint_that_is_not_the_runs_own_is_named() {
    let place = Place::new();
    place.trained();
    let checkpoint =
        |run: &str, step: u64| place.path(&format!("{run}/checkpoints/step-{step:08}.safetensors"));
    fs::copy(checkpoint("run", 3), checkpoint("run", 99)).expect("a copy");
    place.fails(
        "sample run -n 4 --device flex",
        1,
        &["it was saved after step 3, and its name says 99"],
    );
    fs::remove_file(checkpoint("run", 99)).expect("the copy");

    place.ok(&format!(
        "train moons --out other {QUICK} --set path.coupling=independent"
    ));
    fs::copy(checkpoint("other", 6), checkpoint("run", 6)).expect("a copy");
    place.fails(
        "train moons --out run --device flex --resume --steps 9",
        1,
        &["it was trained on another path"],
    );
}

#[cfg(unix)]
#[test]
fn a_run_does_not_write_through_links() {
    let place = Place::new();
    place.trained();
    place.ok(&format!("train moons --out other {QUICK}"));
    fs::remove_dir_all(place.path("other/checkpoints")).expect("a folder");
    std::os::unix::fs::symlink(
        place.path("run/checkpoints"),
        place.path("other/checkpoints"),
    )
    .expect("a link");
    place.fails(
        "train moons --out other --device flex --resume --steps 9",
        1,
        &["other/checkpoints is a link"],
    );
    assert!(
        place
            .path("run/checkpoints/step-00000006.safetensors")
            .exists()
    );

    // Nor is the file behind a lock that is a link touched.
    place.write("thesis.tex", "three years");
    fs::remove_file(place.path("run/.lock")).expect("the lock of the training");
    std::os::unix::fs::symlink(place.path("thesis.tex"), place.path("run/.lock")).expect("a link");
    place.fails(
        "train moons --out run --device flex --resume --steps 9",
        1,
        &["run/.lock is a link"],
    );
    let text = fs::read_to_string(place.path("thesis.tex")).expect("still there");
    assert_eq!(text, "three years");
}

#[cfg(unix)]
#[test]
fn a_reader_that_leaves_costs_no_file() {
    let place = Place::new();
    place.trained();
    let mut child =
        place.spawn("sample run -n 20 --steps 3 --trajectory --device flex --out x.png");
    drop(child.stdout.take());
    assert!(child.wait().expect("it ends").success());
    for name in ["x.png", "x.gif"] {
        assert!(fs::metadata(place.path(name)).expect(name).len() > 0);
    }
}

#[test]
fn rescaled_guidance_is_for_images() {
    let place = Place::new();
    let rows: String = (0..60)
        .map(|i| format!("{},{},{}\n", f64::from(i).sin(), f64::from(i).cos(), i % 2))
        .collect();
    place.write("d.csv", &format!("a,b,label\n{rows}"));
    place.write("c.toml", &config(6));
    place.ok("train c.toml --out run --device flex");
    place.fails(
        "sample run -n 4 --device flex --guidance 2 --guidance-rescale 0.7",
        2,
        &["a sample of d is a vector", "leave it out"],
    );
}

#[test]
fn the_version_and_numbers_beyond_64_bits_take_a_line() {
    let place = Place::new();
    assert!(place.ok("--version").stdout.starts_with("pyroclast 0"));
    let huge = place.run("train moons --steps 18446744073709551615");
    assert_eq!(huge.code, 2);
    assert!(huge.stderr.contains("is not in 1..="), "{}", huge.stderr);
}

#[test]
fn a_training_that_diverges_early_leaves_a_checkpoint() {
    let place = Place::new();
    place.fails(
        &format!(
            "train moons --out run {QUICK} --set training.learning-rate=1e30 \
             --set training.save-every=1000 --set training.ema-power=[0.1]"
        ),
        1,
        &["lower the learning rate"],
    );
    let first = place.path("run/checkpoints/step-00000000.safetensors");
    assert!(first.exists());
    let ran = place.ok("sample run -n 4 --device flex");
    place.ok("sample run -n 4 --device flex --weights power:0.1");
    assert!(
        ran.stderr.contains("run has not taken a step yet"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_run_resumes_from_before_its_first_step() {
    let place = Place::new();
    place.trained();
    let last = "checkpoints/step-00000006.safetensors";
    // A run that was killed before its first step.
    place.ok(&format!(
        "train moons --out other {QUICK} --set training.save-every=1000"
    ));
    let started = place.path("other/checkpoints/step-00000000.safetensors");
    let config = fs::read_to_string(place.path("run/config.toml")).expect("a configuration");
    fs::remove_file(place.path("other").join(last)).expect("the last");
    place.write("other/config.toml", &config);
    assert!(started.exists());
    place.ok("train moons --out other --device flex --resume");
    let read = |run: &str| fs::read(place.path(run).join(last)).expect("a checkpoint");
    let (a, b) = (read("run"), read("other"));
    assert!(a == b);
}

#[test]
fn a_picture_that_a_kill_has_cost_is_drawn_when_the_run_resumes() {
    let place = Place::new();
    place.ok(&format!(
        "train moons --out run {} --set training.picture-every=3",
        QUICK.replace("--steps 6", "--steps 3")
    ));
    let picture = place.path("run/samples/step-00000003.png");
    let before = fs::read(&picture).expect("a picture");
    fs::remove_file(&picture).expect("the picture");
    place.ok("train moons --out run --device flex --resume --steps 6");
    assert!(fs::read(&picture).expect("drawn again") == before);
    assert!(!place.path("run/samples/step-00000000.png").exists());
}

#[cfg(unix)]
#[test]
fn a_limit_on_the_size_of_files_is_an_error_like_a_full_disk() {
    let place = Place::new();
    place.trained();
    for command in [
        format!("train moons --out small {QUICK}"),
        "sample run -n 50000 --device flex --out x.npy".to_owned(),
        "sample run -n 50000 --device flex --out x.csv".to_owned(),
    ] {
        let binary = assert_cmd::cargo::cargo_bin!("pyroclast").display();
        let output = Command::new("sh")
            .current_dir(place.path(""))
            .args(["-c", &format!("ulimit -f 16; exec '{binary}' {command}")])
            .output()
            .expect("a shell");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{command}: {stderr}");
        let errors = stderr.lines().filter(|line| line.starts_with("error: "));
        assert_eq!(errors.count(), 1, "{command}: {stderr}");
        assert!(stderr.contains("File too large"), "{command}: {stderr}");
    }
    assert!(!place.path("x.npy").exists() && !place.path("x.csv").exists());
}

#[test]
fn the_next_writer_removes_what_a_killed_one_has_left() {
    let place = Place::new();
    place.trained();
    for name in [
        ".pyroclast-x",
        "run/samples/.pyroclast-y",
        ".part-of-another-program",
    ] {
        place.write(name, "half a picture");
    }
    place.ok("sample run -n 4 --device flex --trajectory --steps 2 --out x.png");
    assert!(!place.path(".pyroclast-x").exists());
    assert!(place.path(".part-of-another-program").exists());
    place.ok("sample run -n 4 --device flex");
    assert!(!place.path("run/samples/.pyroclast-y").exists());
}

#[test]
fn what_was_asked_wrongly_is_code_2_and_what_failed_is_code_1() {
    let place = Place::new();
    place.trained();
    for (command, code) in [
        ("train moons --set data.name=nothing", 2),
        ("train moons --set training.steps=-1", 2),
        ("train moons --steps 0", 2),
        ("train moons --steps 18446744073709551615", 2),
        ("train", 2),
        ("nothing", 2),
        ("sample run --method ddpm", 2),
        ("sample run --grid leading", 2),
        ("sample run --out x.jpg", 2),
        ("sample run --out .", 2),
        ("sample run --weights rate:0.5", 2),
        ("sample nowhere", 1),
        ("distance none.csv none.csv", 1),
        ("compare run", 2),
    ] {
        let device = if command.starts_with("sample") {
            " --device flex"
        } else {
            ""
        };
        let ran = place.run(&format!("{command}{device}"));
        assert_eq!(ran.code, code, "{command}: {}", ran.stderr);
        assert_eq!(ran.stderr.lines().count(), 1, "{command}: {}", ran.stderr);
    }
    let json = place
        .ok("evaluate run -n 20 --likelihoods 0 --device flex --json")
        .stdout;
    let scores: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert!(
        scores["w2"]["std"].is_null() && scores["w2"]["mean"].is_number(),
        "{json}"
    );
}

#[test]
fn a_resumed_history_does_not_drift() {
    let place = Place::new();
    let often = QUICK
        .replace("log-every=2", "log-every=1")
        .replace("--steps 6", "--steps 60");
    place.ok(&format!("train moons --out run {often}"));
    let read = || fs::read_to_string(place.path("run/metrics.jsonl")).expect("a history");
    let before = read();
    assert_eq!(before.lines().count(), 60);
    place.ok("train moons --out run --device flex --resume");
    assert_eq!(before, read());
}
