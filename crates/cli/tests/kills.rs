//! A training that is killed again and again ends with the bytes of one that is not.

mod place;

use place::Place;
use pyroclast_core::noise::{Noise, Stream};
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The number of kills.
const KILLS: u64 = 20;
/// Steps between two kills, about: so many are taken before the moment that is drawn begins.
const BETWEEN: u64 = 10;

const SETTINGS: &str = "--device flex --set training.batch=64 --set training.save-every=10 \
    --set training.log-every=3 --set training.picture-every=30 --set training.ema-power=[0.1] \
    --set data.size=500 --set sampling.steps=4";

fn train(place: &Place, out: &str, resumes: bool) -> Child {
    let steps = BETWEEN * (KILLS + 1);
    let resume = if resumes { "--resume" } else { "" };
    Command::new(assert_cmd::cargo::cargo_bin!("pyroclast"))
        .current_dir(place.path(""))
        .args(
            format!("train moons --out {out} --steps {steps} {SETTINGS} {resume}")
                .split_whitespace(),
        )
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs")
}

/// Every file of a folder with its bytes, without the seconds of the history.
fn contents(folder: PathBuf) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for part in ["checkpoints", "ema", "samples"] {
        let files = fs::read_dir(folder.join(part))
            .expect("a part of the run")
            .flatten();
        for file in files {
            let name = format!("{part}/{}", file.file_name().to_string_lossy());
            all.push((name, fs::read(file.path()).expect("a file")));
        }
    }
    let history = fs::read_to_string(folder.join("metrics.jsonl")).expect("a history");
    let losses = history.lines().map(|line| {
        let record: serde_json::Value = serde_json::from_str(line).expect("a record");
        format!(
            "{} {} {}\n",
            record["step"], record["loss"], record["validation"]
        )
    });
    all.push((
        "history".to_owned(),
        losses.collect::<String>().into_bytes(),
    ));
    all.sort();
    all
}

#[test]
fn twenty_kills_change_no_byte() {
    let place = Place::new();
    let clock = Instant::now();
    assert!(
        train(&place, "whole", false)
            .wait()
            .expect("it ends")
            .success()
    );
    // What a run takes, at the least: kills come at any moment of it.
    let span = clock.elapsed().as_micros() as u64 / KILLS;
    let mut draws = Noise::new(2026).draws(Stream::Metric, 0);
    let mut killed = 0;
    for kill in 0..KILLS {
        let mut child = train(&place, "run", place.path("run/config.toml").exists());
        // Early moments, in which a run is made or restored, are as likely as late ones.
        let micros = draws.uniform() * (span * if kill.is_multiple_of(2) { 4 } else { 1 }) as f64;
        std::thread::sleep(Duration::from_micros(micros as u64));
        child.kill().expect("it is ours");
        let ended = child.wait_with_output().expect("it ends");
        let stderr = String::from_utf8_lossy(&ended.stderr);
        assert!(!stderr.contains("error"), "kill {kill}: {stderr}");
        killed += u64::from(ended.status.code().is_none());
    }
    let mut child = train(&place, "run", place.path("run/config.toml").exists());
    assert!(child.wait().expect("it ends").success());
    assert!(killed > KILLS / 2, "only {killed} kills hit the training");
    let (whole, run) = (contents(place.path("whole")), contents(place.path("run")));
    let names = |all: &[(String, Vec<u8>)]| -> Vec<String> {
        all.iter().map(|(name, _)| name.clone()).collect()
    };
    assert_eq!(names(&whole), names(&run));
    for ((name, a), (_, b)) in whole.iter().zip(&run) {
        assert!(a == b, "{name} differs");
    }
}
