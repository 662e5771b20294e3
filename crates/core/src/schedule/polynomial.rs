//! `α = tⁿ, σ = 1 − tⁿ`

use super::{Coefficients, Schedule};
use crate::named::POSITIVE;
use crate::settings;

settings! {
    /// The polynomial path of degree n.
    ///
    /// `α = tⁿ, σ = 1 − tⁿ`
    ///
    /// Source: Lipman et al. 2024 ("Flow Matching Guide and Code"), §4.8. Range: n > 0.
    #[derive(Clone, Copy, PartialEq)]
    pub struct Polynomial {
        /// The degree n.
        degree: f64 = 2.0 => POSITIVE,
    }
}

impl Schedule for Polynomial {
    fn at(&self, t: f64) -> Coefficients {
        let alpha = t.powf(self.degree);
        let d_alpha = self.degree * t.powf(self.degree - 1.0);
        Coefficients {
            alpha,
            sigma: 1.0 - alpha,
            d_alpha,
            d_sigma: -d_alpha,
        }
    }

    fn time_at_log_snr(&self, l: f64) -> f64 {
        (1.0 / (1.0 + (-0.5 * l).exp())).powf(1.0 / self.degree)
    }
}
