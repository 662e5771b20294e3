//! Gauss–Legendre quadrature.
//!
//! `∫_a^b f ≈ ½(b − a)·Σ_i w_i·f(½(a + b) + ½(b − a)·ξ_i)`, exact for polynomials of degree 2n − 1
//!
//! Source: Abramowitz & Stegun 1964, §25.4.29; the nodes are found by Newton's method.

/// Nodes of the rule.
const NODES: usize = 16;

/// `∫_a^b f`.
pub(super) fn integral(a: f64, b: f64, f: impl Fn(f64) -> f64) -> f64 {
    let (centre, half) = (0.5 * (a + b), 0.5 * (b - a));
    let terms = rule().map(|(node, weight)| weight * f(centre + half * node));
    half * terms.sum::<f64>()
}

/// The nodes on [−1, 1] with their weights `2/((1 − ξ²)·P'(ξ)²)`.
fn rule() -> impl Iterator<Item = (f64, f64)> {
    (0..NODES).map(|i| {
        let mut node = (std::f64::consts::PI * (i as f64 + 0.75) / (NODES as f64 + 0.5)).cos();
        let mut slope = 0.0;
        // Newton's method from this guess doubles its digits each time.
        for _ in 0..6 {
            let (value, derivative) = legendre(node);
            slope = derivative;
            node -= value / slope;
        }
        (node, 2.0 / ((1.0 - node * node) * slope * slope))
    })
}

/// `P_n(x)` and `P_n'(x)` by the three-term recursion.
fn legendre(x: f64) -> (f64, f64) {
    let (mut before, mut value) = (1.0, x);
    for k in 2..=NODES {
        let k = k as f64;
        (before, value) = (
            value,
            ((2.0 * k - 1.0) * x * value - (k - 1.0) * before) / k,
        );
    }
    (value, NODES as f64 * (x * value - before) / (x * x - 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_exact_for_polynomials_of_its_degree() {
        for degree in 0..2 * NODES as i32 {
            let got = integral(0.5, 2.0, |x| x.powi(degree));
            let n = f64::from(degree) + 1.0;
            let exact = (2_f64.powf(n) - 0.5_f64.powf(n)) / n;
            assert!((got / exact - 1.0).abs() < 1e-13, "degree {degree}");
        }
    }
}
