//! The width of a power-function average, relative to the length of the training.
//!
//! `σ_rel = √((γ + 1)/((γ + 2)²·(γ + 3)))`
//!
//! This is the standard deviation of τ/t under the density (γ + 1)·(τ/t)^γ. It is largest at
//! γ = −0.382, where it is 0.3003, and falls as γ grows.
//!
//! Source: Karras et al. 2024, section 3.1 and appendix C.

use std::ops::RangeInclusive;

/// The relative widths of averages that can be kept and reconstructed. A width above 0.3 has no γ,
/// and one below 0.01 averages over less than a thirtieth of the training.
pub const WIDTHS: RangeInclusive<f64> = 0.01..=0.3;

/// The relative width of a power.
///
/// `σ_rel = √((γ + 1)/((γ + 2)²·(γ + 3)))`
///
/// Source: Karras et al. 2024, appendix C.
pub fn width_of_gamma(gamma: f64) -> f64 {
    ((gamma + 1.0) / ((gamma + 2.0).powi(2) * (gamma + 3.0))).sqrt()
}

/// The power of a relative width: the largest root of a cubic.
///
/// `σ²·(γ + 2)²·(γ + 3) − (γ + 1) = 0`
///
/// Source: Karras et al. 2024, appendix C.
///
/// # Panics
/// If the width is not in (0, 0.3].
pub fn gamma_of_width(sigma_rel: f64) -> f64 {
    assert!(
        sigma_rel > 0.0 && sigma_rel <= *WIDTHS.end(),
        "a relative width is in (0, 0.3], not {sigma_rel}"
    );
    let square = sigma_rel * sigma_rel;
    // σ < 1/(γ + 2), so the root lies below 1/σ. The cubic is convex above the root, so Newton's
    // steps decrease towards it.
    let mut gamma = 1.0 / sigma_rel;
    loop {
        let (a, b) = (gamma + 2.0, gamma + 3.0);
        let value = square * a * a * b - (gamma + 1.0);
        let slope = square * a * (a + 2.0 * b) - 1.0;
        let next = gamma - value / slope;
        // The first step that does not decrease comes from rounding.
        if next < gamma {
            gamma = next;
        } else {
            return gamma;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_and_powers_are_inverses() {
        for i in 1..=60 {
            let width = 0.005 * f64::from(i);
            let gamma = gamma_of_width(width);
            assert!(
                (width_of_gamma(gamma) / width - 1.0).abs() < 1e-13,
                "{width}"
            );
            assert!(gamma > -0.382, "the root of {width} is the largest one");
        }
        for gamma in [-0.3, 0.0, 1.0, 6.94, 50.0] {
            let again = gamma_of_width(width_of_gamma(gamma));
            assert!((again - gamma).abs() < 1e-9 * (1.0 + gamma), "{again}");
        }
    }

    #[test]
    fn powers_are_those_of_the_paper() {
        // Karras et al. 2024 name γ = 16.97 and 6.94 for the widths that they keep.
        assert!((gamma_of_width(0.05) - 16.97).abs() < 5e-3);
        assert!((gamma_of_width(0.10) - 6.94).abs() < 5e-3);
    }

    #[test]
    fn the_width_is_the_standard_deviation_of_the_profile() {
        // The midpoint rule on n cells; the density has bounded second derivatives, so the error is
        // O(n⁻²).
        let n = 20_000;
        for width in [0.05, 0.12, 0.25] {
            let gamma = gamma_of_width(width);
            let moment = |k: i32| -> f64 {
                let of = |u: f64| (gamma + 1.0) * u.powf(gamma) * u.powi(k) / f64::from(n);
                (0..n)
                    .map(|i| of((f64::from(i) + 0.5) / f64::from(n)))
                    .sum()
            };
            let variance = moment(2) - moment(1).powi(2);
            assert!((variance.sqrt() - width).abs() < 1e-6, "{width}");
        }
    }
}
