//! The folder of a run.
//!
//! `config.toml · metrics.jsonl · checkpoints/step-*.safetensors · ema/step-*.safetensors ·
//! samples/*.png`, of a model of latents `autoencoder.safetensors`,
//! and of one that learns from another `teacher.safetensors`
//! and perhaps `pairs/*.safetensors`
//!
//! A run is never overwritten, only resumed. A run that a program started without a configuration
//! has no `config.toml`. When a run resumes, lines of `metrics.jsonl` after its checkpoint are
//! dropped, so that each step is logged once.

use super::Record;
use super::checkpoint::{CheckpointError, step_of};
use crate::atomic_file::{remove_leftovers, write_atomically};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// The number of checkpoints that are kept: the newest, and the one before it in case the newest is
/// damaged.
const KEPT: usize = 2;

/// Why the folder of a run cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The folder for a new run is not empty.
    #[error(
        "{0} is not empty, and a run is never overwritten; give another folder, or resume the run"
    )]
    Occupied(String),
    /// The folder holds no run.
    #[error(
        "{0} holds no run (it has neither config.toml nor checkpoints); train one first, or give \
         its folder"
    )]
    NoRun(String),
    /// There is nothing of that name.
    #[error("{0} does not exist; give the folder of a run, or a model file{1}")]
    Missing(String, String),
    /// The run has not saved a checkpoint yet.
    #[error("{0} holds no checkpoint yet; wait for the first, or resume the run")]
    NoCheckpoint(String),
    /// Another process has locked the run.
    #[error("{0} is being trained by another process; wait for it, or stop it")]
    Busy(String),
    /// A part of the run is a link to another place.
    #[error(
        "{0} is a link or a pipe: other files could be overwritten and removed through it; put the \
         folder or file itself there"
    )]
    Link(String),
    /// A file or folder of the run cannot be read or written.
    #[error("cannot use {path}")]
    Io {
        /// The file or folder.
        path: String,
        /// The error of the file system.
        source: std::io::Error,
    },
    /// The newest checkpoint cannot be read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

/// A run that is locked by this process. Dropping it frees the run.
#[derive(Debug)]
pub struct RunLock {
    _file: File,
}

/// The folder of a run: its configuration, metrics, checkpoints and pictures.
///
/// A [`Recorder`](super::Recorder) writes to it; see there for an example.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    folder: PathBuf,
}

impl Run {
    /// Creates the folder of a new run, with the text of its configuration if it has one.
    ///
    /// # Errors
    /// [`RunError::Occupied`] if the folder is not empty, [`RunError::Io`] if it cannot be written.
    pub fn create(folder: &Path, config: Option<&str>) -> Result<Self, RunError> {
        let refused = |source| io(folder, source);
        fs::create_dir_all(folder).map_err(refused)?;
        // A run that was killed before it began has left nothing but that.
        remove_leftovers(folder);
        if fs::read_dir(folder).map_err(refused)?.next().is_some() {
            return Err(RunError::Occupied(folder.display().to_string()));
        }
        let run = Self {
            folder: folder.to_owned(),
        };
        // The configuration is written first: with it, the folder is a run that can be resumed.
        if let Some(config) = config {
            run.write_config(config)?;
        }
        run.prepare()?;
        Ok(run)
    }

    /// Makes the folders that a run needs and does not have.
    ///
    /// # Errors
    /// If they cannot be made, or one of them is a link, through which the files of another run
    /// would be written and removed.
    pub fn prepare(&self) -> Result<(), RunError> {
        for part in ["checkpoints", "samples", "ema"] {
            let path = self.folder.join(part);
            if path.is_symlink() {
                return Err(RunError::Link(path.display().to_string()));
            }
            if part != "ema" {
                fs::create_dir_all(&path).map_err(|source| io(&path, source))?;
            }
        }
        Ok(())
    }

