//! Weightings of the squared error over time.
//!
//! `L = E_t[w(t)·‖output − target‖²]`; a weighting other than uniform is defined on the data error
//! ‖x̂1 − x1‖² and carried over to what the network predicts, so it means the same loss for every
//! prediction.

use crate::named;
use crate::named::POSITIVE;
use crate::prediction::Prediction;
use crate::schedule::Coefficients;

named! {
    /// How much a time counts.
    ///
    /// ```
    /// use pyroclast_core::prediction::Prediction;
    /// use pyroclast_core::schedule::{Linear, Schedule};
    /// use pyroclast_core::weighting::Weighting;
    ///
    /// let c = Linear::default().at(0.75); // SNR = (0.75/0.25)² = 9
    /// let weighting = Weighting::MinSnr { gamma: 5.0 };
    /// assert_eq!(weighting.at(c, Prediction::Data), 5.0);
    /// ```
    #[derive(Clone, Copy, PartialEq)]
    pub enum Weighting as "weighting" {
        /// `w = 1` on the network's own output: CFM for a velocity, L_simple for a noise.
        "uniform" => Uniform,
        /// `SNR·‖x̂1 − x1‖²`, which is the uniform noise loss (Ho et al. 2020).
        "snr" => Snr,
        /// `min(SNR, γ)·‖x̂1 − x1‖²` (Hang et al. 2023, eq. 8); γ = 5 is theirs.
        "min-snr" => MinSnr {
            /// The ceiling γ on the SNR.
            gamma: f64 = 5.0 => POSITIVE,
        },
        /// `(σ² + σ_data²)/(σ·σ_data)²·‖x̂1 − x1‖²` at the noise level σ/α (Karras et al. 2022,
        /// table 1).
        "edm" => Edm {
            /// Standard deviation of the data.
            sigma_data: f64 = 0.5 => POSITIVE,
        },
        /// `g²·‖s − s_θ‖²` with the noising process's own g: the likelihood bound of Song et al.
        /// 2021 (maximum likelihood), eq. 7.
        "likelihood" => Likelihood,
        /// `σ²·‖s − s_θ‖²`, which keeps the score loss finite at the data end (Song & Ermon 2019,
        /// §4.2). The same loss as [`Self::Snr`].
        "sigma-squared" => SigmaSquared,
    } else {
        /// Any function of the log-SNR on the data error; it does not depend on the schedule.
        OfLogSnr(OfLogSnr)
    }
}

/// A weight of the data error, as a function of the log-SNR.
#[derive(Debug, Clone, Copy)]
pub struct OfLogSnr(pub fn(f64) -> f64);

/// Equal where they are the same function in memory.
impl PartialEq for OfLogSnr {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::fn_addr_eq(self.0, other.0)
    }
}

/// All times alike, on the network's own output.
impl Default for Weighting {
    fn default() -> Self {
        Self::Uniform
    }
}

impl Weighting {
    /// The factor on the network's squared error where the coefficients are `c`.
    ///
    /// Not finite at an end where the weighting itself or the prediction's error is singular: clip
    /// the times there.
    pub fn at(self, c: Coefficients, prediction: Prediction) -> f64 {
        let snr = (c.alpha / c.sigma).powi(2);
        let on_data = match self {
            Self::Uniform => return 1.0,
            Self::Snr | Self::SigmaSquared => snr,
            Self::MinSnr { gamma } => snr.min(gamma),
            Self::Edm { sigma_data } => snr + (sigma_data * sigma_data).recip(),
            Self::Likelihood => c.diffusion_squared() * snr / (c.sigma * c.sigma),
            Self::OfLogSnr(OfLogSnr(weight)) => weight(snr.ln()),
        };
        on_data / prediction.error_ratio(c)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::{Schedule, VariancePreserving};

    fn at(t: f64) -> Coefficients {
        VariancePreserving::default().at(t)
    }

    fn snr(c: Coefficients) -> f64 {
        (c.alpha / c.sigma).powi(2)
    }

    fn close(a: f64, b: f64) {
        assert!((a / b - 1.0).abs() < 1e-12, "{a} {b}");
    }

    #[test]
    fn min_snr_is_the_papers_for_each_prediction() {
        // Hang et al. 2023, §3.4: data min(SNR, γ), noise min(SNR, γ)/SNR, v min(SNR, γ)/(SNR + 1).
        let weighting = Weighting::MinSnr { gamma: 5.0 };
        for t in [0.3, 0.7, 0.95, 0.999] {
            let c = at(t);
            let clamped = snr(c).min(5.0);
            close(weighting.at(c, Prediction::Data), clamped);
            close(weighting.at(c, Prediction::Noise), clamped / snr(c));
            close(weighting.at(c, Prediction::V), clamped / (snr(c) + 1.0));
        }
        assert_eq!(weighting.at(at(0.999), Prediction::Data), 5.0);
    }

    #[test]
    fn snr_weighting_is_the_uniform_noise_loss() {
        close(Weighting::Snr.at(at(0.4), Prediction::Noise), 1.0);
        let c = at(0.4);
        close(
            Weighting::SigmaSquared.at(c, Prediction::Score),
            c.sigma * c.sigma,
        );
    }

    #[test]
    fn likelihood_weighting_is_the_rate_on_the_score() {
        // The VP diffusion has g² = β (Song et al. 2021, eq. 11).
        let vp = VariancePreserving::default();
        for t in [0.1, 0.5, 0.9] {
            close(
                Weighting::Likelihood.at(vp.at(t), Prediction::Score),
                vp.beta(t),
            );
        }
    }

    #[test]
    fn edm_weighting_is_the_papers() {
        let c = crate::schedule::Edm::default().at(0.99);
        let expected = (c.sigma.powi(2) + 0.25) / (c.sigma * 0.5).powi(2);
        close(
            Weighting::Edm { sigma_data: 0.5 }.at(c, Prediction::Data),
            expected,
        );
    }

    #[test]
    fn a_function_of_the_log_snr_reaches_the_data_error() {
        let c = at(0.6);
        close(
            Weighting::OfLogSnr(OfLogSnr(f64::exp)).at(c, Prediction::Data),
            snr(c),
        );
    }
}
