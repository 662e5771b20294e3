//! The exact field from N(0, I) to a finite dataset.
//!
//! `w_i(x) = softmax_i(−‖x − αx1_i‖²/2σ²)`, `x̂1 = Σ_i w_i·x1_i`: the minimiser of the CFM loss on
//! that dataset

use super::GaussianMixture;
use crate::endpoints::Endpoints;
use crate::field::{Denoiser, VectorField};
use crate::schedule::Schedule;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// The marginal field of the empirical distribution of a dataset: a mixture of point masses.
///
/// An evaluation costs `batch·n·d`. At t = 1 the posterior is a point mass and the field is not
/// defined: stop before.
#[derive(Debug, Clone)]
pub struct Dataset<B: Backend, S, const D: usize>(GaussianMixture<B, S, D>);

impl<B: Backend, S: Schedule, const D: usize> Dataset<B, S, D> {
    /// The field of these points, `[n, …]`, each with the same weight.
    pub fn new(points: Tensor<B, D>, schedule: S) -> Self {
        let n = points.dims()[0];
        Self(GaussianMixture::new(
            points,
            &vec![1.0; n],
            &vec![0.0; n],
            schedule,
        ))
    }

    /// The posterior weight of each point given x: `[batch, n]`.
    pub fn posterior(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, 2> {
        self.0.responsibilities(t, x)
    }
}

impl<B: Backend, S: Schedule, const D: usize> VectorField<B, D> for Dataset<B, S, D> {
    fn velocity(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        self.0.velocity(t, x)
    }
}

impl<B: Backend, S: Schedule, const D: usize> Denoiser<B, D> for Dataset<B, S, D> {
    fn schedule(&self) -> &dyn Schedule {
        self.0.schedule()
    }

    fn denoise(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        self.0.denoise(t, x)
    }

    fn endpoints(&self, t: f64, x: Tensor<B, D>) -> Endpoints<B, D> {
        self.0.endpoints(t, x)
    }

    fn noise(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        self.0.noise(t, x)
    }
}
