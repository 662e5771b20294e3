//! Checkpoints: everything that a run needs to go on, in one safetensors file.
//!
//! `model.* · ema.* · first.* · second.*` hold the parameters, their average and the optimizer's moments, and `ema.rate-0.9999.*`
//! or `ema.power-0.05.*` a further average; the header's metadata holds the step, the seed (the noise's counters are a function
//! of the two), the configuration and the names of the further averages. The file is readable wherever safetensors are. It is
//! written aside, flushed to the disk, and renamed: a crash leaves the old one.

mod lists;

pub(crate) use lists::{Header, Lists, read, upload, write};

use crate::ema::Average;
use crate::parameters::Slot;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Why a checkpoint cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The file system refuses.
    #[error("cannot save {path}; the last checkpoint that was saved is whole")]
    Write {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The file is cut off or not safetensors.
    #[error(
        "{path} is damaged or no safetensors file ({reason}); remove it to go on from an earlier checkpoint"
    )]
    Damaged {
        /// The file.
        path: String,
        /// What the reader says.
        reason: String,
    },
    /// The file is safetensors, of something else.
    #[error("{path} is not a checkpoint of this library ({reason})")]
    Foreign {
        /// The file.
        path: String,
        /// What is missing.
        reason: String,
    },
    /// The parameters ran away.
    #[error(
        "the parameters after step {step} are not finite, and are not saved; lower training.learning-rate, or set training.clip=1"
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

/// The lists of tensors of a checkpoint, each in the order of the module's slots.
#[derive(Debug, Clone)]
pub struct Checkpoint<B: Backend> {
    /// Steps taken.
    pub step: u64,
    /// The seed of the run's noise.
    pub seed: u64,
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
    /// [`CheckpointError::Write`] and [`CheckpointError::NotFinite`]; what stood at `path` before is untouched then.
    pub fn save(&self, path: &Path, slots: &[Slot]) -> Result<(), CheckpointError> {
        let header = Header::new(self.step, self.seed, &self.config, &self.averages);
        let plain = [&self.model, &self.ema, &self.first, &self.second];
        let plain = PLAIN.map(str::to_owned).into_iter().zip(plain);
        let further = self.averages.iter().map(|a| (a.law.list(), &a.values));
        write(path, &header, plain.chain(further), slots)
    }

    /// Reads a checkpoint of a network with these slots.
    ///
    /// # Errors
    /// A file that is missing, damaged, foreign, or of another network.
    pub fn load(path: &Path, slots: &[Slot], device: &B::Device) -> Result<Self, CheckpointError> {
        let bytes = read(path)?;
        let lists = Lists::parse(path, &bytes)?;
        lists.check_count(PLAIN.len(), slots)?;
        let list = |name: &str| Ok(upload(lists.list(name, slots)?, device));
        let averages = lists.laws()?.into_iter().map(|law| {
            Ok(Average {
                law,
                values: list(&law.list())?,
            })
        });
        Ok(Self {
            step: lists.header.step,
            seed: lists.header.seed,
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
    let bytes = read(path)?;
    Lists::parse(path, &bytes).map(|lists| lists.header.step)
}

/// Writes a file aside, flushes it to the disk and renames it into place.
///
/// # Errors
/// Where the folder cannot be written or the disk is full; what stood at `path` before is untouched then.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder: PathBuf = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.into(),
        _ => ".".into(),
    };
    let mut file = tempfile::Builder::new()
        .prefix(".part-")
        .tempfile_in(&folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    // The rename itself is durable once the folder is.
    #[cfg(unix)]
    std::fs::File::open(&folder)?.sync_all()?;
    Ok(())
}
