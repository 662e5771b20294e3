//! `α = 1, σ = σ_min·(σ_max/σ_min)^{1−t}`

use super::{Coefficients, Schedule};

/// The variance-exploding diffusion: geometric noise on an unscaled signal.
///
/// `α = 1, σ = σ_min·(σ_max/σ_min)^{1−t}`
///
/// Source: Song et al. 2021 (score SDE), eq. 30–31. Range: 0 < σ_min < σ_max. The base sample is σ_max·x0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VarianceExploding {
    /// Noise at t = 1.
    pub sigma_min: f64,
    /// Noise at t = 0.
    pub sigma_max: f64,
}

impl Default for VarianceExploding {
    fn default() -> Self {
        Self {
            sigma_min: 0.01,
            sigma_max: 50.0,
        }
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
