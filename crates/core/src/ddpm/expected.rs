//! The bound of a table from expected errors, without sampling.
//!
//! `E KL(q ‖ p) = KL with (μ_q − μ_p)² = c₁²·E(x1 − x̂1)²`

use super::{BetaTable, Variance, kl_gaussians, prior_kl};
use crate::schedule::Schedule;
use std::f64::consts::TAU;

/// The expected bound of a denoiser on all steps of a table, with a continuous decoder, in nats per
/// dimension.
///
/// `L_T + Σ_{k ≥ 1} ½(β̃/Σ − 1 − ln(β̃/Σ) + c₁²·e_k/Σ) + ½(ln 2πΣ_0 + e_0/Σ_0)`
///
/// Source: Ho et al. 2020, eq. 5–8. `squared_error(k)` is `e_k = E(x1 − x̂1)²` per dimension at
/// step k, and `data_mean_square` is `E x1²`. The prior is N(0, I). Σ_0 is β_0, whatever the other
/// steps have: β̃_0 is 0.
///
/// With the exact denoiser it is the least bound that the table allows; on N(0, 1) with large
/// variances it is the entropy.
///
/// ```
/// use pyroclast_core::ddpm::{BetaTable, Variance, expected_bound};
/// use std::f64::consts::{E, TAU};
///
/// let table = BetaTable::default();
/// let error = |k| 1.0 - table.alpha_bar(k);
/// let bound = expected_bound(&table, Variance::Large, error, 1.0);
/// assert!((bound - 0.5 * (TAU * E).ln()).abs() < 1e-12);
/// ```
pub fn expected_bound(
    table: &BetaTable,
    variance: Variance,
    squared_error: impl Fn(usize) -> f64,
    data_mean_square: f64,
) -> f64 {
    let prior = prior_kl(table.at(0.0), data_mean_square, 1.0);
    let terms: f64 = (1..table.steps())
        .map(|k| {
            let step = table.transition(k);
            let of_means = step.coef_x1.powi(2) * squared_error(k);
            kl_gaussians(of_means, step.small, variance.at(&step))
        })
        .sum();
    let last = table.transition(0).variance;
    let reconstruction = 0.5 * ((TAU * last).ln() + squared_error(0) / last);
    prior + terms + reconstruction
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_step_is_prior_and_reconstruction() {
        // q(x_0 | x1) = N(√.7·x1, .3); data of mean square 2, an error of .1.
        let table = BetaTable::linear(1, 0.3, 0.3);
        let prior = 0.5 * (0.3 - 1.0 - 0.3_f64.ln() + 0.7 * 2.0);
        let last = 0.5 * ((TAU * 0.3).ln() + 0.1 / 0.3);
        for variance in [Variance::Small, Variance::Large] {
            let bound = expected_bound(&table, variance, |_| 0.1, 2.0);
            assert!((bound - prior - last).abs() < 1e-14, "{bound}");
        }
    }

    #[test]
    fn two_steps_are_summed_by_hand() {
        let table = BetaTable::new(vec![0.1, 0.5]).expect("a table");
        // ᾱ = .9, .45; c₁ = .5·√.9/.55, β̃ = .5·.1/.55.
        let (small, share) = (0.05 / 0.55, 0.25 * 0.9 / 0.3025);
        let prior = 0.5 * (0.55 - 1.0 - 0.55_f64.ln() + 0.45 * 3.0);
        let errors = [0.2, 0.7];
        for (variance, middle, last) in [(Variance::Large, 0.5, 0.1), (Variance::Small, small, 0.1)]
        {
            let ratio: f64 = small / middle;
            let middle = 0.5 * (ratio - 1.0 - ratio.ln() + share * 0.7 / middle);
            let last = 0.5 * ((TAU * last).ln() + 0.2 / last);
            let bound = expected_bound(&table, variance, |k| errors[k], 3.0);
            assert!((bound - prior - middle - last).abs() < 1e-13, "{bound}");
        }
    }
}
