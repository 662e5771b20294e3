//! Euler's method with ancestral noise.
//!
//! `ȳ = x/α, ς = σ/α: y_s = y_t + (ς_down − ς_t)·(y_t − x̂1)/ς_t + ς_up·z`,
//! `ς_up = min(ς_s, η·√(ς_s²(ς_t² − ς_s²)/ς_t²)), ς_down = √(ς_s² − ς_up²)`
//!
//! Source: Song et al. 2021 (score SDE), appendix F, as an Euler step down and noise up (Crowson
//! 2022, k-diffusion).

use super::log_snr_step::{LogSnrStep, level};
use crate::brownian::BrownianMotion;
use crate::method::Method;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::field::Denoiser;
use pyroclast_kernels::combine;

/// Euler-ancestral: weak order 1, one evaluation per step. It uses x̂1 alone; where x̂0 is
/// `(x − αx̂1)/σ` it is [`Ddim`](super::Ddim) with the same η.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EulerAncestral<W> {
    /// η ≥ 0: 1 for the ancestral noise, 0 for Euler's method.
    pub eta: f64,
    /// The source of z.
    pub brownian: W,
}

sampler! { EulerAncestral<W>: "euler-ancestral", Any, |euler| euler.eta != 0.0 }

impl<B, F, W, const D: usize> Method<B, F, D> for EulerAncestral<W>
where
    B: Backend,
    F: Denoiser<B, D> + ?Sized,
    W: BrownianMotion<B, D>,
{
    type State = u64;

    fn step(&self, field: &F, t: f64, s: f64, x: Tensor<B, D>, step: u64) -> (Tensor<B, D>, u64) {
        let change = LogSnrStep::of(field.schedule(), t, s);
        let (alpha, next) = (change.to.alpha, level(change.to));
        // With η = 0 this is Euler's method, even on a step to more noise,
        // where the root would be NaN.
        let up = match self.eta {
            0.0 => 0.0,
            eta => next.min(eta * next * change.renewed().sqrt()),
        };
        let down = (next * next - up * up).sqrt();
        // The step for y, times α_s. ς_t = σ_t/α_t may be infinite.
        let kept = down / change.from.sigma;
        let x1 = field.denoise(t, x.clone());
        let mean = combine(
            x * (alpha * kept),
            &[(alpha * (1.0 - kept * change.from.alpha), &x1)],
        );
        if up == 0.0 {
            return (mean, step + 1);
        }
        let z = change.unit_noise(&self.brownian, step, &mean);
        (combine(mean, &[(alpha * up, &z)]), step + 1)
    }
}
