//! Snapshots of the power-function averages, of which other widths are made.
//!
//! `θ̂_γ(t)` of every γ that is kept, at every t that is: `RUN/ema/step-NNNNNNNN.safetensors`, in the layout of
//! checkpoints.

use super::{Average, Law};
use crate::about::ModelHeader;
use crate::checkpoint::{CheckpointError, Header, SNAPSHOT, write};
use crate::parameters::Slot;
use burn::tensor::backend::Backend;
use std::path::Path;

/// Writes the power-function averages after a step, atomically. Waits for the device.
pub(crate) fn save_snapshot<B: Backend>(
    path: &Path,
    model: ModelHeader,
    config: &str,
    averages: &[Average<B>],
    slots: &[Slot],
) -> Result<(), CheckpointError> {
    let is_power = |average: &&Average<B>| matches!(average.law, Law::Power(_));
    let powers: Vec<Average<B>> = averages.iter().filter(is_power).cloned().collect();
    let header = Header::new(model, config, &powers);
    let lists = powers.iter().map(|a| (a.law.list(), &a.values));
    write(path, SNAPSHOT, &header, lists, slots)
}
