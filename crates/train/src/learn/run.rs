//! The folder that a run lives in.
//!
//! `config.toml · metrics.jsonl · checkpoints/step-*.safetensors · ema/step-*.safetensors · samples/*.png`
//!
//! A folder with a run in it is never overwritten, only resumed. A run of a program has no `config.toml`. Lines of `metrics.jsonl` that are newer than the
//! checkpoint that a run resumes from are dropped, so that each step is logged once.

use super::Record;
use super::checkpoint::{CheckpointError, inspect};
use crate::atomic_file::{remove_leftovers, write_atomically};
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Checkpoints that are kept: the newest, and the one before in case the newest is damaged.
const KEPT: usize = 2;

/// Why a run folder cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The folder holds something already.
    #[error(
        "{0} is not empty, and a run is never overwritten; give another folder, or resume the run"
    )]
    Occupied(String),
    /// The folder holds no run.
    #[error(
        "{0} holds no run (it has neither config.toml nor checkpoints); train one first, or give its folder"
    )]
    NoRun(String),
    /// There is nothing to resume from.
    #[error("{0} holds no checkpoint yet; wait for the first, or resume the run")]
    NoCheckpoint(String),
    /// The file system refuses.
    #[error("cannot use {path}")]
    Io {
        /// The file or folder.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// No checkpoint can be read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

/// A run folder.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    folder: PathBuf,
}

impl Run {
    /// A new run, with the text of its configuration if it has one.
    ///
    /// # Errors
    /// If the folder holds anything, or cannot be written.
    pub fn create(folder: &Path, config: Option<&str>) -> Result<Self, RunError> {
        let refused = |source| io(folder, source);
        fs::create_dir_all(folder).map_err(refused)?;
        if fs::read_dir(folder).map_err(refused)?.next().is_some() {
            return Err(RunError::Occupied(folder.display().to_string()));
        }
        let run = Self {
            folder: folder.to_owned(),
        };
        // The configuration comes first: from then on the folder is a run, and can be resumed.
        if let Some(config) = config {
            run.write_config(config)?;
        }
        for part in ["checkpoints", "samples"] {
            fs::create_dir(folder.join(part)).map_err(refused)?;
        }
        Ok(run)
    }

    /// The run in this folder.
    ///
    /// # Errors
    /// If there is none.
    pub fn open(folder: &Path) -> Result<Self, RunError> {
        let run = Self {
            folder: folder.to_owned(),
        };
        match run.config_path().exists() || folder.join("checkpoints").is_dir() {
            true => Ok(run),
            false => Err(RunError::NoRun(folder.display().to_string())),
        }
    }

