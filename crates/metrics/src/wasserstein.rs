//! The exact 2-Wasserstein distance between two clouds of the same size.
//!
//! `W2² = min over permutations π of (1/n)·Σᵢ ‖xᵢ − y_π(i)‖²`
//!
//! Source: Villani 2009; between clouds of the same size an optimal plan is
//! a permutation (Birkhoff).

use crate::squared_distance::squared_distance;
use pyroclast_core::assignment::assign_points;

/// The squared distance, `W2²(x, y)`.
///
/// # Shapes
/// - x, y: `[n, dim]`, row-major
///
/// # Panics
/// If the clouds differ in size, are empty, or hold a coordinate that is not finite.
pub fn wasserstein_squared(x: &[f32], y: &[f32], dim: usize) -> f64 {
    assert_eq!(
        x.len(),
        y.len(),
        "both clouds must have the same number of points"
    );
    assert!(!x.is_empty(), "an empty cloud has no distance");
    let pairs = assign_points(x, y, dim);
    let total: f64 = (x.chunks_exact(dim).zip(&pairs))
        .map(|(a, &j)| squared_distance(a, &y[j * dim..(j + 1) * dim]))
        .sum();
    total / pairs.len() as f64
}

/// The distance, `W2(x, y)`.
///
/// # Panics
/// As for [`wasserstein_squared`].
pub fn wasserstein(x: &[f32], y: &[f32], dim: usize) -> f64 {
    wasserstein_squared(x, y, dim).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use pyroclast_core::noise::{Noise, Stream};

    #[test]
    fn a_shifted_cloud_is_as_far_as_its_shift() {
        let x = Noise::new(1).draws(Stream::Metric, 0).normals(300 * 3);
        let y: Vec<f32> = x.iter().map(|v| v + 2.0).collect();
        assert!((wasserstein(&x, &y, 3) - 12_f64.sqrt()).abs() < 1e-5);
        assert!(wasserstein(&x, &x, 3) < 1e-6);
    }

    #[test]
    fn in_one_dimension_sorting_is_optimal() {
        let mut draws = Noise::new(2).draws(Stream::Metric, 0);
        let (mut x, mut y) = (draws.normals(200), draws.normals(200));
        let got = wasserstein_squared(&x, &y, 1);
        x.sort_by(f32::total_cmp);
        y.sort_by(f32::total_cmp);
        let sorted = x
            .iter()
            .zip(&y)
            .map(|(a, b)| f64::from(a - b).powi(2))
            .sum::<f64>()
            / 200.0;
        assert!((got - sorted).abs() < 1e-6);
    }
}
