//! `α = exp(−½∫₀ˢβ), σ = 1 − α², s = 1 − t`

use super::{Coefficients, Schedule, VariancePreserving};

/// The sub-VP diffusion: the signal of [`VariancePreserving`] with less noise.
///
/// `α = exp(−½∫₀ˢβ), σ = 1 − α²` (no square root)
///
/// Source: Song et al. 2021 (score SDE), eq. 13 and appendix B.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct SubVariancePreserving {
    /// The diffusion whose α is used.
    pub signal: VariancePreserving,
}

impl Schedule for SubVariancePreserving {
    fn at(&self, t: f64) -> Coefficients {
        let integral = self.signal.integral(t);
        let alpha = (-0.5 * integral).exp();
        let d_alpha = 0.5 * self.signal.beta(t) * alpha;
        Coefficients {
            alpha,
            sigma: -(-integral).exp_m1(),
            d_alpha,
            d_sigma: -2.0 * alpha * d_alpha,
        }
    }

    fn time_at_log_snr(&self, l: f64) -> f64 {
        // α/(1 − α²) = r is a quadratic in α; with q = 1/r its root is 2/(q + √(q² + 4)), and −ln α = asinh(q/2).
        let q = (-0.5 * l).exp();
        self.signal.time_at_integral(2.0 * (0.5 * q).asinh())
    }
}
