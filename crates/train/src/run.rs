//! The folder that a run lives in.
//!
//! `config.toml · metrics.jsonl · checkpoints/step-*.safetensors · ema/step-*.safetensors · samples/*.png`
//!
//! A folder with a run in it is never overwritten, only gone on with. Lines of `metrics.jsonl` that are newer than the
//! checkpoint that a run resumes from are dropped, so that each step is logged once.

use crate::atomic_file::{remove_leftovers, write_atomically};
use crate::checkpoint::{CheckpointError, inspect};
use crate::config::{Config, ConfigError};
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Checkpoints that are kept: the newest, and the one before in case the newest is damaged.
const KEPT: usize = 2;

/// Why a run folder cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The folder holds something already.
    #[error(
        "{0} is not empty, and a run is never overwritten; give another --out, or go on with --resume"
    )]
    Occupied(String),
    /// The folder holds no run.
    #[error("{0} holds no run (it has no config.toml); train one first, or give its folder")]
    NoRun(String),
    /// There is nothing to go on from.
    #[error("{0} holds no checkpoint yet; wait for the first, or go on with train --resume")]
    NoCheckpoint(String),
    /// The file system refuses.
    #[error("cannot use {path}")]
    Io {
        /// The file or folder.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The stored configuration cannot be read.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// No checkpoint can be read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

/// One line of `metrics.jsonl`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Steps taken.
    pub step: u64,
    /// The mean loss of the batches since the record before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<f64>,
    /// The loss of the averaged model on held-out data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<f64>,
    /// The learning rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learning_rate: Option<f64>,
    /// Seconds of training so far, interruptions left out.
    pub seconds: f64,
}

/// A run folder.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    folder: PathBuf,
}

impl Run {
    /// A new run with this configuration.
    ///
    /// # Errors
    /// If the folder holds anything, or cannot be written.
    pub fn create(folder: &Path, config: &Config) -> Result<Self, RunError> {
        let io = |source| RunError::Io {
            path: folder.display().to_string(),
            source,
        };
        fs::create_dir_all(folder).map_err(io)?;
        if fs::read_dir(folder).map_err(io)?.next().is_some() {
            return Err(RunError::Occupied(folder.display().to_string()));
        }
        let run = Self {
            folder: folder.to_owned(),
        };
        let path = run.config_path();
        write_atomically(&path, config.to_toml().as_bytes()).map_err(|source| RunError::Io {
            path: path.display().to_string(),
            source,
        })?;
        // The configuration comes first: from then on the folder is a run, and can be gone on with.
        for part in ["checkpoints", "samples"] {
            fs::create_dir(folder.join(part)).map_err(io)?;
        }
        Ok(run)
    }

    /// The run in this folder, with its configuration.
    ///
    /// # Errors
    /// If there is none, or its configuration cannot be read.
    pub fn open(folder: &Path) -> Result<(Self, Config), RunError> {
        let run = Self {
            folder: folder.to_owned(),
        };
        let path = run.config_path();
        if !path.exists() {
            return Err(RunError::NoRun(folder.display().to_string()));
        }
        let text = fs::read_to_string(&path).map_err(|source| RunError::Io {
            path: path.display().to_string(),
            source,
        })?;
        let config = Config::of_run(&text, &path.display().to_string())?;
        Ok((run, config))
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the pictures go.
    pub fn samples(&self) -> PathBuf {
        self.folder.join("samples")
    }

    /// Replaces the stored configuration, as when a run is prolonged.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write_config(&self, config: &Config) -> Result<(), RunError> {
        let path = self.config_path();
        write_atomically(&path, config.to_toml().as_bytes()).map_err(|source| RunError::Io {
            path: path.display().to_string(),
            source,
        })
    }

    fn config_path(&self) -> PathBuf {
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
        let io = |path: &Path, source| RunError::Io {
            path: path.display().to_string(),
            source,
        };
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
        let io = |source| RunError::Io {
            path: path.display().to_string(),
            source,
        };
        let kept: Vec<Record> = self
            .records()
            .into_iter()
            .filter(|record| record.step <= step)
            .collect();
        let text: String = kept.iter().map(line).collect();
        write_atomically(&path, text.as_bytes()).map_err(io)?;
        let file = OpenOptions::new().append(true).open(&path).map_err(io)?;
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
    /// Seconds of training before the run was gone on with.
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
            .map_err(|source| RunError::Io {
                path: self.path.display().to_string(),
                source,
            })
    }
}

fn line(record: &Record) -> String {
    let json = serde_json::to_string(record).expect("a record holds numbers");
    json + "\n"
}
