//! Vectors and images from arrays of numbers.
//!
//! `x[i, …] ↦ x1ᵢ`: `[n, d]`, `[n, height, width]`, `[n, channels, height, width]` or `[n, height,
//! width, channels]`

use super::samples::Samples;
use super::{Dataset, DatasetError, precision};
use pyroclast_core::condition::Given;
use pyroclast_data::{Labels, Stored, picture_axes, unravel};
use std::path::Path;

/// The dataset of the samples in an array file; `path` appears only in error messages.
pub(super) fn dataset(stored: Stored, path: &Path, name: &str) -> Result<Dataset, DatasetError> {
    let shape = stored.samples.shape.clone();
    let sample = sample_shape(&shape, path)?;
    let labels = stored.labels(path)?;
    let values = stored.samples.channels_first().into_reals();
    let dim: usize = sample.iter().product();
    if let Some(flat) = values.iter().position(|&value| !(value as f32).is_finite()) {
        let mut index = unravel(flat % dim, &sample);
        index.insert(0, flat / dim);
        return Err(DatasetError::EntryNotFinite {
            path: path.into(),
            index,
            value: values[flat] as f32,
        });
    }
    let samples = match sample.len() {
        1 => {
            precision::check(&values, dim, path, &[])?;
            Samples::Reals(values)
        }
        _ => Samples::Numbers(values.into_iter().map(|x| x as f32).collect()),
    };
    let mut data = Dataset::new(name, Vec::new(), sample);
    data.samples = samples;
    data.class_names = labels.names().to_vec();
    Ok(match &labels {
        Labels::Nothing => data,
        Labels::Classes { labels, names } => data.with(Given::labels(labels, names.len())),
        Labels::Vectors { values, width } => data.with(Given::vectors(values, *width)),
    })
}

/// The shape of one sample in an array of this shape.
fn sample_shape(shape: &[usize], path: &Path) -> Result<Vec<usize>, DatasetError> {
    let empty = shape.len() > 1 && shape[1..].contains(&0);
    let sample = match (shape, picture_axes(shape)) {
        _ if empty => return Err(DatasetError::NoColumns { path: path.into() }),
        (&[_, d], _) => vec![d],
        (_, Some((axes, _))) => axes[1..].to_vec(),
        _ => {
            return Err(DatasetError::NumpyShape {
                path: path.into(),
                shape: shape.to_vec(),
            });
        }
    };
    if shape[0] < 2 {
        return Err(DatasetError::TooFewRows {
            path: path.into(),
            rows: shape[0],
        });
    }
    Ok(sample)
}
