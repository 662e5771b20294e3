//! The Gaussian step between two points of a path.
//!
//! `q(x_t | x_s) = N(α·x_s, β'·I)`, `q(x_s | x_t, x1) = N(c₁·x1 + c_t·x_t, β̃·I)`

use super::BetaTable;
use crate::schedule::{Coefficients, Schedule};

/// A step from a noisier point x_t of a path to a cleaner one x_s, given the path's data endpoint.
///
/// `α = α_t/α_s`, `β' = σ_t² − α²σ_s² = σ_t²(1 − SNR_t/SNR_s)`,
/// `c₁ = α_s·β'/σ_t²`, `c_t = α·σ_s²/σ_t²`, `β̃ = β'·σ_s²/σ_t²`
///
/// Source: Kingma et al. 2021 (VDM), appendix A; Ho et al. 2020, eq. 6–7, for consecutive steps of
/// a table. Steps may be skipped: then `β' = 1 − ᾱ_t/ᾱ_s`.
///
/// Defined also where α_t = 0 (zero terminal SNR), and where σ_s = 0 (clean data:
/// `c₁ = α_s, c_t = β̃ = 0`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Transition {
    /// α: the share of x_s in x_t.
    pub alpha: f64,
    /// β': the variance of x_t given x_s, and the most that a reverse step may add.
    pub variance: f64,
    /// c₁: the share of x1 in the posterior mean of x_s.
    pub coef_x1: f64,
    /// c_t: the share of x_t in the posterior mean of x_s.
    pub coef_xt: f64,
    /// β̃: the variance of x_s given x_t and x1.
    pub small: f64,
}

impl Transition {
    /// The step between the coefficients of two times.
    ///
    /// # Panics
    /// If `to` has less signal for its noise than `from`, or `from` has no noise, or `to` no
    /// signal.
    pub fn between(from: Coefficients, to: Coefficients) -> Self {
        let alpha = from.alpha / to.alpha;
        let shrinkage = to.sigma / from.sigma;
        // √(SNR_t/SNR_s), whose distance from 1 as a product does not cancel twice.
        let ratio = alpha * shrinkage;
        assert!(
            (0.0..=1.0).contains(&ratio),
            "no step of a path leads from {from:?} to {to:?}; give the noisier point first"
        );
        let share = (1.0 - ratio) * (1.0 + ratio);
        Self {
            alpha,
            variance: share * from.sigma * from.sigma,
            coef_x1: share * to.alpha,
            coef_xt: alpha * shrinkage * shrinkage,
            small: share * to.sigma * to.sigma,
        }
    }
}

impl BetaTable {
    /// The step from k to k − 1; from 0, to clean data.
    ///
    /// `c₁ = β_k·√ᾱ_{k−1}/(1 − ᾱ_k)`, `c_t = (1 − ᾱ_{k−1})·√(1 − β_k)/(1 − ᾱ_k)`,
    /// `β̃ = β_k(1 − ᾱ_{k−1})/(1 − ᾱ_k)`
    ///
    /// Source: Ho et al. 2020, eq. 7.
    ///
    /// # Panics
    /// If there is no step k.
    pub fn transition(&self, k: usize) -> Transition {
        let cleaner = k.checked_sub(1).map_or(1.0, |before| self.time(before));
        Transition::between(self.at(self.time(k)), self.at(cleaner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::{Linear, VarianceExploding};

    #[track_caller]
    fn close(got: f64, expected: f64, tolerance: f64) {
        assert!(
            (got - expected).abs() <= tolerance * expected.abs(),
            "{got:e} instead of {expected:e}"
        );
    }

    fn tables() -> Vec<BetaTable> {
        vec![
            BetaTable::default(),
            BetaTable::default().zero_terminal_snr(),
            BetaTable::cosine(1000),
            BetaTable::scaled_linear(1000, 0.00085, 0.012),
            BetaTable::sigmoid(1000, 1e-4, 0.02),
            BetaTable::cosine(50),
        ]
    }

    #[test]
    fn consecutive_steps_are_those_of_ho_et_al() {
        for table in tables() {
            // ᾱ as a product and 1 − ᾱ as a sum, so that the reference has its digits at both ends.
            let (mut signal, mut noise) = (1.0_f64, 0.0);
            for (k, &beta) in table.betas().iter().enumerate() {
                let total = noise + beta * signal;
                let step = table.transition(k);
                close(step.alpha, (1.0 - beta).sqrt(), 1e-12);
                close(step.variance, beta, 1e-12);
                close(step.coef_x1, beta * signal.sqrt() / total, 1e-12);
                close(step.coef_xt, noise * (1.0 - beta).sqrt() / total, 1e-12);
                close(step.small, beta * noise / total, 1e-12);
                (signal, noise) = (signal * (1.0 - beta), total);
            }
        }
    }

    #[test]
    fn skipped_steps_gather_their_noise() {
        for table in tables() {
            for (t, s) in [(49, 0), (49, 17), (30, 28)] {
                let at = |k| table.at(table.time(k));
                let step = Transition::between(at(t), at(s));
                let expected = 1.0 - table.alpha_bar(t) / table.alpha_bar(s);
                close(step.variance, expected, 1e-10);
            }
        }
    }

    #[test]
    fn the_posterior_is_the_joint_law_divided_by_the_marginal() {
        // Bayes for N(α x_s, β') and N(α_s x1, σ_s²): precisions add, and so do precision-weighted
        // means.
        let vp = BetaTable::cosine(100);
        let schedules: [&dyn Schedule; 3] =
            [&vp, &Linear::default(), &VarianceExploding::default()];
        for schedule in schedules {
            let (from, to) = (schedule.at(0.3), schedule.at(0.8));
            let step = Transition::between(from, to);
            let variance = from.sigma.powi(2) - step.alpha.powi(2) * to.sigma.powi(2);
            let precision = to.sigma.powi(-2) + step.alpha.powi(2) / variance;
            close(step.variance, variance, 1e-13);
            close(step.small, 1.0 / precision, 1e-13);
            close(step.coef_xt, step.alpha / variance / precision, 1e-13);
            close(step.coef_x1, to.alpha / to.sigma.powi(2) / precision, 1e-13);
        }
    }

    #[test]
    fn without_signal_the_posterior_is_the_marginal() {
        let table = BetaTable::default().zero_terminal_snr();
        let step = table.transition(999);
        assert_eq!((step.alpha, step.coef_xt, step.variance), (0.0, 0.0, 1.0));
        assert_eq!(step.coef_x1, table.alpha_bar(998).sqrt());
        close(step.small, table.sigma_square(998), 1e-15);
    }

    #[test]
    fn the_step_to_clean_data_knows_where_it_ends() {
        let table = BetaTable::default();
        let step = table.transition(0);
        assert_eq!((step.coef_x1, step.coef_xt, step.small), (1.0, 0.0, 0.0));
        close(step.variance, 1e-4, 1e-15);
    }

    #[test]
    fn a_step_that_goes_nowhere_keeps_the_state() {
        let c = BetaTable::default().at(0.4);
        let step = Transition::between(c, c);
        assert_eq!((step.alpha, step.coef_xt), (1.0, 1.0));
        assert_eq!((step.variance, step.coef_x1, step.small), (0.0, 0.0, 0.0));
    }

    #[test]
    #[should_panic(expected = "give the noisier point first")]
    fn a_step_away_from_the_data_is_refused() {
        let table = BetaTable::default();
        Transition::between(table.at(0.6), table.at(0.4));
    }
}
