//! Files of weights: safetensors, alone or in parts, and PyTorch's, new and old.
//!
//! A file of PyTorch is a pickle. Nothing in it is run: of the calls that it asks for, only those
//! that describe tensors and plain containers are understood.

mod number;
mod part;
mod pickle;
mod safetensors;
mod torch;

use crate::array::{Precision, Tensors};
use crate::config::Config;
use crate::error::WeightsError;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The tensors of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// The tensors under their keys, without a prefix that all of them had.
    pub tensors: Tensors,
    /// What they have been stored in: the narrowest that holds all of them.
    pub precision: Precision,
    /// The configuration beside them, if there was one.
    pub config: Config,
    /// The part of the file that they come from, such as `ema_model`; empty if it has only one.
    pub part: String,
    /// The other parts with weights.
    pub others: Vec<String>,
}

/// Reads a file of weights, or a folder with `config.json` and such a file. Numbers of other
/// precisions become single precision; tensors of whole numbers are left out.
///
/// A training checkpoint has several parts. `part` names one; otherwise averaged weights are
/// preferred to those of the last step.
///
/// # Errors
/// [`WeightsError`]: the file cannot be read, is damaged, is of another kind, or holds Python code;
/// it has no weights, or none in the named part.
pub fn read(path: &Path, part: Option<&str>) -> Result<Checkpoint, WeightsError> {
    let failed = |source| WeightsError::Read {
        path: path.display().to_string(),
        source,
    };
    let metadata = std::fs::metadata(path).map_err(failed)?;
    if metadata.is_dir() {
        return folder(path, part);
    }
    let mut start = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(16).read_to_end(&mut start).map_err(failed)?;
    if start.get(8) == Some(&b'{') {
        return safetensors::single(path, part);
    }
    if path.to_string_lossy().ends_with(".safetensors.index.json") {
        return safetensors::sharded(path, part);
    }
    if start.starts_with(b"PK\x03\x04") {
        return torch::new(path, part);
    }
    if start.starts_with(&torch::OLD) {
        return torch::old(path, part);
    }
    if start.first() == Some(&0x80) {
        return torch::pickle(path);
    }
    Err(WeightsError::Unknown {
        path: path.display().to_string(),
        reason: match start.first() {
            None => "it is empty".to_owned(),
            Some(_) => format!("it begins with {:?}", String::from_utf8_lossy(&start)),
        },
    })
}

/// A folder as diffusers writes it: of a model, or of a pipeline with one in `unet`.
fn folder(path: &Path, part: Option<&str>) -> Result<Checkpoint, WeightsError> {
    const CONFIG: &str = "config.json";
    const WEIGHTS: [&str; 3] = [
        "diffusion_pytorch_model.safetensors",
        "diffusion_pytorch_model.safetensors.index.json",
        "diffusion_pytorch_model.bin",
    ];
    let lacks = |expected| WeightsError::Folder {
        path: path.display().to_string(),
        expected,
    };
    let inner = path.join("unet");
    if path.join("model_index.json").is_file() && inner.is_dir() {
        return folder(&inner, part);
    }
    let weights = WEIGHTS.iter().map(|name| path.join(name));
    let weights = { weights }.find(|weights| weights.is_file());
    let weights = weights.ok_or_else(|| lacks(WEIGHTS[0]))?;
    if !path.join(CONFIG).is_file() {
        return Err(lacks(CONFIG));
    }
    let config = Config::open(&path.join(CONFIG))?;
    Ok(Checkpoint {
        config,
        ..read(&weights, part)?
    })
}
