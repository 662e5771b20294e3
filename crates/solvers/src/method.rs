//! What a numerical method is: one step from t to s.
//!
//! `(x_s, memory') = step(field, t, s, x_t, memory)`
//!
//! Memory between steps (a first-same-as-last stage, a multistep history, a noise counter) is passed along, so a rejected step is
//! retried from what it started from, and a recorded one is replayed.

use crate::interpolant::Interpolant;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// What a memory is made of.
#[derive(Debug, Clone)]
pub struct Parts<B: Backend, const D: usize> {
    /// On the device.
    pub tensors: Vec<Tensor<B, D>>,
    /// Times of the past, on the host.
    pub times: Vec<f64>,
    /// Steps taken.
    pub steps: u64,
}

/// What a method carries from one step to the next, so that it can be stored and taken up again on another backend.
pub trait Memory<B: Backend, const D: usize>: Clone {
    /// The parts.
    fn into_parts(self) -> Parts<B, D>;

    /// The memory of these parts, which came from [`Memory::into_parts`].
    fn from_parts(parts: Parts<B, D>) -> Self;
}

/// How many steps have been taken: the memory of methods that draw noise.
impl<B: Backend, const D: usize> Memory<B, D> for u64 {
    fn into_parts(self) -> Parts<B, D> {
        Parts {
            tensors: Vec::new(),
            times: Vec::new(),
            steps: self,
        }
    }

    fn from_parts(parts: Parts<B, D>) -> Self {
        parts.steps
    }
}

/// Of methods whose steps know nothing of each other.
impl<B: Backend, const D: usize> Memory<B, D> for () {
    fn into_parts(self) -> Parts<B, D> {
        0_u64.into_parts()
    }

    fn from_parts(_: Parts<B, D>) -> Self {}
}

/// A numerical recipe for fields of type `F`.
pub trait Method<B: Backend, F: ?Sized, const D: usize> {
    /// What is carried from one step to the next.
    type State: Memory<B, D>;

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

/// A step that may be kept or not.
#[derive(Debug, Clone)]
pub struct Attempt<B: Backend, S, const D: usize> {
    /// `x_s`.
    pub x: Tensor<B, D>,
    /// `x_s − x̂_s`, the estimate of its error.
    pub error: Tensor<B, D>,
    /// The state after the step.
    pub state: S,
    /// The slopes that the step was made of, for dense output.
    pub slopes: Vec<Tensor<B, D>>,
}

/// A method that estimates the error of its step.
pub trait EmbeddedMethod<B: Backend, F: ?Sized, const D: usize>: Method<B, F, D> {
    /// The order p of the step that is kept: the global error falls like hᵖ.
    fn order(&self) -> usize;

    /// The power of the step size that the error estimate falls with: for an ODE, one more than the lower of the two orders.
    fn error_order(&self) -> f64;

    /// `u_t(x)` for a guess of the starting step.
    fn slope(&self, field: &F, t: f64, x: Tensor<B, D>) -> Tensor<B, D>;

    /// `u_t(x)`, left in the state where the method can use it in its first step.
    fn first_slope(
        &self,
        field: &F,
        t: f64,
        x: &Tensor<B, D>,
        state: &mut Self::State,
    ) -> Tensor<B, D> {
        let _ = state;
        self.slope(field, t, x.clone())
    }

    /// One step, with the estimate of its error.
    fn step_with_error(
        &self,
        field: &F,
        t: f64,
        s: f64,
        x: Tensor<B, D>,
        state: Self::State,
    ) -> Attempt<B, Self::State, D>;

    /// Keeps what a step that was not kept has in common with the next try from the same place, given the slopes of that step.
    fn retry(&self, state: &mut Self::State, slopes: Vec<Tensor<B, D>>) {
        let _ = (state, slopes);
    }
}

/// A method that knows the solution within its steps.
pub trait DenseMethod<B: Backend, F: ?Sized, const D: usize>: EmbeddedMethod<B, F, D> {
    /// The solution between t and s, from the step that was taken there. An evaluation that it needs at the end of the step is
    /// left in the state, where the next step finds it.
    fn interpolant(
        &self,
        field: &F,
        t: f64,
        s: f64,
        x: Tensor<B, D>,
        attempt: &mut Attempt<B, Self::State, D>,
    ) -> Interpolant<B, D>;
}