    /// Takes the run for this process until the lock is dropped. On a file system without locks it
    /// locks nothing.
    ///
    /// # Errors
    /// [`RunError::Busy`] if another process is training it, [`RunError::Link`] if `.lock` is not a
    /// file.
    pub fn lock(&self) -> Result<RunLock, RunError> {
        let path = self.folder.join(".lock");
        // The folder may be a stranger's: nothing is opened or emptied through a link, or waited for.
        if fs::symlink_metadata(&path).is_ok_and(|found| !found.is_file()) {
            return Err(RunError::Link(path.display().to_string()));
        }
        let mut open = OpenOptions::new();
        open.write(true).create(true).truncate(false);
        let file = open.open(&path).map_err(|source| io(&path, source))?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => Err(RunError::Busy(self.folder.display().to_string())),
            Ok(()) | Err(TryLockError::Error(_)) => Ok(RunLock { _file: file }),
        }
    }

    /// Opens the run in this folder.
    ///
    /// # Errors
    /// [`RunError::NoRun`] if there is none, [`RunError::Missing`] if there is not even a folder.
    pub fn open(folder: &Path) -> Result<Self, RunError> {
        if !folder.exists() {
            let usual = Path::new("runs").join(folder);
            let meant = match usual.is_dir() {
                true => format!("; did you mean {}?", usual.display()),
                false => String::new(),
            };
            return Err(RunError::Missing(folder.display().to_string(), meant));
        }
        let run = Self {
            folder: folder.to_owned(),
        };
        if run.config_path().exists() || folder.join("checkpoints").is_dir() {
            Ok(run)
        } else {
            Err(RunError::NoRun(folder.display().to_string()))
        }
    }

    /// The text of `config.toml`; `None` for a run without a configuration.
    ///
    /// # Errors
    /// [`RunError::Io`] if the file cannot be read.
    pub fn config(&self) -> Result<Option<String>, RunError> {
        let path = self.config_path();
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(io(&path, source)),
        }
    }

    /// The path of the folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder for pictures of samples.
    pub fn samples(&self) -> PathBuf {
        self.folder.join("samples")
    }

    /// Replaces the configuration, for example with one of more steps.
    ///
    /// # Errors
    /// [`RunError::Io`] if the file cannot be written.
    pub fn write_config(&self, config: &str) -> Result<(), RunError> {
        let path = self.config_path();
        write_atomically(&path, config.as_bytes()).map_err(|source| io(&path, source))
    }

    /// The path of `config.toml`.
    pub fn config_path(&self) -> PathBuf {
        self.folder.join("config.toml")
    }

    fn metrics_path(&self) -> PathBuf {
        self.folder.join("metrics.jsonl")
    }

    /// The path of the model that is learned from, of a model of few steps.
    pub fn teacher_path(&self) -> PathBuf {
        self.folder.join("teacher.safetensors")
    }

    /// The folder of the pairs that a teacher makes, of a model that is trained on them.
    pub fn pairs_path(&self) -> PathBuf {
        self.folder.join("pairs")
    }

    /// The path of the autoencoder whose latents are trained on.
    pub fn autoencoder_path(&self) -> PathBuf {
        self.folder.join("autoencoder.safetensors")
    }

    /// The path of the checkpoint after this step.
    pub fn checkpoint_path(&self, step: u64) -> PathBuf {
        self.folder
            .join("checkpoints")
            .join(format!("step-{step:08}.safetensors"))
    }

    /// The path of the snapshot of the power-function averages after this step.
    pub fn snapshot_path(&self, step: u64) -> PathBuf {
        self.folder
            .join("ema")
            .join(format!("step-{step:08}.safetensors"))
    }

    /// The steps and paths of the snapshots of the power-function averages, oldest first.
    pub fn snapshots(&self) -> Vec<(u64, PathBuf)> {
        self.steps_in("ema").unwrap_or_default()
    }

    /// Creates the folder of snapshots, and removes the snapshots after this step, which training
    /// will take again.
    ///
    /// # Errors
    /// [`RunError::Io`] if the folder cannot be written.
    pub fn prepare_snapshots(&self, step: u64) -> Result<(), RunError> {
        let folder = self.folder.join("ema");
        fs::create_dir_all(&folder).map_err(|source| io(&folder, source))?;
        for (_, path) in (self.snapshots().into_iter()).filter(|(taken, _)| *taken > step) {
            fs::remove_file(&path).map_err(|source| io(&path, source))?;
        }
        Ok(())
    }

    /// The checkpoints, newest first.
    fn checkpoints(&self) -> Result<Vec<PathBuf>, RunError> {
        let steps = self.steps_in("checkpoints")?.into_iter();
        Ok(steps.rev().map(|(_, path)| path).collect())
    }

    /// The files `step-*.safetensors` of a folder with their steps, in rising order.
    fn steps_in(&self, folder: &str) -> Result<Vec<(u64, PathBuf)>, RunError> {
        let folder = self.folder.join(folder);
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            // One that cannot be read is not empty.
            Err(source) => return Err(io(&folder, source)),
        };
        let paths = entries.flatten().map(|entry| entry.path());
        let mut steps: Vec<(u64, PathBuf)> = paths
            .filter_map(|path| {
                let step = step_of(path.file_name()?.to_str()?)?;
                Some((step, path))
            })
            .collect();
        steps.sort();
        Ok(steps)
    }

    /// The path of the newest checkpoint, without reading the file.
    ///
    /// # Errors
    /// [`RunError::NoCheckpoint`] if there is none.
    pub fn newest(&self) -> Result<PathBuf, RunError> {
        (self.checkpoints()?.into_iter().next())
            .ok_or_else(|| RunError::NoCheckpoint(self.folder.display().to_string()))
    }

    /// Removes all but the two newest checkpoints, and incomplete files of killed writers.
    pub fn tidy(&self) {
        for path in self.checkpoints().into_iter().flatten().skip(KEPT) {
            // A checkpoint that cannot be removed only takes up space.
            let _ = fs::remove_file(path);
        }
        for part in ["", "checkpoints", "ema", "samples"] {
            remove_leftovers(&self.folder.join(part));
        }
    }

    /// Opens `metrics.jsonl` for appending, without lines after `step` or a line that was cut off.
    ///
    /// # Errors
    /// [`RunError::Io`] if the file cannot be written.
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

    /// The records in `metrics.jsonl`; lines that cannot be read are skipped.
    pub fn records(&self) -> Vec<Record> {
        // A crash may have cut off the last line, even in the middle of a character.
        let bytes = fs::read(self.metrics_path()).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        text.lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }
}

/// The file `metrics.jsonl`, open for appending.
#[derive(Debug)]
pub struct Metrics {
    file: File,
    path: PathBuf,
    /// Seconds of training before the run was resumed.
    pub seconds: f64,
}

impl Metrics {
    /// Appends a record as one line.
    ///
    /// # Errors
    /// [`RunError::Io`] if the file cannot be written.
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
