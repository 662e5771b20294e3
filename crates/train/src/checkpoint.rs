//! Checkpoints: everything that resuming a run takes, in one file.
//!
//! `model.* · ema.* · first.* · second.*` hold the parameters, their average and the optimizer's
//! moments, and `ema.rate-0.9999.*` or `ema.power-0.05.*` a further average. The header holds what
//! that of a model file holds, the whole configuration, and the names of the further averages; the
//! noise needs nothing but the seed and the step. See [`tensor_file`](crate::tensor_file) for the
//! layout.

mod lists;

pub(crate) use lists::{CHECKPOINT, Header, Lists, SNAPSHOT, write};

use crate::about::ModelHeader;
use crate::ema::Average;
use crate::parameters::Slot;
use crate::tensor_file::TensorFileError;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use std::path::Path;

/// Why a checkpoint cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The file cannot be written.
    #[error("cannot save {path}; the last checkpoint that was saved is whole")]
    Write {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The file is cut off or was changed.
    #[error("{0}; remove it to resume from an earlier checkpoint")]
    Damaged(TensorFileError),
    /// The file cannot be read, or is something else.
    #[error(transparent)]
    File(TensorFileError),
    /// The parameters diverged.
    #[error(
        "the parameters after step {step} are not finite, and are not saved; lower \
         training.learning-rate, or set training.clip=1"
    )]
    NotFinite {
        /// The step.
        step: u64,
    },
    /// The parameters are those of another network.
    #[error("{path} does not fit the network of the configuration: {reason}")]
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

/// The lists of tensors of a checkpoint, each in the order of the module's slots.
#[derive(Debug, Clone)]
pub struct Checkpoint<B: Backend> {
    /// What it says about the model, such as the steps taken.
    pub header: ModelHeader,
    /// The configuration, as TOML.
    pub config: String,
    /// θ.
    pub model: Vec<Tensor<B, 1>>,
    /// The moving average of θ.
    pub ema: Vec<Tensor<B, 1>>,
    /// Further averages of θ.
    pub averages: Vec<Average<B>>,
    /// AdamW's first moments.
    pub first: Vec<Tensor<B, 1>>,
    /// AdamW's second moments.
    pub second: Vec<Tensor<B, 1>>,
}

/// The lists of every checkpoint; those of further averages come after them.
pub(crate) const PLAIN: [&str; 4] = ["model", "ema", "first", "second"];

impl<B: Backend> Checkpoint<B> {
    /// Writes the checkpoint, atomically. Waits for the device.
    ///
    /// # Errors
    /// [`CheckpointError::Write`] and [`CheckpointError::NotFinite`]; what stood at `path` before is
    /// untouched then.
    pub fn save(&self, path: &Path, slots: &[Slot]) -> Result<(), CheckpointError> {
        let header = Header::new(self.header.clone(), &self.config, &self.averages);
        let plain = [&self.model, &self.ema, &self.first, &self.second];
        let plain = PLAIN.map(str::to_owned).into_iter().zip(plain);
        let further = self.averages.iter().map(|a| (a.law.list(), &a.values));
        write(path, CHECKPOINT, &header, plain.chain(further), slots)
    }

    /// Reads a checkpoint of a network with these slots.
    ///
    /// # Errors
    /// A file that is missing, damaged, foreign, or of another network.
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
            ema: list("ema")?,
            averages: averages.collect::<Result<_, CheckpointError>>()?,
            first: list("first")?,
            second: list("second")?,
        })
    }
}

/// Whether the file is whole, and the step it was saved after.
///
/// # Errors
/// A file that is missing, damaged or foreign.
pub fn inspect(path: &Path) -> Result<u64, CheckpointError> {
    let lists = Lists::read(path, CHECKPOINT)?;
    Ok(lists.header.model.about.step)
}
