//! The maximum mean discrepancy with Gaussian kernels.
//!
//! `MMD² = E k(x, x') + E k(y, y') − 2·E k(x, y)`, `k(x, y) = e^{−‖x − y‖²/(2ℓ²)}`, unbiased:
//! x ≠ x' and y ≠ y'
//!
//! Source: Gretton et al. 2012, eq. 3. For equal distributions it scatters around 0, so it can be
//! negative. Unlike KID it tells any two distributions apart, at distances of about ℓ.

use crate::squared_distance::squared_distance;
use rayon::prelude::*;

/// The most points whose distances decide the median.
const MEDIAN_OF: usize = 1000;

/// The unbiased estimate of MMD² from two clouds, whose kernel has length `length`.
///
/// It takes `(n + m)²·dim` operations. A length that is the same for all models is fixed, or comes
/// from the data alone, as [`median_distance`] does: one from the samples would differ from model
/// to model, and so would the scale of the score.
///
/// # Shapes
/// - x: `[n, dim]`, y: `[m, dim]`, row-major
///
/// # Panics
/// If a cloud has fewer than two points, or the length is not positive.
///
/// ```
/// use pyroclast_metrics::mmd_squared;
///
/// // Pairs of the same point far apart: E k(x, x') = E k(y, y') = 1, and E k(x, y) = 0.
/// assert_eq!(mmd_squared(&[0.0, 0.0], &[100.0, 100.0], 1, 1.0), 2.0);
/// ```
pub fn mmd_squared(x: &[f32], y: &[f32], dim: usize, length: f64) -> f64 {
    let (n, m) = (x.len() / dim, y.len() / dim);
    assert!(
        n > 1 && m > 1,
        "an unbiased estimate needs two points of each cloud"
    );
    assert!(length > 0.0, "a kernel of length {length}");
    let cross = sum_of_kernels(x, y, dim, length) / (n * m) as f64;
    let within = |z: &[f32], n: usize| {
        // The kernel of a point and itself is 1.
        (sum_of_kernels(z, z, dim, length) - n as f64) / (n * (n - 1)) as f64
    };
    within(x, n) + within(y, m) - 2.0 * cross
}

/// `Σ_{ij} k(x_i, y_j)`, row by row: the sum does not depend on the number of threads.
fn sum_of_kernels(x: &[f32], y: &[f32], dim: usize, length: f64) -> f64 {
    let rate = -0.5 / (length * length);
    let row = |a: &[f32]| {
        let kernels = y.chunks_exact(dim);
        kernels.map(|b| (rate * squared_distance(a, b)).exp()).sum()
    };
    let rows: Vec<f64> = x.par_chunks_exact(dim).map(row).collect();
    rows.iter().sum()
}

/// The median distance between two points of the first 1000 of a cloud: the usual length of a
/// kernel (Gretton et al. 2012, §8). `None` if it is 0, as where most points coincide.
///
/// # Shapes
/// - data: `[n, dim]`, row-major
pub fn median_distance(data: &[f32], dim: usize) -> Option<f64> {
    let points: Vec<&[f32]> = data.chunks_exact(dim).take(MEDIAN_OF).collect();
    let mut squares: Vec<f64> = (points.iter().enumerate())
        .flat_map(|(i, a)| points[..i].iter().map(|b| squared_distance(a, b)))
        .collect();
    let middle = squares.len() / 2;
    let (_, median, _) =
        (!squares.is_empty()).then(|| squares.select_nth_unstable_by(middle, f64::total_cmp))?;
    (*median > 0.0).then(|| median.sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Spread;
    use pyroclast_core::noise::{Noise, Stream};

    /// E k for x − y ~ N(δ, v·I) in two dimensions.
    fn expected_kernel(shift: f64, variance: f64) -> f64 {
        (-shift * shift / (2.0 * (1.0 + variance))).exp() / (1.0 + variance)
    }

    #[test]
    fn gaussians_have_the_closed_form() {
        // N(0, I) against N((δ, 0), s²I), ℓ = 1.
        for (shift, scale, expected) in [
            (1.0_f32, 1.0_f32, 0.102_345_516_739_590_6),
            (0.0, 2.0, 1.0 / 9.0),
        ] {
            let square = f64::from(scale * scale);
            let exact = expected_kernel(0.0, 2.0) + expected_kernel(0.0, 2.0 * square)
                - 2.0 * expected_kernel(f64::from(shift), 1.0 + square);
            assert!((exact - expected).abs() < 1e-15, "{exact}");
            let values: Vec<f64> = (0..100)
                .map(|k| {
                    let mut draws = Noise::new(17).draws(Stream::Metric, k);
                    let x = draws.normals(2 * 300);
                    let mut y = draws.normals(2 * 300);
                    for point in y.chunks_exact_mut(2) {
                        point.iter_mut().for_each(|v| *v *= scale);
                        point[0] += shift;
                    }
                    mmd_squared(&x, &y, 2, 1.0)
                })
                .collect();
            let spread = Spread::of(&values);
            let error = spread.std.expect("several draws") / 10.0;
            assert!((spread.mean - exact).abs() < 5.0 * error, "{spread:?}");
            assert!(error < 0.003, "{error}");
        }
    }

    #[test]
    fn the_median_is_that_of_all_pairs() {
        // Distances 1, 2, 3, 3, 5, 6 of 0, 1, 3, 6: the upper of the two in the middle.
        assert_eq!(median_distance(&[0.0, 1.0, 3.0, 6.0], 1), Some(3.0));
        assert_eq!(median_distance(&[4.0; 6], 2), None);
        assert_eq!(median_distance(&[4.0; 2], 2), None);
    }
}
