//! How a loss changes with the times that it sees.
//!
//! `∂L/∂t_i = λ_i·u(t_i, x_i)`, and at the start, whose state stays where it is, `−λ(t_0⁺)·u(t_0, x_0)`

use burn::tensor::backend::Backend;
use burn::tensor::{ElementConversion, Tensor};
use pyroclast_core::field::VectorField;

/// All of them, given the gradient of the first state, which holds its own cotangent too.
pub(super) fn all<B: Backend, F: VectorField<B, D> + ?Sized, const D: usize>(
    field: &F,
    times: &[f64],
    states: &[Tensor<B, D>],
    cotangents: &[Tensor<B, D>],
    at_start: &Tensor<B, D>,
) -> Vec<f64> {
    (times.iter().zip(states).zip(cotangents).enumerate())
        .map(|(i, ((&t, x), cotangent))| {
            let against = match i {
                0 => cotangent.clone() - at_start.clone(),
                _ => cotangent.clone(),
            };
            let product = field.velocity(t, x.clone()) * against;
            product.sum().into_scalar().elem::<f64>()
        })
        .collect()
}
