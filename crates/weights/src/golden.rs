//! What a network of another project gave there, for the same network here to be compared with.
//!
//! A safetensors file with `golden.x`, the input; `golden.output`, what the network made of it;
//! and, for a network of noisy states, `golden.t`, the time as that project writes it, and
//! `golden.y`, the class. An autoencoder has `golden.latent` in between, whose image the output is,
//! and `golden.moments`, the mean and log-variance of the latent. The weights may be in the same
//! file.
//!
//! `d_i = max|found_i − expected_i| / sd(expected_i)` for each sample i

use crate::array::Array;
use crate::error::WeightsError;
use ::safetensors::tensor::{Dtype, SafeTensors, TensorView};
use pyroclast_core::shown::shown;
use std::path::Path;

/// What the keys of a file of outputs begin with.
pub const GOLDEN: &str = "golden.";

/// Inputs of a network, and its outputs in the project that it comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct Golden {
    /// The inputs, `[n, …]`.
    pub x: Array,
    /// Their times, as that project writes them; none for a network without a time.
    pub t: Option<Vec<f64>>,
    /// Their classes, if they have any.
    pub y: Option<Vec<u32>>,
    /// The mean and the log-variance of an autoencoder's latents, if they are there.
    pub moments: Option<Array>,
    /// The latents of an autoencoder, if they are there.
    pub latent: Option<Array>,
    /// The outputs, `[n, …]`.
    pub output: Array,
}

impl Golden {
    /// Reads the outputs in a file, under `golden.output` or, of a network with several, another
    /// name such as `output_net`.
    ///
    /// # Errors
    /// [`WeightsError`]: the file cannot be read or is damaged, an input or output is missing, or
    /// they do not belong together.
    pub fn read(path: &Path, output: &str) -> Result<Self, WeightsError> {
        let name = || path.display().to_string();
        let damaged = |reason: String| WeightsError::Damaged {
            path: name(),
            reason: shown(&reason),
        };
        let bytes = std::fs::read(path).map_err(|source| WeightsError::Read {
            path: name(),
            source,
        })?;
        let file = SafeTensors::deserialize(&bytes).map_err(|error| damaged(error.to_string()))?;
        let lacks = |key: String| WeightsError::NoGolden {
            path: name(),
            key: shown(&key),
        };
        let tensor = |key: &str| file.tensor(&format!("{GOLDEN}{key}")).ok();
        let numbers = |key: &str| -> Result<Option<Array>, WeightsError> {
            let read = |view: TensorView<'_>| {
                let values = floats(&view);
                let values = values.ok_or_else(|| {
                    damaged(format!("{GOLDEN}{key} is {:?}, not F32", view.dtype()))
                })?;
                Ok(Array::new(view.shape().to_vec(), values))
            };
            tensor(key).map(read).transpose()
        };
        let x = numbers("x")?.ok_or_else(|| lacks(format!("{GOLDEN}x")))?;
        let (moments, latent) = (numbers("moments")?, numbers("latent")?);
        let output = numbers(output)?.ok_or_else(|| lacks(format!("{GOLDEN}{output}")))?;
        let t = numbers("t")?.map(|t| t.values.iter().map(|t| f64::from(*t)).collect());
        let y = tensor("y").map(|view| {
            labels(&view).ok_or_else(|| damaged(format!("{GOLDEN}y holds no classes")))
        });
        let golden = Self {
            x,
            t,
            y: y.transpose()?,
            moments,
            latent,
            output,
        };
        match golden.problem() {
            Some(reason) => Err(damaged(reason)),
            None => Ok(golden),
        }
    }

    /// The number of samples.
    pub fn len(&self) -> usize {
        self.x.shape.first().copied().unwrap_or(0)
    }

    /// Whether there are no samples.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn problem(&self) -> Option<String> {
        let n = self.len();
        let rows = |array: &Array| array.shape.first().copied().unwrap_or(0);
        let others = [
            Some(rows(&self.output)),
            self.moments.as_ref().map(rows),
            self.latent.as_ref().map(rows),
            self.t.as_ref().map(Vec::len),
            self.y.as_ref().map(Vec::len),
        ];
        if n == 0 || self.x.values.is_empty() || self.output.values.is_empty() {
            return Some(format!("{GOLDEN}x or its output is empty"));
        }
        let other = others.into_iter().flatten().find(|&other| other != n);
        other.map(|other| format!("{GOLDEN}x has {n} samples, and what belongs to it {other}"))
    }

    /// The largest difference in each sample from these outputs, in standard deviations of that
    /// sample's expected output; infinite where a value is not finite.
    ///
    /// # Errors
    /// A message if there are more or fewer values than expected.
    pub fn differences(&self, found: &[f32]) -> Result<Vec<f64>, String> {
        self.differences_from(&self.output, "output", found)
    }

    /// The same from other outputs in the file, which are called `name`.
    pub(crate) fn differences_from(
        &self,
        expected: &Array,
        name: &str,
        found: &[f32],
    ) -> Result<Vec<f64>, String> {
        if found.len() != expected.values.len() {
            return Err(format!(
                "the network gives {} numbers, and {GOLDEN}{name} has {}, of shape {:?}",
                found.len(),
                expected.values.len(),
                expected.shape
            ));
        }
        let dim = expected.values.len() / self.len();
        let samples = { found.chunks_exact(dim) }.zip(expected.values.chunks_exact(dim));
        Ok(samples
            .map(|(found, expected)| difference(found, expected))
            .collect())
    }
}

