//! A temporary folder that the real binary runs in.

// Each test program uses a part of this.
#![allow(dead_code)]

use assert_cmd::Command;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use tempfile::TempDir;

/// Where tests keep decoded pictures: not in the cache of whoever runs them.
const CACHE: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/cache");

/// A temporary folder that commands run in.
pub(crate) struct Place(TempDir);

/// What a command did.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> &Self {
        fs::write(self.path(name), text).expect("a writable folder");
        self
    }

    pub(crate) fn run(&self, arguments: &str) -> Ran {
        let output = Command::cargo_bin("pyroclast")
            .expect("the binary")
            .current_dir(self.0.path())
            .env("PYROCLAST_CACHE", CACHE)
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
    pub(crate) fn ok(&self, arguments: &str) -> Ran {
        let ran = self.run(arguments);
        assert_eq!(ran.code, 0, "{arguments}: {}", ran.stderr);
        ran
    }

    /// Runs what has to fail, with one line that says why: gives what it prints there.
    pub(crate) fn fails(&self, arguments: &str, code: i32, parts: &[&str]) -> String {
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
        ran.stderr
    }

    /// A small run in `run`.
    pub(crate) fn trained(&self) -> &Self {
        self.ok(&format!("train moons --out run {QUICK}"));
        self
    }

    pub(crate) fn spawn(&self, arguments: &str) -> Child {
        std::process::Command::new(assert_cmd::cargo::cargo_bin!("pyroclast"))
            .current_dir(self.0.path())
            .env("PYROCLAST_CACHE", CACHE)
            .args(arguments.split_whitespace())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary runs")
    }
}

/// The options of a training run of seconds.
macro_rules! quick {
    ($more:literal) => {
        concat!(
            "--steps 6 --device flex --set training.batch=16 --set training.save-every=3 \
             --set training.log-every=2 --set sampling.steps=4 ",
            $more
        )
    };
}

/// A training run of seconds on a toy distribution.
pub(crate) const QUICK: &str = quick!("--set data.size=200");

/// The same on a file.
pub(crate) const QUICK_FILE: &str = quick!("");

/// The same on a preset of the digits, with a small network.
pub(crate) const QUICK_DIGITS: &str = quick!("--set training.batch=4 --set network.channels=8");
