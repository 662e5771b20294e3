//! What a model of few steps learns: the flow map, which leads from any time to any other at once.
//!
//! `X(t, r, x)` solves `∂_r X = v(r, X)` from `X(t, t, x) = x`;
//! `X(t, r, x) = x + (r − t)·u(x, t, r)`, with u the average velocity between t and r
//!
//! Source: Boffi, Albergo & Vanden-Eijnden 2024 (flow map matching); Geng et al. 2025 for the
//! average velocity. Identities of the exact map: `X(q, r, X(t, q, x)) = X(t, r, x)`, `u(x, t, t) =
//! v(t, x)`, and `u = v + (r − t)·d/dt u` along the flow.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// The flow map of a velocity field.
///
/// A trained network knows it if it predicts the [average
/// velocity](crate::prediction::Prediction::AverageVelocity); the fields of
/// [`analytic`](crate::analytic) that know it in closed form are its oracles.
///
/// ```
/// use burn::tensor::Tensor;
/// use burn_ndarray::NdArray;
/// use pyroclast_core::analytic::Gaussian;
/// use pyroclast_core::flow_map::FlowMap;
/// use pyroclast_core::schedule::Linear;
///
/// // Data from N(0.7, ½²): one jump from the noise −0.4 lands on 0.7 − 0.4/2.
/// let mean = Tensor::<NdArray, 2>::full([1, 1], 0.7, &Default::default());
/// let exact = Gaussian { mean: mean.clone(), std: 0.5, schedule: Linear::default() };
/// let x1 = exact.map(0.0, 1.0, mean.full_like(-0.4)).into_scalar();
/// assert!((x1 - 0.5).abs() < 1e-6);
/// ```
///
/// # Shapes
/// - x: `[batch, …]`, and the results alike
pub trait FlowMap<B: Backend, const D: usize> {
    /// `X(t, r, x)`: where the flow has carried x at time r, if it is at x at time t. Times are in
    /// [0, 1], in either order for an exact map.
    ///
    /// # Panics
    /// The map of a trained network, if r < t.
    fn map(&self, t: f64, r: f64, x: Tensor<B, D>) -> Tensor<B, D>;

    /// `u(x, t, r) = (X(t, r, x) − x)/(r − t)`, for r ≠ t.
    ///
    /// # Panics
    /// As [`FlowMap::map`].
    fn average_velocity(&self, t: f64, r: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        (self.map(t, r, x.clone()) - x) * (r - t).recip()
    }
}