    /// The text of its configuration; none for a run of a program.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn config(&self) -> Result<Option<String>, RunError> {
        let path = self.config_path();
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(io(&path, source)),
        }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the pictures go.
    pub fn samples(&self) -> PathBuf {
        self.folder.join("samples")
    }

    /// Stores a configuration in place of the one before, as when a run is prolonged.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write_config(&self, config: &str) -> Result<(), RunError> {
        let path = self.config_path();
        write_atomically(&path, config.as_bytes()).map_err(|source| io(&path, source))
    }

    /// Where the configuration is.
    pub fn config_path(&self) -> PathBuf {
        self.folder.join("config.toml")
    }

    fn metrics_path(&self) -> PathBuf {
        self.folder.join("metrics.jsonl")
    }

    /// Where the checkpoint after this step goes.
    pub fn checkpoint_path(&self, step: u64) -> PathBuf {
        self.folder
            .join("checkpoints")
            .join(format!("step-{step:08}.safetensors"))
    }

    /// Where the snapshot of the power-function averages after this step goes.
    pub fn snapshot_path(&self, step: u64) -> PathBuf {
        self.folder
            .join("ema")
            .join(format!("step-{step:08}.safetensors"))
    }

    /// The snapshots of the power-function averages with their steps, oldest first.
    pub fn snapshots(&self) -> Vec<(u64, PathBuf)> {
        self.steps_in("ema")
    }

    /// Makes the folder of snapshots, and removes those of steps after this one: they are taken again.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub fn prepare_snapshots(&self, step: u64) -> Result<(), RunError> {
        let folder = self.folder.join("ema");
        fs::create_dir_all(&folder).map_err(|source| io(&folder, source))?;
        for (_, path) in (self.snapshots().into_iter()).filter(|(taken, _)| *taken > step) {
            fs::remove_file(&path).map_err(|source| io(&path, source))?;
        }
        Ok(())
    }

    /// The checkpoints, newest first.
    fn checkpoints(&self) -> Vec<PathBuf> {
        let steps = self.steps_in("checkpoints").into_iter();
        steps.rev().map(|(_, path)| path).collect()
    }

    /// The files `step-*.safetensors` of a folder by their numbers, in order.
    fn steps_in(&self, folder: &str) -> Vec<(u64, PathBuf)> {
        let entries = fs::read_dir(self.folder.join(folder));
        let paths = entries.into_iter().flatten().flatten().map(|e| e.path());
        let mut steps: Vec<(u64, PathBuf)> = paths
            .filter_map(|path| {
                let name = path.file_name()?.to_str()?;
                let step = name.strip_prefix("step-")?.strip_suffix(".safetensors")?;
                Some((step.parse().ok()?, path))
            })
            .collect();
        steps.sort();
        steps
    }

    /// The newest checkpoint, which has to be whole.
    ///
    /// # Errors
    /// If there is none, or the newest is damaged or foreign: that is said, not passed over.
    pub fn latest(&self) -> Result<PathBuf, RunError> {
        let path = self.newest()?;
        inspect(&path)?;
        Ok(path)
    }

    /// The newest checkpoint, read by nobody yet.
    ///
    /// # Errors
    /// If there is none.
    pub fn newest(&self) -> Result<PathBuf, RunError> {
        (self.checkpoints().into_iter().next())
            .ok_or_else(|| RunError::NoCheckpoint(self.folder.display().to_string()))
    }

    /// Removes all but the newest checkpoints, and what a killed writer left.
    pub fn tidy(&self) {
        for path in self.checkpoints().into_iter().skip(KEPT) {
            // What cannot be removed does no harm but take room.
            let _ = fs::remove_file(path);
        }
        for part in ["", "checkpoints", "ema", "samples"] {
            remove_leftovers(&self.folder.join(part));
        }
    }

    /// Opens the metrics for appending, after dropping lines newer than `step` and any that was cut off.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn metrics(&self, step: u64) -> Result<Metrics, RunError> {
        let path = self.metrics_path();
        let refused = |source| io(&path, source);
        let kept: Vec<Record> = self
            .records()
            .into_iter()
            .filter(|record| record.step <= step)
            .collect();
        let text: String = kept.iter().map(line).collect();
        write_atomically(&path, text.as_bytes()).map_err(refused)?;
        let file = OpenOptions::new()
            .append(true)
            .open(&path)
            .map_err(refused)?;
        let seconds = kept.last().map_or(0.0, |record| record.seconds);
        Ok(Metrics {
            file,
            path,
            seconds,
        })
    }

    /// The lines of `metrics.jsonl` that can be read.
    pub fn records(&self) -> Vec<Record> {
        // A crash may have left half a line, or half a letter: what can be read is kept.
        let bytes = fs::read(self.metrics_path()).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        text.lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }
}

/// The open `metrics.jsonl`.
#[derive(Debug)]
pub struct Metrics {
    file: File,
    path: PathBuf,
    /// Seconds of training before the run was resumed.
    pub seconds: f64,
}

impl Metrics {
    /// Appends a line.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn append(&mut self, record: &Record) -> Result<(), RunError> {
        self.file
            .write_all(line(record).as_bytes())
            .map_err(|source| io(&self.path, source))
    }
}

fn io(path: &Path, source: std::io::Error) -> RunError {
    RunError::Io {
        path: path.display().to_string(),
        source,
    }
}

fn line(record: &Record) -> String {
    let json = serde_json::to_string(record).expect("a record holds numbers");
    json + "\n"
}
