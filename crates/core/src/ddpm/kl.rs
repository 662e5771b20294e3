//! `KL(N(μ_q, v_q) ‖ N(μ_p, v_p)) = ½(v_q/v_p − 1 − ln(v_q/v_p) + (μ_q − μ_p)²/v_p)`

use crate::schedule::Coefficients;

/// How far α² + σ² may be from 1 in a schedule that preserves the variance.
const ROUNDING: f64 = 1e-9;

/// The divergence of two Gaussians in nats, per dimension.
///
/// `½(v_q/v_p − 1 − ln(v_q/v_p) + Δ²/v_p)`
///
/// Takes the square of the difference of the means, or its expectation. Infinite where `var_q` is
/// 0. Range: var_p > 0.
pub fn kl_gaussians(mean_difference_squared: f64, var_q: f64, var_p: f64) -> f64 {
    let excess = (var_q - var_p) / var_p;
    // x − ln(1 + x), which is second order in x.
    0.5 * (excess - excess.ln_1p() + mean_difference_squared / var_p)
}

/// The bound's first term: the information about the data that the noisiest state keeps, in nats
/// per dimension.
///
/// `L_T = KL(N(α·x1, σ²) ‖ N(0, base_std²))`, in expectation over data of the given mean square
///
/// Source: Ho et al. 2020, eq. 5. `c` are the coefficients where sampling starts; [`base_std`] is
/// the bound's prior there.
pub fn prior_kl(c: Coefficients, mean_square: f64, base_std: f64) -> f64 {
    kl_gaussians(
        c.alpha * c.alpha * mean_square,
        c.sigma * c.sigma,
        base_std * base_std,
    )
}

/// The standard deviation of the bound's prior where the coefficients are `c`.
///
/// 1 where `α² + σ² = 1`, else σ
///
/// Where the variance is preserved it is Ho et al.'s, N(0, I), although samplers start from σ·x0
/// and σ is a little less; elsewhere it is the distribution of σ·x0.
pub fn base_std(c: Coefficients) -> f64 {
    let total = c.alpha * c.alpha + c.sigma * c.sigma;
    if (total - 1.0).abs() < ROUNDING {
        1.0
    } else {
        c.sigma
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ddpm::BetaTable;
    use crate::schedule::{Linear, Schedule, VarianceExploding, VariancePreserving};

    #[test]
    fn the_divergence_is_the_integral_of_its_definition() {
        let (mean, q, p) = (0.7_f64, 0.4_f64, 1.3_f64);
        let log_density = |x: f64, mean: f64, variance: f64| {
            -0.5 * ((x - mean).powi(2) / variance + (std::f64::consts::TAU * variance).ln())
        };
        // The trapezoid rule converges faster than any power on a Gaussian; the tails beyond 12
        // deviations weigh 10⁻³¹.
        let h = 0.01;
        let integral: f64 = (-1000..=1000)
            .map(|i| {
                let x = mean + h * f64::from(i);
                let log_q = log_density(x, mean, q);
                h * log_q.exp() * (log_q - log_density(x, 0.0, p))
            })
            .sum();
        assert!((kl_gaussians(mean * mean, q, p) - integral).abs() < 1e-12);
    }

    #[test]
    fn equal_laws_do_not_diverge_and_close_ones_little() {
        assert_eq!(kl_gaussians(0.0, 0.3, 0.3), 0.0);
        // ¼x² to first order in x.
        let got = kl_gaussians(0.0, 1.0 + 1e-6, 1.0);
        assert!((got / 0.25e-12 - 1.0).abs() < 1e-5, "{got}");
        assert_eq!(kl_gaussians(0.0, 0.0, 1.0), f64::INFINITY);
    }

    #[test]
    fn nothing_is_told_at_zero_terminal_snr() {
        let zeroed = BetaTable::default().zero_terminal_snr();
        assert_eq!(prior_kl(zeroed.at(0.0), 5.0, 1.0), 0.0);
        let told = prior_kl(BetaTable::default().at(0.0), 1.0, 1.0);
        // ½(α² + σ² − 1 − ln σ²) at ᾱ = 4.0358·10⁻⁵.
        assert!((told / (-0.5 * (-4.035829765e-5_f64).ln_1p()) - 1.0).abs() < 1e-8);
    }

    #[test]
    fn the_prior_is_standard_where_the_variance_is_preserved_and_the_noise_elsewhere() {
        assert_eq!(base_std(VariancePreserving::default().at(0.0)), 1.0);
        assert_eq!(base_std(BetaTable::default().at(0.25)), 1.0);
        assert_eq!(base_std(Linear::default().at(0.0)), 1.0);
        let exploding = VarianceExploding::default();
        assert_eq!(base_std(exploding.at(0.0)), exploding.at(0.0).sigma);
    }
}
