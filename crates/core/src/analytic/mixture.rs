//! The exact field from N(0, I) to a mixture of isotropic Gaussians.
//!
//! `p_t = Σ_k w_k·N(αμ_k, v_k·I), v_k = α²s_k² + σ²`,
//! `r_k(x) = softmax_k(ln w_k − ½d·ln v_k − ‖x − αμ_k‖²/2v_k)`,
//! `x̂1 = Σ_k r_k·(μ_k + αs_k²/v_k·(x − αμ_k))`, `x̂0 = Σ_k r_k·σ/v_k·(x − αμ_k)`

use crate::endpoints::Endpoints;
use crate::field::{Denoiser, VectorField};
use crate::per_sample::from_host;
use crate::probability_flow::velocity_of;
use crate::schedule::Schedule;
use burn::tensor::Tensor;
use burn::tensor::activation::softmax;
use burn::tensor::backend::Backend;

/// The marginal field of a mixture of Gaussians under a schedule, with independent coupling.
///
/// The responsibilities are a softmax, which subtracts the largest exponent first (log-sum-exp), so
/// distant points are safe.
///
/// # Shapes
/// - means: `[components, …]`; weights and stds: one a component
#[derive(Debug, Clone)]
pub struct GaussianMixture<B: Backend, S, const D: usize> {
    means: Tensor<B, D>,
    /// The centre of the means, `[1, d]`, and the means as seen from it.
    centre: Tensor<B, 2>,
    offsets: Tensor<B, 2>,
    squared_norms: Tensor<B, 2>,
    log_weights: Vec<f64>,
    stds: Vec<f64>,
    schedule: S,
}

impl<B: Backend, S: Schedule, const D: usize> GaussianMixture<B, S, D> {
    /// The mixture `Σ_k w_k·N(μ_k, s_k²·I)`. Weights are normalised.
    ///
    /// # Panics
    /// If there is not one weight and one standard deviation for each mean.
    pub fn new(means: Tensor<B, D>, weights: &[f64], stds: &[f64], schedule: S) -> Self {
        let k = means.dims()[0];
        assert_eq!(
            (weights.len(), stds.len()),
            (k, k),
            "one weight and std a mean"
        );
        let total: f64 = weights.iter().sum();
        let centre = flat(means.clone()).mean_dim(0);
        let offsets = flat(means.clone()) - centre.clone();
        let squared_norms = offsets.clone().square().sum_dim(1).transpose();
        Self {
            means,
            centre,
            offsets,
            squared_norms,
            log_weights: weights.iter().map(|w| (w / total).ln()).collect(),
            stds: stds.to_vec(),
            schedule,
        }
    }

    /// The posterior probability of each component given x: `[batch, components]`.
    ///
    /// Where σ and a component's s are both 0 the posterior is a point mass and this is NaN: stop
    /// before t = 1.
    pub fn responsibilities(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, 2> {
        softmax(self.exponents(t, x), 1)
    }

    /// `ln p_t(x) = ln Σ_k w_k·N(x; αμ_k, v_k·I)`, in nats: `[batch]`: the largest exponent is
    /// taken out first, so far points are safe.
    pub fn log_density(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, 1> {
        let exponents = self.exponents(t, x);
        let dim = self.centre.dims()[1] as f64;
        let largest = exponents.clone().max_dim(1);
        let sum = (exponents - largest.clone()).exp().sum_dim(1);
        (sum.log() + largest).squeeze_dim(1) - 0.5 * dim * std::f64::consts::TAU.ln()
    }

    /// `ln w_k − ½d·ln v_k − ‖x − αμ_k‖²/2v_k`: `[batch, components]`.
    fn exponents(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, 2> {
        let c = self.schedule.at(t);
        let x = flat(x);
        let dim = x.dims()[1] as f64;
        // ‖x − αμ‖² = α²‖m‖² − 2αy·m + ‖y‖², both seen from the centre: a cloud far from the origin
        // would cancel.
        let y = x.clone() - self.centre.clone() * c.alpha;
        let variances = self.variances(t);
        let row = |values: Vec<f64>| {
            let k = values.len();
            from_host::<B, 2>(values, [1, k], &x.device(), x.dtype())
        };
        let precision = row(variances.iter().map(|v| -0.5 / v).collect());
        let offset = row((self.log_weights.iter().zip(&variances))
            .map(|(w, v)| w - 0.5 * dim * v.ln())
            .collect());
        let dots = y.clone().matmul(self.offsets.clone().transpose());
        let distances = self.squared_norms.clone() * (c.alpha * c.alpha) - dots * (2.0 * c.alpha)
            + y.square().sum_dim(1);
        distances * precision + offset
    }

    fn variances(&self, t: f64) -> Vec<f64> {
        let c = self.schedule.at(t);
        let variance = |s: &f64| (c.alpha * s).powi(2) + c.sigma.powi(2);
        self.stds.iter().map(variance).collect()
    }

    /// `Σ_k r_k·(a_k·μ_k + b_k·(x − αμ_k))`, the shape of both endpoints.
    fn posterior_mean(
        &self,
        t: f64,
        x: Tensor<B, D>,
        of_mean: f64,
        of_offset: impl Fn(f64, f64) -> f64,
    ) -> Tensor<B, D> {
        let alpha = self.schedule.at(t).alpha;
        let shape = x.shape();
        let r = self.responsibilities(t, x.clone());
        let slopes: Vec<f64> = (self.stds.iter().zip(self.variances(t)))
            .map(|(&s, v)| of_offset(s, v))
            .collect();
        let x = flat(x);
        let b = from_host::<B, 2>(slopes, [1, self.stds.len()], &x.device(), x.dtype());
        let weighted = r.clone() * b;
        let along_x = x * weighted.clone().sum_dim(1);
        let along_means = (r * of_mean - weighted * alpha).matmul(flat(self.means.clone()));
        (along_x + along_means).reshape(shape)
    }
}

/// `[n, …]` → `[n, d]`.
fn flat<B: Backend, const D: usize>(x: Tensor<B, D>) -> Tensor<B, 2> {
    let n = x.dims()[0];
    let d = x.dims().iter().skip(1).product::<usize>();
    x.reshape([n, d])
}

impl<B: Backend, S: Schedule, const D: usize> VectorField<B, D> for GaussianMixture<B, S, D> {
    fn velocity(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        velocity_of(self, t, x)
    }
}

impl<B: Backend, S: Schedule, const D: usize> Denoiser<B, D> for GaussianMixture<B, S, D> {
    fn schedule(&self) -> &dyn Schedule {
        &self.schedule
    }

    fn denoise(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        let alpha = self.schedule.at(t).alpha;
        self.posterior_mean(t, x, 1.0, |s, v| alpha * s * s / v)
    }

    fn endpoints(&self, t: f64, x: Tensor<B, D>) -> Endpoints<B, D> {
        Endpoints {
            x0: self.noise(t, x.clone()),
            x1: self.denoise(t, x),
        }
    }

    fn noise(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        let sigma = self.schedule.at(t).sigma;
        self.posterior_mean(t, x, 0.0, |_, v| sigma / v)
    }

    /// `−Σ_k r_k·(x − αμ_k)/v_k`, finite where σ = 0 too.
    fn score(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        self.posterior_mean(t, x, 0.0, |_, v| -1.0 / v)
    }
}
