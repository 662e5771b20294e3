//! `α = 1, σ = σ_max·(1 − t)`

use super::{Coefficients, Schedule};
use crate::named::NOISE;
use crate::settings;

settings! {
    /// EDM's diffusion: noise linear in the clock on an unscaled signal, ending at no noise.
    ///
    /// `α = 1, σ = σ_max·(1 − t)`
    ///
    /// Source: Karras et al. 2022, table 1 (their clock is σ itself; here `t = 1 − σ/σ_max`). The
    /// base sample is σ_max·x0.
    #[derive(Clone, Copy, PartialEq)]
    pub struct Edm {
        /// Noise at t = 0.
        sigma_max: f64 = 80.0 => NOISE,
    }
}

impl Edm {
    /// The time at which the noise is σ.
    pub fn time_at_sigma(&self, sigma: f64) -> f64 {
        1.0 - sigma / self.sigma_max
    }
}

impl Schedule for Edm {
    fn at(&self, t: f64) -> Coefficients {
        Coefficients {
            alpha: 1.0,
            sigma: self.sigma_max * (1.0 - t),
            d_alpha: 0.0,
            d_sigma: -self.sigma_max,
        }
    }

    fn time_at_log_snr(&self, l: f64) -> f64 {
        self.time_at_sigma((-0.5 * l).exp()).clamp(0.0, 1.0)
    }
}
