//! A run that goes on.

use super::absolute::absolute;
use crate::Usage;
use anyhow::{Result, bail};
use pyroclast_train::config::{Config, Preset};
use pyroclast_train::learn::{Latest, Run, RunError, RunLock, WeightsError};
use pyroclast_train::model_file::ModelHeader;
use pyroclast_train::task::Task;
use std::path::Path;

/// A run that is resumed, locked, with its configuration.
pub(super) struct Resumed {
    pub(super) run: Run,
    /// Held by the first process alone.
    pub(super) lock: Option<RunLock>,
    pub(super) config: Config,
    /// What its newest checkpoint says; none before the first.
    header: Option<ModelHeader>,
}

impl Resumed {
    /// Opens the run in a folder, if it agrees with what is asked for: with every assignment and,
    /// where the source is a file, with all of it. Only the number of steps may grow, and what
    /// [`with_free_keys`] lists may change.
    pub(super) fn open(
        folder: &Path,
        source: &str,
        asked: &Config,
        assignments: &[String],
    ) -> Result<Self> {
        let run = Run::open(folder)?;
        let folder = folder.display();
        let Some(mut stored) = Config::of_run(&run)? else {
            bail!(Usage(format!(
                "{folder} has no configuration; resume it in the program that started it"
            )));
        };
        // Runs of earlier versions have the path as it was typed.
        absolute(&mut stored)?;
        let lock = run.lock()?;
        let config = if Preset::named(source).is_some() {
            let mut config = Config::parse(&stored.to_toml(), &folder.to_string(), assignments)?;
            absolute(&mut config)?;
            config
        } else {
            asked.clone()
        };
        let same = with_free_keys(stored.clone(), &config);
        let refuse = |difference: String| {
            Err(Usage(format!(
                "{folder} was made with another configuration ({difference}); resume with the \
                 same, or give another --out"
            ))
            .into())
        };
        if asked.data.name != stored.data.name {
            return refuse(format!(
                "it learns {}, not {}",
                stored.data.name, asked.data.name
            ));
        }
        if same != config {
            return refuse(difference(&same.to_toml(), &config.to_toml()));
        }
        let header = newest(&run)?;
        let done = header.as_ref().map_or(0, |header| header.about.step);
        if config.training.steps < done {
            bail!(Usage(format!(
                "{folder} has already taken {done} steps, more than the {} asked for; give --steps \
                 {done} or more",
                config.training.steps
            )));
        }
        Ok(Self {
            run,
            lock: Some(lock),
            config,
            header,
        })
    }

    /// A run that the first process has opened and checked.
    pub(super) fn followed(run: Run, config: Config) -> Result<Self> {
        Ok(Self {
            header: newest(&run)?,
            run,
            lock: None,
            config,
        })
    }

    /// The data on the model's scale, if it is the data that the model has been trained on, or may
    /// be other data.
    pub(super) fn checked(&self, task: Task, may_be_new: bool) -> Result<Task> {
        let Some(header) = &self.header else {
            return Ok(task);
        };
        let data = &header.about.data;
        let (folder, name) = (self.run.folder().display(), &self.config.data.name);
        if task.training.shape != data.shape {
            bail!(
                "{name} now has samples of shape {:?}, and {folder} was trained on {:?}",
                task.training.shape,
                data.shape
            );
        }
        let task = task.conditioned_as(data.condition.as_ref());
        let task = task.rescaled(&data.scaling);
        if may_be_new || data.digest.as_ref() == Some(&task.digest()) {
            return Ok(task);
        }
        bail!(Usage(format!(
            "{name} has changed since {folder} was trained on it; put the old data back, start \
             anew with another --out, or train on the new data with --new-data"
        )))
    }
}

/// What the newest checkpoint says.
fn newest(run: &Run) -> Result<Option<ModelHeader>> {
    match Latest::read(run.clone()) {
        Ok(latest) => Ok(Some(latest.header().clone())),
        // Stopped before the first checkpoint, so training starts again.
        Err(WeightsError::Run(RunError::NoCheckpoint(_))) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// A configuration with the keys of another that a training may change on the way: those that
/// neither shape the model nor change what has been learned so far.
fn with_free_keys(mut config: Config, other: &Config) -> Config {
    let (free, new) = (&mut config.training, &other.training);
    free.steps = new.steps;
    free.micro_batch = new.micro_batch;
    free.checkpoint = new.checkpoint;
    free.precision = new.precision;
    free.learning_rate = new.learning_rate;
    free.weight_decay = new.weight_decay;
    free.clip = new.clip;
    free.log_every = new.log_every;
    free.validate_every = new.validate_every;
    free.save_every = new.save_every;
    free.picture_every = new.picture_every;
    free.tensorboard = new.tensorboard;
    config.sampling = other.sampling.clone();
    config
}

/// A description of the first line in which two configurations differ.
fn difference(stored: &str, asked: &str) -> String {
    (stored.lines().zip(asked.lines()))
        .find(|(a, b)| a != b)
        .map(|(a, b)| format!("it has `{a}`, not `{b}`"))
        .unwrap_or_else(|| "it has other sections".into())
}
