//! `α = 1, σ = σ_min·(σ_max/σ_min)^{1−t}`

use super::{Coefficients, Schedule};
use crate::named::NOISE;
use crate::settings;

settings! {
    /// The variance-exploding diffusion: geometric noise on an unscaled signal.
    ///
    /// `α = 1, σ = σ_min·(σ_max/σ_min)^{1−t}`
    ///
    /// Source: Song et al. 2021 (score SDE), eq. 30–31. Range: 0 < σ_min < σ_max. The base sample
    /// is σ_max·x0.
    #[derive(Clone, Copy, PartialEq)]
    pub struct VarianceExploding {
        /// Noise at t = 1.
        sigma_min: f64 = 0.01 => NOISE,
        /// Noise at t = 0.
        sigma_max: f64 = 50.0 => NOISE,
    }
    where {
        sigma_min: |s| s.sigma_min < s.sigma_max => "give a number in (0, sigma-max)",
    }
}

impl VarianceExploding {
    fn log_ratio(&self) -> f64 {
        (self.sigma_max / self.sigma_min).ln()
    }
}

impl Schedule for VarianceExploding {
    fn at(&self, t: f64) -> Coefficients {
        let sigma = self.sigma_min * (self.log_ratio() * (1.0 - t)).exp();
        Coefficients {
            alpha: 1.0,
            sigma,
            d_alpha: 0.0,
            d_sigma: -sigma * self.log_ratio(),
        }
    }

    fn time_at_log_snr(&self, l: f64) -> f64 {
        (1.0 - (-0.5 * l - self.sigma_min.ln()) / self.log_ratio()).clamp(0.0, 1.0)
    }
}