fn difference(found: &[f32], expected: &[f32]) -> f64 {
    let dim = expected.len() as f64;
    let mean = expected.iter().map(|v| f64::from(*v)).sum::<f64>() / dim;
    let square = |v: &f32| (f64::from(*v) - mean).powi(2);
    let deviation = (expected.iter().map(square).sum::<f64>() / dim).sqrt();
    let mut largest = 0.0_f64;
    for (a, b) in found.iter().zip(expected) {
        let difference = (f64::from(*a) - f64::from(*b)).abs();
        // The maximum of f64 skips what is not a number.
        largest = if difference.is_finite() {
            largest.max(difference)
        } else {
            f64::INFINITY
        };
    }
    if largest == 0.0 {
        0.0
    } else {
        largest / deviation
    }
}

fn floats(view: &TensorView<'_>) -> Option<Vec<f32>> {
    if view.dtype() != Dtype::F32 {
        return None;
    }
    let (chunks, _) = view.data().as_chunks::<4>();
    Some(
        chunks
            .iter()
            .map(|chunk| f32::from_le_bytes(*chunk))
            .collect(),
    )
}

fn labels(view: &TensorView<'_>) -> Option<Vec<u32>> {
    match view.dtype() {
        Dtype::I64 => {
            let (chunks, _) = view.data().as_chunks::<8>();
            let label = |chunk: &[u8; 8]| u32::try_from(i64::from_le_bytes(*chunk)).ok();
            chunks.iter().map(label).collect()
        }
        Dtype::I32 => {
            let (chunks, _) = view.data().as_chunks::<4>();
            let label = |chunk: &[u8; 4]| u32::try_from(i32::from_le_bytes(*chunk)).ok();
            chunks.iter().map(label).collect()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn golden(output: Vec<f32>) -> Golden {
        let n = output.len() / 2;
        Golden {
            x: Array::new(vec![n, 1], vec![0.0; n]),
            t: None,
            y: None,
            moments: None,
            latent: None,
            output: Array::new(vec![n, 2], output),
        }
    }

    #[test]
    fn differences_are_in_deviations_of_each_sample() {
        // The deviations are 1 and 10.
        let golden = golden(vec![0.0, 2.0, 0.0, 20.0]);
        let found = golden.differences(&[0.5, 2.0, 0.0, 21.0]).expect("as many");
        assert_eq!(found, [0.5, 0.1]);
        assert_eq!(golden.differences(&[0.0, 2.0, 0.0, 20.0]), Ok(vec![0.0; 2]));
        let broken = golden
            .differences(&[f32::NAN, 2.0, 0.0, 20.0])
            .expect("as many");
        assert_eq!(broken, [f64::INFINITY, 0.0]);
        let message = golden.differences(&[0.0]).expect_err("too few");
        assert!(
            message.contains("1 numbers") && message.contains("[2, 2]"),
            "{message}"
        );
    }
}
