//! Dropout with masks from the run's noise.
//!
//! `y = x·m/(1 − p), m ~ Bernoulli(1 − p)`
//!
//! Source: Srivastava et al. 2014. The masks are drawn on the host from the noise of the run, so a
//! resumed run drops the same elements as one that was never interrupted.

use burn::tensor::backend::Backend;
use burn::tensor::{Shape, Tensor, TensorData};
use pyroclast_core::noise::Draws;

/// Drops elements with probability `p`. Without draws, or at p = 0, it returns its input.
pub(crate) fn dropout<B: Backend, const D: usize>(
    x: Tensor<B, D>,
    p: f64,
    draws: Option<&mut Draws>,
) -> Tensor<B, D> {
    let Some(draws) = draws.filter(|_| p > 0.0) else {
        return x;
    };
    let keep = (1.0 / (1.0 - p)) as f32;
    let uniforms = draws.uniforms(x.shape().num_elements());
    let mask: Vec<f32> = uniforms
        .iter()
        .map(|&u| if u < p { 0.0 } else { keep })
        .collect();
    let data = TensorData::new(mask, Shape::from(x.dims())).convert_dtype(x.dtype());
    let mask = Tensor::<B, D>::from_data(data, (&x.device(), x.dtype()));
    x * mask
}
