//! One number for each sample of a batch, shaped to multiply the batch.
//!
//! `[batch]` host numbers → `[batch, 1, …]` tensor

use burn::tensor::backend::Backend;
use burn::tensor::{DType, Shape, Tensor, TensorData};

/// Makes tensors that broadcast along axis 0 of a given one, on its device and in its float type.
#[derive(Debug, Clone)]
pub struct PerSample<B: Backend, const D: usize> {
    device: B::Device,
    dtype: DType,
    batch: usize,
}

impl<B: Backend, const D: usize> PerSample<B, D> {
    /// For tensors that multiply `x`.
    pub fn like(x: &Tensor<B, D>) -> Self {
        Self {
            device: x.device(),
            dtype: x.dtype(),
            batch: x.dims()[0],
        }
    }

    /// Shape `[batch, 1, …]`: one upload.
    ///
    /// # Panics
    /// If there is not one number per sample.
    pub fn tensor(&self, values: impl Iterator<Item = f64>) -> Tensor<B, D> {
        let mut shape = [1; D];
        shape[0] = self.batch;
        from_host(values.collect(), shape, &self.device, self.dtype)
    }

    /// Shape `[batch]`.
    ///
    /// # Panics
    /// If there is not one number per sample.
    pub fn flat(&self, values: impl Iterator<Item = f64>) -> Tensor<B, 1> {
        from_host(values.collect(), [self.batch], &self.device, self.dtype)
    }
}

/// A tensor of host numbers in the given float type.
///
/// # Panics
/// If the shape does not hold as many values as there are.
pub fn from_host<B: Backend, const D: usize>(
    values: Vec<f64>,
    shape: [usize; D],
    device: &B::Device,
    dtype: DType,
) -> Tensor<B, D> {
    let data = TensorData::new(values, Shape::from(shape)).convert_dtype(dtype);
    Tensor::from_data(data, (device, dtype))
}
