//! Gradients through a solve.
//!
//! With `λ_i = ∂L/∂x(t_i)` given at the saved times, a pullback returns `∂L/∂x(t_0)` and `∂L/∂θ`,
//! and [`time_gradients`] returns `∂L/∂t_i`.
//!
//! There are three ways:
//! - [`tape`] and [`tape_adaptive`] record burn's tape during the solve. Memory grows with the
//!   number of evaluations.
//! - [`checkpointed`] and [`checkpointed_adaptive`] give the same gradient to the last bit with
//!   O(√n) memory: the pullback runs the steps a second time, segment by segment.
//! - [`backsolve`] solves the continuous adjoint, with O(1) memory, up to the tolerance.
//!
//! Each returns the states with a [`Pullback`]. A loss is then computed from the states, and its
//! gradients at the states go into the pullback. For a loss of the final state alone,
//! [`integrate`](crate::integrate()) on `Autodiff<B>` and burn's `backward` are enough. Where an
//! [`Event`](crate::Event) ends such a solve, [`at_event`] adds what the time of the event
//! contributes.
//!
//! ```
//! use burn::backend::Autodiff;
//! use burn::module::{AutodiffModule, Module, Param};
//! use burn::tensor::{Tensor, backend::Backend};
//! use burn_ndarray::NdArray;
//! use pyroclast_core::field::VectorField;
//! use pyroclast_solvers::gradient::{Pullback, cotangents, checkpointed};
//! use pyroclast_solvers::{RK4, TimeGrid};
//!
//! #[derive(Module, Debug)]
//! struct Decay<B: Backend> {
//!     rate: Param<Tensor<B, 1>>,
//! }
//!
//! impl<B: Backend> VectorField<B, 2> for Decay<B> {
//!     fn velocity(&self, _: f64, x: Tensor<B, 2>) -> Tensor<B, 2> {
//!         -x * self.rate.val().unsqueeze()
//!     }
//! }
//!
//! let device = Default::default();
//! let model = Decay::<Autodiff<NdArray>> { rate: Param::from_tensor(Tensor::ones([1], &device)) };
//! let x = Tensor::<NdArray, 2>::ones([1, 1], &device);
//! let solved = checkpointed(&model, &RK4, x, &TimeGrid::uniform(0.0, 1.0, 1), 20);
//! let (loss, cotangents) = cotangents(&solved.states, |x| x[1].clone().sum());
//! let gradients = solved.pullback.apply(&cotangents).unwrap();
//! // x(1) = e^{−rate}, and so is minus its derivative.
//! assert!((gradients.x.into_scalar() - (-1.0_f32).exp()).abs() < 1e-5);
//! let rate = gradients.parameters.get::<NdArray, 1>(model.rate.id).unwrap();
//! assert!((rate.into_scalar() + (-1.0_f32).exp()).abs() < 1e-5);
//! # let _ = loss;
//! ```
//!
//! Every optimizer of burn takes `gradients.parameters`.
//!
//! Source: Chen et al. 2018 (the adjoint); Griewank 1992 and Chen et al. 2016 (checkpoints at √n).

mod at_event;
mod backsolve;
mod chain;
mod checkpointed;
mod parameters;
mod rebased;
mod tape;
mod time_gradients;

pub use at_event::{AtEvent, at_event, at_events, starting_at};
pub use backsolve::{Adjoint, Backsolvable, backsolve};
pub use checkpointed::{Replay, Replayable, checkpointed, checkpointed_adaptive};
pub use rebased::Rebased;
pub use tape::{Recorded, Tape, tape, tape_adaptive};
pub use time_gradients::time_gradients;

use crate::error::SolveError;
use crate::solve::Statistics;
use burn::backend::Autodiff;
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// The states at the times that were asked for, and the pullback from them.
#[derive(Debug)]
pub struct Solved<B: Backend, P, const D: usize> {
    /// The state at each time, the first and the last included.
    pub states: Vec<Tensor<B, D>>,
    /// The cost of the solve.
    pub statistics: Statistics,
    /// From gradients at the states to gradients at the start and of the parameters.
    pub pullback: P,
}

/// The gradients of a loss.
#[derive(Debug)]
pub struct Gradients<B: Backend, const D: usize> {
    /// `∂L/∂x(t_0)`.
    pub x: Tensor<B, D>,
    /// `∂L/∂θ`, for any of burn's optimizers. A parameter that the field does not use has no entry.
    pub parameters: GradientsParams,
    /// Evaluations that the pullback took, each a forward and a backward pass.
    pub evaluations: usize,
}

/// From cotangents (gradients of a loss at the saved states) to gradients.
pub trait Pullback<B: Backend, const D: usize> {
    /// The gradients, given one cotangent per saved state.
    ///
    /// # Errors
    /// [`SolveError`], if the pullback is a solve of its own and stops.
    ///
    /// # Panics
    /// If there is not one cotangent per state.
    fn apply(self, cotangents: &[Tensor<B, D>]) -> Result<Gradients<B, D>, SolveError>;
}

/// A loss of the states, and its gradient at each of them: `(L, [∂L/∂x_i])`.
///
/// The cotangent of a state that the loss does not use is zero.
pub fn cotangents<B: Backend, const D: usize>(
    states: &[Tensor<B, D>],
    loss: impl FnOnce(&[Tensor<Autodiff<B>, D>]) -> Tensor<Autodiff<B>, 1>,
) -> (Tensor<B, 1>, Vec<Tensor<B, D>>) {
    let leaves: Vec<Tensor<Autodiff<B>, D>> = (states.iter())
        .map(|x| Tensor::from_inner(x.clone()).require_grad())
        .collect();
    let loss = loss(&leaves);
    let gradients = loss.backward();
    let cotangents = (leaves.iter())
        .map(|x| (x.grad(&gradients)).unwrap_or_else(|| x.clone().inner().zeros_like()));
    (loss.inner(), cotangents.collect())
}
