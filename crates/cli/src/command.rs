//! The subcommands, one file each.

pub(crate) mod classifier;
pub(crate) mod compare;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod data;
pub(crate) mod devices;
pub(crate) mod distance;
pub(crate) mod evaluate;
pub(crate) mod export;
pub(crate) mod import;
mod learned_from;
pub(crate) mod man;
pub(crate) mod methods;
pub(crate) mod page;
pub(crate) mod presets;
mod reconstruct;
pub(crate) mod sample;
pub(crate) mod serve;
pub(crate) mod sweep;
pub(crate) mod train;

use crate::Usage;
use crate::args::Model;
use crate::loading::with_progress;
use crate::say::{note, quoted};
use anyhow::{Result, bail};
use pyroclast_train::network::NetworkConfig;
use pyroclast_train::stored_model::StoredModel;
use pyroclast_train::task::Task;
use std::path::Path;

/// Opens the model of samples that a command line names. Prints a note if it has not been trained.
fn open(model: &Model) -> Result<StoredModel> {
    let stored = open_any(model)?;
    if is_autoencoder(&stored) {
        bail!(Usage(format!(
            "{0} is an autoencoder, which draws no samples; train a model of its latents with \
             --set data.latents={0}, or score it with `pyroclast evaluate`",
            quoted(&model.run.to_string_lossy())
        )));
    }
    Ok(stored)
}

fn is_autoencoder(stored: &StoredModel) -> bool {
    let network = &stored.header().about.network;
    network.as_ref().is_some_and(NetworkConfig::is_autoencoder)
}

/// As [`open`], an autoencoder too.
fn open_any(model: &Model) -> Result<StoredModel> {
    let stored = StoredModel::open(&model.run, model.weights)?;
    let about = &stored.header().about;
    if about.step == 0 && about.origin.is_none() {
        note!(
            "note: {} has not taken a step yet: its network is as it was drawn",
            model.run.display()
        );
    }
    Ok(stored)
}

/// The data to score a model on. Prints a note if it is not the data that the model was trained on.
fn data_of(stored: &StoredModel, path: &Path) -> Result<Task> {
    let task = with_progress(|loading| Ok(stored.task_by(loading)?))?;
    if !stored.is_trained_on(&task) {
        note!(
            "note: {} is not the data that {} was trained on",
            stored.config().data.name,
            path.display()
        );
    }
    Ok(task)
}
