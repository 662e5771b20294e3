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
pub(crate) mod man;
pub(crate) mod methods;
pub(crate) mod presets;
pub(crate) mod sample;
pub(crate) mod sweep;
pub(crate) mod train;

use crate::args::Model;
use crate::say::note;
use anyhow::Result;
use pyroclast_train::stored_model::StoredModel;

/// Opens the model that a command line names. Prints a note if it has not been trained.
fn open(model: &Model) -> Result<StoredModel> {
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
