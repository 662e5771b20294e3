//! The distribution of a path at one time, as a target of its own.
//!
//! `p_t` with t held fixed

use super::{Gaussian, GaussianMixture};
use crate::field::{Denoiser, LogDensity};
use crate::schedule::Schedule;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// An exact field at a fixed time: what Langevin dynamics samples from.
#[derive(Debug)]
pub struct Marginal<'a, F> {
    /// The field.
    pub field: &'a F,
    /// The time, in [0, 1].
    pub t: f64,
}

// Derived, they would ask the same of the field, which is only borrowed.
impl<F> Clone for Marginal<'_, F> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<F> Copy for Marginal<'_, F> {}

impl<B: Backend, S: Schedule, const D: usize> LogDensity<B, D> for Marginal<'_, Gaussian<B, S, D>> {
    fn log_density(&self, x: Tensor<B, D>) -> Tensor<B, 1> {
        self.field.log_density(self.t, x)
    }

    fn score(&self, x: Tensor<B, D>) -> Tensor<B, D> {
        self.field.score(self.t, x)
    }
}

impl<B: Backend, S: Schedule, const D: usize> LogDensity<B, D>
    for Marginal<'_, GaussianMixture<B, S, D>>
{
    fn log_density(&self, x: Tensor<B, D>) -> Tensor<B, 1> {
        self.field.log_density(self.t, x)
    }

    fn score(&self, x: Tensor<B, D>) -> Tensor<B, D> {
        self.field.score(self.t, x)
    }
}
