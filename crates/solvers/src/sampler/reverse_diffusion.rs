//! The reverse-diffusion predictor.
//!
//! `x_s = (2 − a)·x_t + b²·∇log p_t(x_t) + b·z`, where `x_t = a·x_s + b·z` is the noising from s to
//! t
//!
//! Source: Song et al. 2021 (score SDE), eq. 46 and appendix E, with the exact transition
//! `a = α_t/α_s, b² = σ_t² − a²σ_s²`.

use super::log_snr_step::LogSnrStep;
use crate::brownian::BrownianMotion;
use crate::method::Method;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::field::Denoiser;
use pyroclast_kernels::combine;

/// The reverse SDE, discretised like the noising process: weak order 1, one evaluation per step.
/// Only a step to σ = 0 adds no noise: on a grid that ends earlier, the last step adds noise too.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReverseDiffusion<W> {
    /// The source of z.
    pub brownian: W,
}

sampler! { ReverseDiffusion<W>: "reverse-diffusion", Signal, |_| true }

impl<B, F, W, const D: usize> Method<B, F, D> for ReverseDiffusion<W>
where
    B: Backend,
    F: Denoiser<B, D> + ?Sized,
    W: BrownianMotion<B, D>,
{
    type State = u64;

    fn step(&self, field: &F, t: f64, s: f64, x: Tensor<B, D>, step: u64) -> (Tensor<B, D>, u64) {
        let change = LogSnrStep::of(field.schedule(), t, s);
        let a = change.from.alpha / change.to.alpha;
        let variance = change.from.sigma.powi(2) * change.renewed();
        let noise = field.noise(t, x.clone());
        // The score is −x̂0/σ.
        let mean = combine(x * (2.0 - a), &[(-variance / change.from.sigma, &noise)]);
        if change.ends_clean() {
            return (mean, step + 1);
        }
        let z = change.unit_noise(&self.brownian, step, &mean);
        (combine(mean, &[(variance.sqrt(), &z)]), step + 1)
    }
}
