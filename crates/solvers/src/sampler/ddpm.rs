//! DDPM's ancestral sampler.
//!
//! `x_s = μ(x̂1, x_t) + √Σ·z`, with the mean of the posterior `q(x_s | x_t, x1)` at x̂1, and no
//! noise on the step to clean data
//!
//! Source: Ho et al. 2020, algorithm 2 and eq. 7; Nichol & Dhariwal 2021, eq. 15 for the learned
//! variance.

use super::log_snr_step::LogSnrStep;
use crate::brownian::BrownianMotion;
use crate::method::Method;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::ddpm::{Transition, Variance, interpolated_log_variance};
use pyroclast_core::field::{Denoiser, LearnedVariance};
use pyroclast_kernels::combine;

/// Ancestral sampling of a variance-preserving chain: weak order 1, one evaluation per step. Steps
/// may skip indices: `β' = 1 − ᾱ_t/ᾱ_s`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ddpm<W> {
    /// Σ: β̃, which is exact for data at a single point, or β', which is exact for N(0, I).
    pub variance: Variance,
    /// The source of z.
    pub brownian: W,
}

sampler! { Ddpm<W>: "ddpm", VariancePreserving, |_| true }

sampler! { DdpmLearned<W>: "ddpm", VariancePreserving, |_| true }

impl<B, F, W, const D: usize> Method<B, F, D> for Ddpm<W>
where
    B: Backend,
    F: Denoiser<B, D> + ?Sized,
    W: BrownianMotion<B, D>,
{
    type State = u64;

    fn step(&self, field: &F, t: f64, s: f64, x: Tensor<B, D>, step: u64) -> (Tensor<B, D>, u64) {
        let change = LogSnrStep::of(field.schedule(), t, s);
        let transition = Transition::between(change.from, change.to);
        let x1 = field.denoise(t, x.clone());
        let mean = combine(x * transition.coef_xt, &[(transition.coef_x1, &x1)]);
        if change.ends_clean() {
            return (mean, step + 1);
        }
        let z = change.unit_noise(&self.brownian, step, &mean);
        let std = self.variance.at(&transition).sqrt();
        (combine(mean, &[(std, &z)]), step + 1)
    }
}

/// [`Ddpm`] with the variance that the network has learned: `ln Σ = w·ln β' + (1 − w)·ln β̃`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DdpmLearned<W> {
    /// The source of z.
    pub brownian: W,
}

impl<B, F, W, const D: usize> Method<B, F, D> for DdpmLearned<W>
where
    B: Backend,
    F: LearnedVariance<B, D> + ?Sized,
    W: BrownianMotion<B, D>,
{
    type State = u64;

    fn step(&self, field: &F, t: f64, s: f64, x: Tensor<B, D>, step: u64) -> (Tensor<B, D>, u64) {
        let change = LogSnrStep::of(field.schedule(), t, s);
        let transition = Transition::between(change.from, change.to);
        let (ends, v) = field.endpoints_and_variance(t, x.clone());
        let mean = combine(x * transition.coef_xt, &[(transition.coef_x1, &ends.x1)]);
        if change.ends_clean() {
            return (mean, step + 1);
        }
        let std = (interpolated_log_variance(&transition, transition.small, v) * 0.5).exp();
        let z = change.unit_noise(&self.brownian, step, &mean);
        (mean + std * z, step + 1)
    }
}
