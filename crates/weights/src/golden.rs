//! What a network of another project gave there, for the same network here to be compared with.
//!
//! A safetensors file with `golden.x`, the input; `golden.output`, what the network made of it;
//! and, for a network of noisy states, `golden.t`, the time as that project writes it, and
//! `golden.y`, the class. An autoencoder has `golden.latent` in between, whose image the output is,
//! and `golden.moments`, the mean and log-variance of the latent. The weights may be in the same
//! file.
//!
//! Where the output has double precision, the network computes in it too, if its backend can.
//!
//! `d_i = max|found_i − expected_i| / sd(expected_i)` for each sample i

use crate::array::Array;
use crate::error::WeightsError;
use ::safetensors::tensor::{Dtype, SafeTensors, TensorView};
use burn::tensor::backend::Backend;
use burn::tensor::{DType, bf16, f16};
use pyroclast_core::shown::shown;
use std::path::Path;

/// What the keys of a file of outputs begin with.
pub const GOLDEN: &str = "golden.";

/// Inputs of a network, and its outputs in the project that it comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct Golden {
    /// The inputs, `[n, …]`.
    pub x: Array<f64>,
    /// Their times, as that project writes them; none for a network without a time.
    pub t: Option<Vec<f64>>,
    /// Their classes, if they have any; none for "no class" in rows that mark the class by a one.
    pub y: Option<Vec<Option<u32>>>,
    /// The number of classes that these rows are for.
    pub classes: Option<usize>,
    /// The mean and the log-variance of an autoencoder's latents, if they are there.
    pub moments: Option<Array<f64>>,
    /// The latents of an autoencoder, if they are there.
    pub latent: Option<Array<f64>>,
    /// The outputs, `[n, …]`.
    pub output: Array<f64>,
    /// Whether the outputs are stored in double precision.
    pub double: bool,
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
        let numbers = |key: &str| -> Result<Option<Array<f64>>, WeightsError> {
            let read = |view: TensorView<'_>| {
                let values = floats(&view);
                let values = values.ok_or_else(|| {
                    let found = view.dtype();
                    damaged(format!(
                        "{GOLDEN}{key} is {found:?}, not F64, F32, F16 or BF16"
                    ))
                })?;
                Ok(Array::new(view.shape().to_vec(), values))
            };
            tensor(key).map(read).transpose()
        };
        let x = numbers("x")?.ok_or_else(|| lacks(format!("{GOLDEN}x")))?;
        let (moments, latent) = (numbers("moments")?, numbers("latent")?);
        let double = tensor(output).is_some_and(|view| view.dtype() == Dtype::F64);
        let output = numbers(output)?.ok_or_else(|| lacks(format!("{GOLDEN}{output}")))?;
        let t = numbers("t")?.map(|t| t.values);
        let y = tensor("y").map(|view| {
            labels(&view).ok_or_else(|| {
                damaged(format!(
                    "{GOLDEN}y is {:?} of shape {:?}; give a whole number per sample, or a row of \
                     zeros with a one at the class",
                    view.dtype(),
                    view.shape()
                ))
            })
        });
        let (y, classes) = y.transpose()?.unzip();
        let golden = Self {
            x,
            t,
            y,
            classes: classes.flatten(),
            moments,
            latent,
            output,
            double,
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
        let rows = |array: &Array<f64>| array.shape.first().copied().unwrap_or(0);
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

    /// What the network computes in: the precision of the outputs, as far as the backend has it.
    pub fn dtype<B: Backend>(&self, device: &B::Device) -> DType {
        if self.double && B::supports_dtype(device, DType::F64) {
            DType::F64
        } else {
            DType::F32
        }
    }

    /// The largest difference in each sample from these outputs, in standard deviations of that
    /// sample's expected output; infinite where a value is not finite.
    ///
    /// # Errors
    /// A message if there are more or fewer values than expected.
    pub fn differences(&self, found: &[f64]) -> Result<Vec<f64>, String> {
        self.differences_from(&self.output, "output", found)
    }

    /// The same from other outputs in the file, which are called `name`.
    pub(crate) fn differences_from(
        &self,
        expected: &Array<f64>,
        name: &str,
        found: &[f64],
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

fn difference(found: &[f64], expected: &[f64]) -> f64 {
    let dim = expected.len() as f64;
    let mean = expected.iter().sum::<f64>() / dim;
    let square = |v: &f64| (v - mean).powi(2);
    let deviation = (expected.iter().map(square).sum::<f64>() / dim).sqrt();
    let mut largest = 0.0_f64;
    for (a, b) in found.iter().zip(expected) {
        let difference = (a - b).abs();
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

fn floats(view: &TensorView<'_>) -> Option<Vec<f64>> {
    fn each<const N: usize>(view: &TensorView<'_>, value: impl Fn([u8; N]) -> f64) -> Vec<f64> {
        let (chunks, _) = view.data().as_chunks::<N>();
        chunks.iter().map(|chunk| value(*chunk)).collect()
    }
    Some(match view.dtype() {
        Dtype::F64 => each(view, f64::from_le_bytes),
        Dtype::F32 => each(view, |b| f64::from(f32::from_le_bytes(b))),
        Dtype::F16 => each(view, |b| f16::from_le_bytes(b).to_f64()),
        Dtype::BF16 => each(view, |b| bf16::from_le_bytes(b).to_f64()),
        _ => return None,
    })
}

/// The classes of samples, and how many classes their rows are for.
type Classes = (Vec<Option<u32>>, Option<usize>);

/// Classes as whole numbers, or as EDM takes them: a one at the class in a row of zeros, and zeros
/// alone for "no class".
fn labels(view: &TensorView<'_>) -> Option<Classes> {
    fn each<const N: usize>(view: &TensorView<'_>, value: fn([u8; N]) -> i64) -> Option<Classes> {
        let (chunks, _) = view.data().as_chunks::<N>();
        let label = |chunk: &[u8; N]| u32::try_from(value(*chunk)).ok().map(Some);
        Some((chunks.iter().map(label).collect::<Option<_>>()?, None))
    }
    match (view.dtype(), view.shape()) {
        (Dtype::I64, [_] | [_, 1]) => each(view, i64::from_le_bytes),
        (Dtype::I32, [_] | [_, 1]) => each(view, |b| i64::from(i32::from_le_bytes(b))),
        (Dtype::U8, [_] | [_, 1]) => each(view, |[b]: [u8; 1]| i64::from(b)),
        (_, &[_, classes]) if classes > 0 => {
            let values = floats(view)?;
            let class = |row: &[f64]| {
                let ones = row.iter().filter(|value| **value == 1.0).count();
                let zeros = row.iter().filter(|value| **value == 0.0).count();
                let one = row.iter().position(|value| *value == 1.0);
                (ones <= 1 && ones + zeros == classes).then(|| one.map(|class| class as u32))
            };
            let rows = values.chunks_exact(classes).map(class);
            Some((rows.collect::<Option<_>>()?, Some(classes)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn golden(output: Vec<f64>) -> Golden {
        let n = output.len() / 2;
        Golden {
            x: Array::new(vec![n, 1], vec![0.0; n]),
            t: None,
            y: None,
            classes: None,
            moments: None,
            latent: None,
            output: Array::new(vec![n, 2], output),
            double: false,
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
            .differences(&[f64::NAN, 2.0, 0.0, 20.0])
            .expect("as many");
        assert_eq!(broken, [f64::INFINITY, 0.0]);
        let message = golden.differences(&[0.0]).expect_err("too few");
        assert!(
            message.contains("1 numbers") && message.contains("[2, 2]"),
            "{message}"
        );
    }

    #[test]
    fn classes_are_numbers_or_rows_with_a_one() {
        let one_hot = [0.0_f32, 1.0, 0.0, 0.0, 0.0, 0.0];
        let bytes: Vec<u8> = one_hot.iter().flat_map(|v| v.to_le_bytes()).collect();
        let rows = |bytes: &[u8]| {
            let view = TensorView::new(Dtype::F32, vec![2, 3], bytes).expect("six numbers");
            labels(&view)
        };
        assert_eq!(rows(&bytes), Some((vec![Some(1), None], Some(3))));
        let other = bytes.iter().map(|&byte| byte ^ 1).collect::<Vec<u8>>();
        assert_eq!(rows(&other), None);
        let numbers = [7_i32, 0].map(i32::to_le_bytes).concat();
        for shape in [vec![2], vec![2, 1]] {
            let view = TensorView::new(Dtype::I32, shape, &numbers).expect("two numbers");
            assert_eq!(labels(&view), Some((vec![Some(7), Some(0)], None)));
        }
        let negative = (-1_i64).to_le_bytes();
        let view = TensorView::new(Dtype::I64, vec![1], &negative).expect("a number");
        assert_eq!(labels(&view), None);
    }

    #[test]
    fn outputs_of_any_precision_are_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("golden.safetensors");
        let double = [0.1_f64, 0.2].map(f64::to_le_bytes).concat();
        let half = [0.5, 2.0].map(|v| f16::from_f64(v).to_le_bytes()).concat();
        let write = |output: (Dtype, &[u8])| {
            let view = |(dtype, bytes)| TensorView::new(dtype, vec![2, 1], bytes).expect("two");
            let tensors = [
                ("golden.x", view((Dtype::F16, &half))),
                ("golden.output", view(output)),
            ];
            safetensors::serialize_to_file(tensors, None, &path).expect("a writable folder");
            Golden::read(&path, "output").expect("inputs and outputs")
        };
        let golden = write((Dtype::F64, &double));
        assert!(golden.double && golden.output.values == [0.1, 0.2]);
        assert_eq!(golden.x.values, [0.5, 2.0]);
        assert!(!write((Dtype::F16, &half)).double);
    }
}
