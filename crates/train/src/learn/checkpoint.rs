//! Checkpoints: everything that is needed to resume a run, in one file.
//!
//! `model.* · ema.* · first.* · second.*` hold the parameters, their average and the optimizer's
//! moments; `ema.rate-0.9999.*` or `ema.power-0.05.*` hold further averages. The header contains
//! the header of a model file, the names of the averages, and the configuration of the run if it
//! has one. The noise needs only the seed and the step. See
//! [`tensor_file`](crate::model_file::tensor_file) for the layout.

mod lists;

pub(super) use lists::{CHECKPOINT, Lists, SNAPSHOT, step_of};

use super::average::{Average, Law};
use crate::model_file::ModelHeader;
use crate::model_file::tensor_file::TensorFileError;
use crate::parameters::Slot;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use lists::{Header, write};
use std::path::Path;

/// Why a checkpoint cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The file cannot be written.
    #[error("cannot save {path}; the previous checkpoint is intact")]
    Write {
        /// The file.
        path: String,
        /// The error of the file system.
        source: std::io::Error,
    },
    /// The file is cut off, damaged or edited.
    #[error("{0}; remove it to resume from an earlier checkpoint")]
    Damaged(TensorFileError),
    /// The file cannot be read, or is not a checkpoint.
    #[error(transparent)]
    File(TensorFileError),
    /// The parameters diverged.
    #[error(
        "the parameters after step {step} are not finite, and are not saved; lower the learning \
         rate, or bound the gradient's norm (training.clip=1)"
    )]
    NotFinite {
        /// The steps taken.
        step: u64,
    },
    /// The checkpoint belongs to another network or another training.
    #[error("{path} does not fit the network: {reason}")]
    Mismatch {
        /// The file.
        path: String,
        /// The first difference.
        reason: String,
    },
}

impl From<TensorFileError> for CheckpointError {
    fn from(error: TensorFileError) -> Self {
        match error {
            TensorFileError::Write { path, source } => Self::Write { path, source },
            TensorFileError::Damaged { .. } | TensorFileError::Digest { .. } => {
                Self::Damaged(error)
            }
            error => Self::File(error),
        }
    }
}

/// The contents of a checkpoint: lists of tensors, each in the order of the network's
/// [`slots`](crate::parameters::slots).
#[derive(Debug, Clone)]
pub struct Checkpoint<B: Backend> {
    /// The path, the objective and the data of the model, and the steps taken.
    pub header: ModelHeader,
    /// The configuration of the run, as TOML, if it has one.
    pub config: Option<String>,
    /// The parameters θ.
    pub model: Vec<Tensor<B, 1>>,
    /// The average of θ that samples are drawn with.
    pub average: Average<B>,
    /// Further averages of θ.
    pub averages: Vec<Average<B>>,
    /// AdamW's first moments.
    pub first: Vec<Tensor<B, 1>>,
    /// AdamW's second moments.
    pub second: Vec<Tensor<B, 1>>,
}

/// The lists that every checkpoint has; the lists of further averages follow them.
pub(super) const PLAIN: [&str; 4] = ["model", "ema", "first", "second"];

impl<B: Backend> Checkpoint<B> {
    /// Writes the checkpoint, atomically. Waits for the device.
    ///
    /// # Errors
    /// [`CheckpointError::Write`] and [`CheckpointError::NotFinite`]. The old file is untouched
    /// then.
    pub fn save(&self, path: &Path, slots: &[Slot]) -> Result<(), CheckpointError> {
        let header = Header::new(
            self.header.clone(),
            self.config.clone(),
            self.average.law,
            &self.averages,
        );
        let plain = [&self.model, &self.average.values, &self.first, &self.second];
        let plain = PLAIN.map(str::to_owned).into_iter().zip(plain);
        let further = self.averages.iter().map(|a| (a.law.list(), &a.values));
        write(path, CHECKPOINT, &header, plain.chain(further), slots)
    }

    /// Reads a checkpoint of a network with these slots.
    ///
    /// # Errors
    /// [`CheckpointError`]: the file is missing, damaged, not a checkpoint, or of another network.
    pub fn load(path: &Path, slots: &[Slot], device: &B::Device) -> Result<Self, CheckpointError> {
        let lists = Lists::read(path, CHECKPOINT)?;
        lists.check_count(PLAIN.len(), slots)?;
        let list = |name: &str| lists.upload(name, slots, device);
        let averages = lists.laws()?.into_iter().map(|law| {
            Ok(Average {
                law,
                values: list(&law.list())?,
            })
        });
        Ok(Self {
            header: lists.header.model.clone(),
            config: lists.header.config.clone(),
            model: list("model")?,
            average: Average {
                law: lists.law()?,
                values: list("ema")?,
            },
            averages: averages.collect::<Result<_, CheckpointError>>()?,
            first: list("first")?,
            second: list("second")?,
        })
    }
}

/// Writes a snapshot of the power-function averages, atomically, in the layout of checkpoints.
/// Waits for the device.
///
/// Averages of other widths are reconstructed from such snapshots.
///
/// # Errors
/// As [`Checkpoint::save`].
pub fn save_snapshot<B: Backend>(
    path: &Path,
    model: ModelHeader,
    config: Option<String>,
    (main, averages): (Law, &[Average<B>]),
    slots: &[Slot],
) -> Result<(), CheckpointError> {
    let is_power = |average: &&Average<B>| matches!(average.law, Law::Power(_));
    let powers: Vec<Average<B>> = averages.iter().filter(is_power).cloned().collect();
    let header = Header::new(model, config, main, &powers);
    let lists = powers.iter().map(|a| (a.law.list(), &a.values));
    write(path, SNAPSHOT, &header, lists, slots)
}
