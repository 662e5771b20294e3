//! Preconditioning: what a network is shown of a noisy state and its time.
//!
//! `N_θ(c_in·x_t, c_noise)`

use crate::named;
use crate::named::POSITIVE;
use crate::schedule::Coefficients;

/// `c_noise` stays within these bounds, which a schedule without signal or without noise at an end
/// would leave: σ/α of e^{±20}.
const MOST: f64 = 5.0;

named! {
    /// How the state is scaled and the time is written for the network.
    ///
    /// ```
    /// use pyroclast_core::preconditioning::Preconditioning;
    /// use pyroclast_core::schedule::{Edm, Schedule};
    ///
    /// let edm = Edm::default();
    /// let c = edm.at(edm.time_at_sigma(1.2));
    /// let shown = Preconditioning::Edm { sigma_data: 0.5 };
    /// assert!((shown.scale(c) - 1.0 / 1.3).abs() < 1e-12); // √(1.2² + 0.5²) = 1.3
    /// ```
    #[derive(Clone, Copy, PartialEq)]
    pub enum Preconditioning as "preconditioning" {
        /// The state as it is, and t.
        "none" => None,
        /// EDM's: the state at unit variance, and the noise level, whatever the schedule's own
        /// scale and clock are.
        ///
        /// `c_in·x_t = x_t/√(σ² + α²σ_data²)`, `c_noise = ¼·ln(σ/α)`
        ///
        /// Source: Karras et al. 2022, table 1, for the state x_t/α at the noise level σ/α.
        "edm" => Edm {
            /// Standard deviation of the data.
            sigma_data: f64 = 0.5 => POSITIVE,
        },
    }
}

/// The state and the time as they are.
impl Default for Preconditioning {
    fn default() -> Self {
        Self::None
    }
}

impl Preconditioning {
    /// `c_in`.
    pub fn scale(self, c: Coefficients) -> f64 {
        match self {
            Self::None => 1.0,
            Self::Edm { sigma_data } => 1.0 / c.std(sigma_data),
        }
    }

    /// What stands for the duration of a step: under EDM's, whose clock is the noise, whether there
    /// is one.
    pub fn duration(self, duration: f64) -> f64 {
        match self {
            Self::Edm { .. } if duration != 0.0 => duration.signum(),
            _ => duration,
        }
    }

    /// What stands for the time.
    pub fn time(self, t: f64, c: Coefficients) -> f64 {
        match self {
            Self::None => t,
            Self::Edm { .. } => (0.25 * (c.sigma.ln() - c.alpha.ln())).clamp(-MOST, MOST),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::{Edm, Linear, Schedule};

    #[test]
    fn edm_input_is_the_papers() {
        let edm = Edm::default();
        let input = Preconditioning::Edm { sigma_data: 0.5 };
        for sigma in [0.002, 0.3, 80.0] {
            let t = edm.time_at_sigma(sigma);
            let c = edm.at(t);
            let c_in = 1.0 / (sigma * sigma + 0.25_f64).sqrt();
            assert!((input.scale(c) / c_in - 1.0).abs() < 1e-9);
            assert!((input.time(t, c) - 0.25 * sigma.ln()).abs() < 1e-9);
        }
    }

    #[test]
    fn it_is_finite_where_signal_or_noise_is_missing() {
        let (linear, input) = (Linear::default(), Preconditioning::Edm { sigma_data: 0.5 });
        for (t, time, scale) in [(0.0, 5.0, 1.0), (1.0, -5.0, 2.0)] {
            assert_eq!(input.time(t, linear.at(t)), time);
            assert_eq!(input.scale(linear.at(t)), scale);
        }
    }
}
