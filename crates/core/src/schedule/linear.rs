//! `α = t, σ = 1 − (1 − σ_min)·t`

use super::{Coefficients, Schedule};
use crate::named::Range;
use crate::settings;

settings! {
    /// The linear, or conditional optimal-transport, path.
    ///
    /// `α = t, σ = 1 − (1 − σ_min)·t`
    ///
    /// Source: Lipman et al. 2023, eq. 20–23; with σ_min = 0 it is rectified flow (Liu et al.
    /// 2023).
    ///
    /// Range: σ_min in [0, 1). With σ_min = 0, σ(1) = 0.
    #[derive(Clone, Copy, PartialEq)]
    pub struct Linear {
        /// Noise left at t = 1.
        sigma_min: f64 = 0.0 => Range {
            holds: |v| (0.0..1.0).contains(v),
            remedy: "give a number in [0, 1)",
        },
    }
}

impl Schedule for Linear {
    fn at(&self, t: f64) -> Coefficients {
        let slope = 1.0 - self.sigma_min;
        Coefficients {
            alpha: t,
            sigma: (1.0 - t) + self.sigma_min * t,
            d_alpha: 1.0,
            d_sigma: -slope,
        }
    }

    fn time_at_log_snr(&self, l: f64) -> f64 {
        (1.0 / ((-0.5 * l).exp() + 1.0 - self.sigma_min)).clamp(0.0, 1.0)
    }
}
