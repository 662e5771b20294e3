//! The gradients of a loss with respect to its times.
//!
//! `∂L/∂t_i = λ_i·u(t_i, x_i)`, and at the start, where the state is fixed, `−λ(t_0⁺)·u(t_0, x_0)`
//!
//! Source: Chen et al. 2018, appendix C.

use super::Gradients;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::field::VectorField;

/// `∂L/∂t_i`, given the times, saved states and cotangents of a solve, and the gradients from its
/// pullback. It is the derivative of the exact solution; that of a discrete one differs by its
/// error.
///
/// Costs one evaluation of the field per time, and one read from the device.
///
/// # Panics
/// If there are not as many states and cotangents as times.
pub fn time_gradients<B: Backend, F: VectorField<B, D> + ?Sized, const D: usize>(
    field: &F,
    times: &[f64],
    states: &[Tensor<B, D>],
    cotangents: &[Tensor<B, D>],
    gradients: &Gradients<B, D>,
) -> Vec<f64> {
    let n = times.len();
    assert_eq!(
        (states.len(), cotangents.len()),
        (n, n),
        "one of each per time"
    );
    let products =
        (times.iter().zip(states).zip(cotangents).enumerate()).map(|(i, ((&t, x), cotangent))| {
            let against = match i {
                // The gradient of the first state includes its own cotangent.
                0 => cotangent.clone() - gradients.x.clone(),
                _ => cotangent.clone(),
            };
            (field.velocity(t, x.clone()) * against).sum()
        });
    let all = Tensor::cat(products.collect(), 0)
        .into_data()
        .convert::<f64>();
    all.into_vec::<f64>().expect("converted just now")
}
