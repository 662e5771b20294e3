//! `α = exp(−½∫₀ˢβ), σ² = 1 − α², s = 1 − t`

use super::{Coefficients, Schedule};
use crate::named::POSITIVE;
use crate::settings;

settings! {
    /// The variance-preserving diffusion with a linear rate.
    ///
    /// `β(s) = β_min + s(β_max − β_min), s = 1 − t, α = exp(−½∫₀ˢβ), σ = √(1 − α²)`
    ///
    /// Source: Song et al. 2021 (score SDE), eq. 32–33; Ho et al. 2020 in the limit of many steps.
    ///
    /// Range: 0 < β_min ≤ β_max. At t = 1, σ = 0 and σ̇ = −∞: solve up to a little before it.
    #[derive(Clone, Copy, PartialEq)]
    pub struct VariancePreserving {
        /// The rate at the data end.
        beta_min: f64 = 0.1 => POSITIVE,
        /// The rate at the noise end.
        beta_max: f64 = 20.0 => POSITIVE,
    }
    where {
        beta_max: |s| s.beta_min <= s.beta_max => "give a number of at least beta-min",
    }
}

impl VariancePreserving {
    /// `β(s)` at s = 1 − t.
    pub fn beta(&self, t: f64) -> f64 {
        self.beta_min + (1.0 - t) * (self.beta_max - self.beta_min)
    }

    /// `∫₀ˢβ` at s = 1 − t.
    pub(super) fn integral(&self, t: f64) -> f64 {
        let s = 1.0 - t;
        s * (self.beta_min + 0.5 * s * (self.beta_max - self.beta_min))
    }

    /// The time at which [`Self::integral`] has the value `b`: the stable root of a quadratic.
    pub(super) fn time_at_integral(&self, b: f64) -> f64 {
        let slope = self.beta_max - self.beta_min;
        // More than the whole integral belongs to the noise end, and could overflow below.
        if b >= self.integral(0.0) {
            return 0.0;
        }
        let root = (self.beta_min * self.beta_min + 2.0 * slope * b).sqrt();
        let s = 2.0 * b / (self.beta_min + root);
        (1.0 - s).clamp(0.0, 1.0)
    }
}

impl Schedule for VariancePreserving {
    fn at(&self, t: f64) -> Coefficients {
        let integral = self.integral(t);
        let alpha = (-0.5 * integral).exp();
        let sigma = (-(-integral).exp_m1()).sqrt();
        let d_alpha = 0.5 * self.beta(t) * alpha;
        Coefficients {
            alpha,
            sigma,
            d_alpha,
            d_sigma: -alpha * d_alpha / sigma,
        }
    }

    fn time_at_log_snr(&self, l: f64) -> f64 {
        // α² = 1/(1 + e^{−l}), so the integral is ln(1 + e^{−l}), taken without overflow.
        let integral = (-l).max(0.0) + (-l.abs()).exp().ln_1p();
        self.time_at_integral(integral)
    }
}
