//! The weights of the Inception network that FID is defined by.

use crate::error::WeightsError;
use crate::read::read;
use burn::tensor::backend::Backend;
use pyroclast_models::Inception;
use std::path::Path;

/// The published file, which cannot ship with the project.
const PUBLISHED: &str = "pt_inception-2015-12-05-6726825d.pth";

/// Reads the weights of FID's Inception network under the names of pytorch-fid, whose published
/// file is `pt_inception-2015-12-05-6726825d.pth`; the classifier at its end is left out.
///
/// # Errors
/// [`WeightsError`]: as [`read`](fn@crate::read), or a tensor is missing or of another shape.
pub fn inception<B: Backend>(
    path: &Path,
    device: &B::Device,
) -> Result<Inception<B>, WeightsError> {
    let mut tensors = read(path, None)?.tensors;
    Inception::with_weights(
        |name, shape| {
            let impossible = |reason: String| WeightsError::Impossible { reason };
            let tensor = tensors.remove(name).ok_or_else(|| {
                impossible(format!(
                    "`{name}` is missing; give pytorch-fid's {PUBLISHED}"
                ))
            })?;
            if tensor.shape != shape {
                return Err(impossible(format!(
                    "`{name}` has shape {:?} for {shape:?}; give pytorch-fid's {PUBLISHED}",
                    tensor.shape
                )));
            }
            Ok(tensor.values)
        },
        device,
    )
}
