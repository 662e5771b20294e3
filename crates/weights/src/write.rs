//! Tensors to a safetensors file.

use crate::array::{Array, Precision, Tensors};
use crate::config::Config;
use crate::error::WeightsError;
use burn::tensor::{bf16, f16};
use safetensors::tensor::{Dtype, TensorView};
use std::collections::HashMap;
use std::path::Path;

/// Writes tensors to a safetensors file in this precision, to the nearest number that it has. The
/// same tensors always make the same file, which appears whole or not at all.
///
/// # Errors
/// [`WeightsError::Write`] if the file cannot be written.
pub fn write(path: &Path, tensors: &Tensors, precision: Precision) -> Result<(), WeightsError> {
    write_with(path, tensors, precision, &Config::default())
}

/// The same with a configuration in the metadata of the file, where [`read`](crate::read()) finds
/// it.
///
/// # Errors
/// [`WeightsError::Write`] if the file cannot be written.
pub fn write_with(
    path: &Path,
    tensors: &Tensors,
    precision: Precision,
    config: &Config,
) -> Result<(), WeightsError> {
    let failed = |source| WeightsError::Write {
        path: path.display().to_string(),
        source,
    };
    let stored: Vec<(&str, &[usize], Vec<u8>)> = (tensors.iter())
        .map(|(name, tensor)| (name.as_str(), &tensor.shape[..], bytes(tensor, precision)))
        .collect();
    let dtype = match precision {
        Precision::F16 => Dtype::F16,
        Precision::Bf16 => Dtype::BF16,
        Precision::F32 => Dtype::F32,
    };
    let view = |shape: &[usize], bytes| {
        TensorView::new(dtype, shape.to_vec(), bytes).expect("as many values as the shape holds")
    };
    let views = stored
        .iter()
        .map(|(name, shape, bytes)| (*name, view(shape, bytes)));
    // One entry: several would be in a random order.
    let metadata = HashMap::from([("config".to_owned(), config.to_json())]);
    let metadata = (!config.is_empty()).then_some(metadata);
    let bytes = safetensors::serialize(views, metadata).expect("names differ");
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let partial = Path::new(&partial);
    let written = std::fs::write(partial, bytes).and_then(|()| std::fs::rename(partial, path));
    written.map_err(|error| {
        // Whatever is left of it is of no use.
        let _ = std::fs::remove_file(partial);
        failed(error)
    })
}

fn bytes(tensor: &Array, precision: Precision) -> Vec<u8> {
    let values = tensor.values.iter();
    match precision {
        Precision::F16 => values
            .flat_map(|v| f16::from_f32(*v).to_le_bytes())
            .collect(),
        Precision::Bf16 => values
            .flat_map(|v| bf16::from_f32(*v).to_le_bytes())
            .collect(),
        Precision::F32 => values.flat_map(|v| v.to_le_bytes()).collect(),
    }
}
