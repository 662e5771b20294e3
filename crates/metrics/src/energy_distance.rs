//! The energy distance.
//!
//! `D² = 2·E‖x − y‖ − E‖x − x'‖ − E‖y − y'‖`, unbiased: x ≠ x' and y ≠ y'
//!
//! Source: Székely & Rizzo 2013. It is 0 for equal distributions, and the unbiased estimate of
//! that 0 scatters around it, so it can be negative.

use crate::squared_distance::squared_distance;
use rayon::prelude::*;

/// The unbiased estimate of D² from two clouds.
///
/// # Shapes
/// - x: `[n, dim]`, y: `[m, dim]`, row-major
///
/// # Panics
/// If a cloud has fewer than two points.
pub fn energy_distance(x: &[f32], y: &[f32], dim: usize) -> f64 {
    let (n, m) = (x.len() / dim, y.len() / dim);
    assert!(
        n > 1 && m > 1,
        "an unbiased estimate needs two points of each cloud"
    );
    let cross = sum_of_distances(x, y, dim) / (n * m) as f64;
    let within = |z: &[f32], n: usize| sum_of_distances(z, z, dim) / (n * (n - 1)) as f64;
    2.0 * cross - within(x, n) - within(y, m)
}

/// `Σ_{ij} ‖x_i − y_j‖`, row by row: the sum does not depend on the number of threads.
fn sum_of_distances(x: &[f32], y: &[f32], dim: usize) -> f64 {
    let row = |a: &[f32]| {
        y.chunks_exact(dim)
            .map(|b| squared_distance(a, b).sqrt())
            .sum()
    };
    let rows: Vec<f64> = x.par_chunks_exact(dim).map(row).collect();
    rows.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use pyroclast_core::noise::{Noise, Stream};

    #[test]
    fn two_points_per_cloud_by_hand() {
        // x = {0, 1}, y = {3, 5}: cross mean (3 + 5 + 2 + 4)/4, within 1 and 2.
        let got = energy_distance(&[0.0, 1.0], &[3.0, 5.0], 1);
        assert!((got - (2.0 * 3.5 - 1.0 - 2.0)).abs() < 1e-12);
    }

    #[test]
    fn gaussians_apart_have_the_closed_form() {
        // In 1-D, X − Y ~ N(µ, 2): E|X − Y| = 2/√π·e^{−µ²/4} + µ·erf(µ/2), and E|X − X'| = 2/√π.
        let n = 4000;
        let mut draws = Noise::new(4).draws(Stream::Metric, 0);
        let x = draws.normals(n);
        let y: Vec<f32> = draws.normals(n).iter().map(|v| v + 1.0).collect();
        let root = 2.0 / std::f64::consts::PI.sqrt();
        // erf(½)
        let expected = 2.0 * (root * (-0.25_f64).exp() + 0.520_499_877_813_046_5) - 2.0 * root;
        assert!((expected - 0.541_806_579_305_957_7).abs() < 1e-14);
        let got = energy_distance(&x, &y, 1);
        // The first-order terms of the U-statistic have a standard deviation below 2/√n each.
        assert!(
            (got - expected).abs() < 5.0 * 2.0 / (n as f64).sqrt(),
            "{got} {expected}"
        );
    }
}
