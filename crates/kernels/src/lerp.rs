//! A step of a moving average.
//!
//! `θ̄ ← θ̄ + w·(θ − θ̄)`
//!
//! In this form θ̄ = θ is a fixed point whatever is rounded; the sum of two products, with 1 − w in single precision, would shrink the
//! parameters by up to a thousandth where w is 10⁻⁵.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// `average + weight·(x − average)`; one pass and in place on flex.
///
/// # Panics
/// If a shape differs.
pub fn lerp<B: Backend, const D: usize>(
    average: Tensor<B, D>,
    x: &Tensor<B, D>,
    weight: f64,
) -> Tensor<B, D> {
    assert_eq!(
        average.shape(),
        x.shape(),
        "an average has the shape of what it averages"
    );
    #[cfg(feature = "flex")]
    if crate::flex::takes_untracked::<B>(x.dtype()) {
        return crate::flex::lerp(average, x, weight);
    }
    let way = x.clone() - average.clone();
    average + way * weight
}
