//! Checkpoints: everything that a run needs to go on, in one safetensors file.
//!
//! `model.* · ema.* · first.* · second.*` hold the parameters, their average and the optimizer's moments; the header's
//! metadata holds the step, the seed (the noise's counters are a function of the two) and the configuration. The file is
//! readable wherever safetensors are. It is written aside, flushed to the disk, and renamed: a crash leaves the old one.

use crate::parameters::Slot;
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The version of the layout. Another one is refused, not guessed at.
const VERSION: u32 = 1;
/// The key of the header's metadata.
const KEY: &str = "pyroclast";

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
    /// AdamW's first moments.
    pub first: Vec<Tensor<B, 1>>,
    /// AdamW's second moments.
    pub second: Vec<Tensor<B, 1>>,
}

/// What the header says beside the tensors.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    version: u32,
    step: u64,
    seed: u64,
    config: String,
}

impl<B: Backend> Checkpoint<B> {
    /// Writes the checkpoint, atomically. Waits for the device.
    ///
    /// # Errors
    /// [`CheckpointError::Write`] and [`CheckpointError::NotFinite`]; what stood at `path` before is untouched then.
    pub fn save(&self, path: &Path, slots: &[Slot]) -> Result<(), CheckpointError> {
        let mut tensors: Vec<(String, &Slot, Vec<u8>)> = Vec::new();
        for (list, values) in self.lists() {
            for (slot, value) in slots.iter().zip(values) {
                let data = value.to_data().convert::<f32>();
                let numbers = data.as_slice::<f32>().unwrap_or_default();
                if numbers.iter().any(|v| !v.is_finite()) {
                    return Err(CheckpointError::NotFinite { step: self.step });
                }
                let bytes = data.bytes.to_vec();
                tensors.push((format!("{list}.{}", slot.name), slot, bytes));
            }
        }
        let views = tensors.iter().map(|(name, slot, bytes)| {
            let view = TensorView::new(Dtype::F32, slot.shape.clone(), bytes);
            (
                name,
                view.expect("a flattened parameter has the elements of its shape"),
            )
        });
        let header = Header {
            version: VERSION,
            step: self.step,
            seed: self.seed,
            config: self.config.clone(),
        };
        let header = serde_json::to_string(&header).expect("the header holds plain values");
        let metadata = HashMap::from([(KEY.to_owned(), header)]);
        let bytes = safetensors::serialize(views, Some(metadata))
            .expect("the names are distinct and the shapes fit");
        write_atomically(path, &bytes).map_err(|source| CheckpointError::Write {
            path: path.display().to_string(),
            source,
        })
    }

    fn lists(&self) -> [(&'static str, &Vec<Tensor<B, 1>>); 4] {
        [
            ("model", &self.model),
            ("ema", &self.ema),
            ("first", &self.first),
            ("second", &self.second),
        ]
    }

    /// Reads a checkpoint of a network with these slots.
    ///
    /// # Errors
    /// A file that is missing, damaged, foreign, or of another network.
    pub fn load(path: &Path, slots: &[Slot], device: &B::Device) -> Result<Self, CheckpointError> {
        let bytes = read(path)?;
        let (header, tensors) = parse(path, &bytes)?;
        let list = |list: &str| -> Result<Vec<Tensor<B, 1>>, CheckpointError> {
            slots
                .iter()
                .map(|slot| {
                    let values = tensor(&tensors, list, slot).map_err(|reason| {
                        CheckpointError::Mismatch {
                            path: path.display().to_string(),
                            reason,
                        }
                    })?;
                    let n = values.len();
                    Ok(Tensor::from_data(TensorData::new(values, [n]), device))
                })
                .collect()
        };
        let (found, expected) = (tensors.len(), 4 * slots.len());
        if found > expected {
            return Err(CheckpointError::Mismatch {
                path: path.display().to_string(),
                reason: format!("it holds {found} tensors, and the network has {expected}"),
            });
        }
        Ok(Self {
            step: header.step,
            seed: header.seed,
            config: header.config,
            model: list("model")?,
            ema: list("ema")?,
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
    parse(path, &bytes).map(|(header, _)| header.step)
}

fn read(path: &Path) -> Result<Vec<u8>, CheckpointError> {
    std::fs::read(path).map_err(|source| CheckpointError::Read {
        path: path.display().to_string(),
        source,
    })
}

fn parse<'a>(path: &Path, bytes: &'a [u8]) -> Result<(Header, SafeTensors<'a>), CheckpointError> {
    let name = || path.display().to_string();
    let damaged = |error: safetensors::SafeTensorError| CheckpointError::Damaged {
        path: name(),
        reason: error.to_string(),
    };
    let tensors = SafeTensors::deserialize(bytes).map_err(damaged)?;
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
    let foreign = |reason: String| CheckpointError::Foreign {
        path: name(),
        reason,
    };
    let text = metadata
        .metadata()
        .as_ref()
        .and_then(|metadata| metadata.get(KEY))
        .ok_or_else(|| foreign(format!("its header has no `{KEY}`")))?;
    let header: Header = serde_json::from_str(text).map_err(|error| foreign(error.to_string()))?;
    if header.version != VERSION {
        return Err(foreign(format!(
            "version {}, and this reads {VERSION}",
            header.version
        )));
    }
    Ok((header, tensors))
}

fn tensor(tensors: &SafeTensors<'_>, list: &str, slot: &Slot) -> Result<Vec<f32>, String> {
    let name = format!("{list}.{}", slot.name);
    let view = tensors
        .tensor(&name)
        .map_err(|_| format!("it has no {name}"))?;
    if view.shape() != slot.shape || view.dtype() != Dtype::F32 {
        return Err(format!(
            "{name} is {:?} {:?}, and the network has {:?} F32",
            view.shape(),
            view.dtype(),
            slot.shape
        ));
    }
    let (chunks, _) = view.data().as_chunks::<4>();
    Ok(chunks
        .iter()
        .map(|chunk| f32::from_le_bytes(*chunk))
        .collect())
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
