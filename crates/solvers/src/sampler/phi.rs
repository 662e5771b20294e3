//! The φ functions of exponential integrators.
//!
//! `φ_k(z) = ∫₀¹ e^{(1−θ)z}·θ^{k−1}/(k−1)! dθ`, so `φ_{k+1}(z) = (φ_k(z) − 1/k!)/z` and
//! `φ_1(z) = (e^z − 1)/z`
//!
//! Source: Hochbruck & Ostermann 2010, eq. 2.10.

/// Closer to 0 than this, the recursion would lose digits and the series is short.
const NEAR: f64 = 1.0;

/// `φ_k(z)` for k ≥ 1; 0 at z = −∞.
pub(super) fn phi(k: u32, z: f64) -> f64 {
    if z == f64::NEG_INFINITY {
        return 0.0;
    }
    if z.abs() < NEAR {
        // Σ_n zⁿ/(n + k)!
        let mut term = 1.0 / factorial(k);
        let mut sum = term;
        for n in 1..24 {
            term *= z / f64::from(n + k);
            sum += term;
        }
        return sum;
    }
    (1..k).fold(z.exp_m1() / z, |value, i| (value - 1.0 / factorial(i)) / z)
}

/// `k!`
pub(super) fn factorial(k: u32) -> f64 {
    (1..=k).map(f64::from).product()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_the_integrals_that_define_them() {
        // Simpson's rule with 2000 cells: its error is below 1e-13 on these smooth integrands.
        for k in 1..=4 {
            for z in [-9.0, -1.5, -1.0, -0.999, -0.3, -1e-6, 0.0, 0.7] {
                let f = |theta: f64| {
                    ((1.0 - theta) * z).exp() * theta.powi(k as i32 - 1) / factorial(k - 1)
                };
                let n = 2000;
                let sum: f64 = (0..n)
                    .map(|i| {
                        let (a, b) = (i as f64 / n as f64, (i + 1) as f64 / n as f64);
                        f(a) + 4.0 * f(0.5 * (a + b)) + f(b)
                    })
                    .sum();
                let expected = sum / (6.0 * n as f64);
                assert!((phi(k, z) / expected - 1.0).abs() < 1e-11, "φ_{k}({z})");
            }
        }
        assert_eq!(phi(2, f64::NEG_INFINITY), 0.0);
    }
}
