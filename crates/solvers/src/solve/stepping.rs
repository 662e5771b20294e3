//! How the active clocks take a step.
//!
//! `x_k(t_k) → x_k(s_k)`, with the error of each

use super::clocking::Clocking;
use super::segment::Segment;
use crate::method::Attempt;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// How the active clocks take a step. Slices have an entry per active clock.
pub(super) trait Stepping<B: Backend, const D: usize> {
    /// The memory of the method for the active clocks.
    type State;

    /// Which rows share a clock.
    fn clocking(&self) -> Clocking;

    /// The order of the step.
    fn order(&self) -> usize;

    /// The power of h with which the error estimate falls.
    fn error_order(&self) -> f64;

    /// The memory before the first step.
    fn init(&self, t: f64, x: &Tensor<B, D>) -> Self::State;

    /// The slope at the start, stored in the memory if the first step can use it.
    fn first_slope(&self, t: f64, x: &Tensor<B, D>, state: &mut Self::State) -> Tensor<B, D>;

    /// The slope at other times.
    fn slope(&self, t: &[f64], x: Tensor<B, D>, state: &Self::State) -> Tensor<B, D>;

    /// Where a step from t that may reach s should end.
    fn landing(&self, t: f64, s: f64) -> f64 {
        let _ = t;
        s
    }

    /// A step of every active clock.
    fn attempt(
        &self,
        t: &[f64],
        s: &[f64],
        x: &Tensor<B, D>,
        state: &mut Self::State,
    ) -> Attempt<B, Self::State, D>;

    /// The norm of an error between x and y, scaled by the tolerances.
    fn norms(&self, error: Tensor<B, D>, x: &Tensor<B, D>, y: &Tensor<B, D>) -> Vec<f64>;

    /// The solution within the steps of an attempt, where it is `needed`. Where `wanted`, this may
    /// evaluate the slope at the end of a step, and store it in the memory of the attempt.
    fn segment(
        &self,
        t: &[f64],
        s: &[f64],
        x: &Tensor<B, D>,
        attempt: &mut Attempt<B, Self::State, D>,
        needed: &[bool],
        wanted: &[bool],
    ) -> Segment<B, D>;

    /// States and memory after an attempt, of which some steps were kept.
    fn settle(
        &self,
        kept: &[bool],
        before: (Tensor<B, D>, Self::State),
        attempt: Attempt<B, Self::State, D>,
    ) -> (Tensor<B, D>, Self::State);

    /// The memory of the clocks that continue.
    fn keep(&self, state: &mut Self::State, clocks: &[usize]);

    /// Evaluations that a clock has cost, counted over the whole solve.
    fn evaluations(&self, clock: usize) -> usize;
}
