//! What a numerical method is: one step from t to s.
//!
//! `(x_s, state') = step(field, t, s, x_t, state)`
//!
//! Memory between steps (a first-same-as-last stage, a multistep history, a noise counter) lives in the state, so a rejected
//! step is retried from what it started from.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// A numerical recipe for fields of type `F`.
pub trait Method<B: Backend, F: ?Sized, const D: usize> {
    /// What is carried from one step to the next.
    type State: Clone;

    /// The state before the first step.
    fn init(&self, field: &F, t: f64, x: &Tensor<B, D>) -> Self::State;

    /// One step from t to s, forward or backward in time.
    fn step(
        &self,
        field: &F,
        t: f64,
        s: f64,
        x: Tensor<B, D>,
        state: Self::State,
    ) -> (Tensor<B, D>, Self::State);
}

/// A method that estimates the error of its step.
pub trait EmbeddedMethod<B: Backend, F: ?Sized, const D: usize>: Method<B, F, D> {
    /// The order p of the step that is kept: the global error falls like hᵖ.
    fn order(&self) -> usize;

    /// The power of the step size that the error estimate falls with: one more than the lower of the two orders.
    fn error_order(&self) -> usize;

    /// `u_t(x)`, left in the state where the method can use it in its first step.
    fn first_slope(
        &self,
        field: &F,
        t: f64,
        x: &Tensor<B, D>,
        state: &mut Self::State,
    ) -> Tensor<B, D>;

    /// `u_s(x)` for a guess of the starting step.
    fn slope(&self, field: &F, t: f64, x: Tensor<B, D>) -> Tensor<B, D>;

    /// One step, with `x_s − x̂_s` as the estimate of its error.
    fn step_with_error(
        &self,
        field: &F,
        t: f64,
        s: f64,
        x: Tensor<B, D>,
        state: Self::State,
    ) -> (Tensor<B, D>, Tensor<B, D>, Self::State);
}
