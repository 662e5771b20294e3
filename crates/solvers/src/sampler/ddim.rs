//! DDIM.
//!
//! `x_s = α_s·x̂1 + √(σ_s² − c²)·x̂0 + c·z, c = η·√β̃, β̃ = σ_s²·(1 − SNR_t/SNR_s)`
//!
//! Source: Song, Meng & Ermon 2021, eq. 12 and 16, on any schedule.

use super::log_snr_step::LogSnrStep;
use super::zero_noise::ZeroNoise;
use crate::brownian::BrownianMotion;
use crate::method::Method;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::field::Denoiser;
use pyroclast_kernels::combine;

/// Denoising diffusion implicit models: order 1, one evaluation per step.
///
/// η = 0 is deterministic: it is Euler's method for `x/α` with `σ/α` as its time. Run on a reversed
/// grid (from t < 1) it leads from data to noise. η = 1 has the mean and variance of
/// [`Ddpm`](super::Ddpm) with the small variance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ddim<W> {
    /// η in [0, 1].
    pub eta: f64,
    /// The source of z; not used if η = 0.
    pub brownian: W,
}

impl Ddim<ZeroNoise> {
    /// η = 0.
    pub const DETERMINISTIC: Self = Self {
        eta: 0.0,
        brownian: ZeroNoise,
    };
}

sampler! { Ddim<W>: "ddim", Any, |ddim| ddim.eta != 0.0 }

impl<B, F, W, const D: usize> Method<B, F, D> for Ddim<W>
where
    B: Backend,
    F: Denoiser<B, D> + ?Sized,
    W: BrownianMotion<B, D>,
{
    type State = u64;

    fn step(&self, field: &F, t: f64, s: f64, x: Tensor<B, D>, step: u64) -> (Tensor<B, D>, u64) {
        let change = LogSnrStep::of(field.schedule(), t, s);
        let ends = field.endpoints(t, x);
        if self.eta == 0.0 {
            let x = combine(ends.x1 * change.to.alpha, &[(change.to.sigma, &ends.x0)]);
            return (x, step + 1);
        }
        let c = self.eta * change.posterior_std();
        let along = (change.to.sigma.powi(2) - c * c).max(0.0).sqrt();
        let z = change.unit_noise(&self.brownian, step, &ends.x0);
        let x = combine(ends.x1 * change.to.alpha, &[(along, &ends.x0), (c, &z)]);
        (x, step + 1)
    }
}
