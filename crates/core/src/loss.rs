//! What a prediction is measured by: one number per sample.
//!
//! `L = E[w(t)·ℓ(N_θ(x_t, t), target)]`; the usual ℓ is the mean squared error over a sample's
//! elements

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// A loss of each sample of a batch, in place of the squared error. It depends on no other sample:
/// a batch may come in parts.
///
/// Implemented for closures `|output: Tensor<B, D>, target: Tensor<B, D>| …`.
///
/// # Shapes
/// - output, target: `[batch, …]`; the loss: `[batch]`
pub trait SampleLoss<B: Backend, const D: usize> {
    /// `ℓ(output, target)` of each sample.
    fn per_sample(&self, output: Tensor<B, D>, target: Tensor<B, D>) -> Tensor<B, 1>;
}

impl<B, F, const D: usize> SampleLoss<B, D> for F
where
    B: Backend,
    F: Fn(Tensor<B, D>, Tensor<B, D>) -> Tensor<B, 1>,
{
    fn per_sample(&self, output: Tensor<B, D>, target: Tensor<B, D>) -> Tensor<B, 1> {
        self(output, target)
    }
}

/// The pseudo-Huber loss, which grows linearly for large errors.
///
/// `ℓ = √(mean‖output − target‖² + c²) − c`
///
/// Source: Song & Dhariwal 2024 (improved consistency training), eq. 13, with the mean over
/// elements in place of the sum.
///
/// ```
/// use burn::tensor::Tensor;
/// use burn_ndarray::NdArray;
/// use pyroclast_core::loss::{PseudoHuber, SampleLoss};
///
/// let device = Default::default();
/// let output = Tensor::<NdArray, 2>::from_data([[3.0, 3.0], [0.0, 0.0]], &device);
/// let loss = PseudoHuber { c: 4.0 }.per_sample(output.clone(), output.zeros_like());
/// let loss: Vec<f32> = loss.into_data().to_vec().unwrap();
/// assert_eq!(loss, [1.0, 0.0]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PseudoHuber {
    /// The error at which the loss turns from quadratic to linear, > 0.
    pub c: f64,
}

impl<B: Backend, const D: usize> SampleLoss<B, D> for PseudoHuber {
    fn per_sample(&self, output: Tensor<B, D>, target: Tensor<B, D>) -> Tensor<B, 1> {
        let batch = output.dims()[0];
        let squares = (output - target).square().reshape([batch as i32, -1]);
        let mean: Tensor<B, 1> = squares.mean_dim(1).squeeze_dim(1);
        (mean + self.c * self.c).sqrt() - self.c
    }
}
