//! `α = exp(−½∫₀ˢβ), σ = 1 − α², s = 1 − t`

use super::{Coefficients, Schedule, VariancePreserving};
use crate::named::POSITIVE;
use crate::settings;

settings! {
    /// The sub-VP diffusion: the signal of [`VariancePreserving`] with less noise.
    ///
    /// `α = exp(−½∫₀ˢβ), σ = 1 − α²` (no square root)
    ///
    /// Source: Song et al. 2021 (score SDE), eq. 13 and appendix B. Range: 0 < β_min ≤ β_max.
    #[derive(Clone, Copy, PartialEq)]
    pub struct SubVariancePreserving {
        /// The rate at the data end.
        beta_min: f64 = 0.1 => POSITIVE,
        /// The rate at the noise end.
        beta_max: f64 = 20.0 => POSITIVE,
    }
    where {
        beta_max: |s| s.beta_min <= s.beta_max => "give a number of at least beta-min",
    }
}

impl SubVariancePreserving {
    /// The diffusion whose α this one has.
    fn signal(&self) -> VariancePreserving {
        VariancePreserving {
            beta_min: self.beta_min,
            beta_max: self.beta_max,
        }
    }
}

impl Schedule for SubVariancePreserving {
    fn at(&self, t: f64) -> Coefficients {
        let integral = self.signal().integral(t);
        let alpha = (-0.5 * integral).exp();
        let d_alpha = 0.5 * self.signal().beta(t) * alpha;
        Coefficients {
            alpha,
            sigma: -(-integral).exp_m1(),
            d_alpha,
            d_sigma: -2.0 * alpha * d_alpha,
        }
    }

    fn time_at_log_snr(&self, l: f64) -> f64 {
        // α/(1 − α²) = r is a quadratic in α; with q = 1/r its root is 2/(q + √(q² + 4)), and −ln α
        // = asinh(q/2).
        let q = (-0.5 * l).exp();
        self.signal().time_at_integral(2.0 * (0.5 * q).asinh())
    }
}
