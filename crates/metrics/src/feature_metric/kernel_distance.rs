//! The kernel distance between two clouds of features.
//!
//! `MMD² = E k(x, x') + E k(y, y') − 2·E k(x, y)`, with `k(x, y) = (xᵀy/d + 1)³`,
//! unbiased: x ≠ x' and y ≠ y'
//!
//! Source: Gretton et al. 2012, eq. 3; with this kernel on features of images: Bińkowski et al.
//! 2018, §4, where it is called KID.

use crate::feature_metric::{FeatureMetric, Uncertainty};
use nalgebra::DMatrix;
use rayon::prelude::*;

/// Rows of the kernel's matrix that a thread computes at once.
const ROWS: usize = 128;

pub(crate) const KERNEL: FeatureMetric = FeatureMetric {
    key: "kid",
    name: "KID",
    floor_key: None,
    uncertainty: Uncertainty::Subsets {
        most_features: usize::MAX,
    },
    score: |clouds| {
        let of = || kernel_distance(clouds.real, clouds.fake, clouds.dim);
        clouds.have(2).then(of)
    },
};

/// The unbiased estimate of MMD² from two clouds. For equal distributions it scatters around 0, so
/// it can be negative.
///
/// # Shapes
/// - x: `[n, dim]`, y: `[m, dim]`, row-major
///
/// # Panics
/// If a cloud has fewer than two points.
pub fn kernel_distance(x: &[f32], y: &[f32], dim: usize) -> f64 {
    let (n, m) = (x.len() / dim, y.len() / dim);
    assert!(
        n > 1 && m > 1,
        "an unbiased estimate needs two points of each cloud"
    );
    // Rows on the host are columns here.
    let matrix = |z: &[f32]| {
        let values = z.iter().map(|&value| f64::from(value));
        DMatrix::from_iterator(dim, z.len() / dim, values)
    };
    let (x, y) = (matrix(x), matrix(y));
    let cross = sum_of_kernels(&x, &y, false) / (n * m) as f64;
    let within = |z, n: usize| sum_of_kernels(z, z, true) / (n * (n - 1)) as f64;
    within(&x, n) + within(&y, m) - 2.0 * cross
}

/// `Σ_{ij} k(x_i, y_j)`, without i = j if the clouds are the same. Blocks are summed in order: the
/// sum does not depend on the number of threads.
fn sum_of_kernels(x: &DMatrix<f64>, y: &DMatrix<f64>, same: bool) -> f64 {
    let (dim, n) = x.shape();
    let block = |block: usize| {
        let first = block * ROWS;
        let products = x.columns(first, ROWS.min(n - first)).transpose() * y;
        let mut sum = 0.0;
        for (j, column) in products.column_iter().enumerate() {
            for (i, product) in column.iter().enumerate() {
                if !(same && first + i == j) {
                    sum += (product / dim as f64 + 1.0).powi(3);
                }
            }
        }
        sum
    };
    let sums: Vec<f64> = (0..n.div_ceil(ROWS)).into_par_iter().map(block).collect();
    sums.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spread::Spread;
    use pyroclast_core::noise::{Noise, Stream};

    fn kernel(a: &[f32], b: &[f32]) -> f64 {
        let product: f64 = (a.iter().zip(b))
            .map(|(a, b)| f64::from(*a) * f64::from(*b))
            .sum();
        (product / a.len() as f64 + 1.0).powi(3)
    }

    #[test]
    fn blocks_equal_the_definition() {
        // Clouds of more than one block, of different sizes.
        let (n, m, dim) = (300, 131, 5);
        let mut draws = Noise::new(7).draws(Stream::Metric, 0);
        let x = draws.normals(n * dim);
        let y: Vec<f32> = draws.normals(m * dim).iter().map(|v| v + 0.5).collect();
        let row = |z: &[f32], i: usize| z[i * dim..(i + 1) * dim].to_vec();
        let mut expected = 0.0;
        for (z, n) in [(&x, n), (&y, m)] {
            for i in 0..n {
                for j in (0..n).filter(|&j| j != i) {
                    expected += kernel(&row(z, i), &row(z, j)) / (n * (n - 1)) as f64;
                }
            }
        }
        for i in 0..n {
            for j in 0..m {
                expected -= 2.0 * kernel(&row(&x, i), &row(&y, j)) / (n * m) as f64;
            }
        }
        let got = kernel_distance(&x, &y, dim);
        // Means of about 10⁵ numbers of size at most 10.
        assert!((got - expected).abs() < 1e-11, "{got} {expected}");
    }

    #[test]
    fn three_points_have_the_distance_worked_out_by_hand() {
        let x = [0.0, 1.0, 2.0, -1.0, 0.5, 0.5];
        let y = [1.0, 1.0, 0.0, 0.0, -1.0, 2.0];
        let got = kernel_distance(&x, &y, 2);
        assert!((got + 1.770_833_333_333_333).abs() < 1e-14, "{got}");
    }

    #[test]
    fn gaussians_have_the_distance_of_their_moments() {
        // E(u/d + 1)³ for u = xᵀy of independent points of N(m, I) and N(m', I).
        let expected = |m: f64, m2: f64| {
            let d = 4.0;
            let (dot, a, b) = (d * m * m2, d * m * m, d * m2 * m2);
            let second = dot * dot + a + b + d;
            let third = dot.powi(3) + 3.0 * dot * (a + b + d) + 6.0 * dot;
            1.0 + 3.0 * dot / d + 3.0 * second / (d * d) + third / d.powi(3)
        };
        let distance = expected(0.0, 0.0) + expected(0.5, 0.5) - 2.0 * expected(0.0, 0.5);
        assert!((distance - 1.328_125).abs() < 1e-15, "{distance}");
        let values: Vec<f64> = (0..100)
            .map(|k| {
                let mut draws = Noise::new(14).draws(Stream::Metric, k);
                let x = draws.normals(400);
                let y: Vec<f32> = draws.normals(400).iter().map(|v| v + 0.5).collect();
                kernel_distance(&x, &y, 4)
            })
            .collect();
        let spread = Spread::of(&values);
        let error = spread.std.expect("several draws") / 10.0;
        assert!((spread.mean - distance).abs() < 5.0 * error, "{spread:?}");
        assert!(error < 0.1, "{error}");
    }

    #[test]
    fn equal_distributions_are_at_zero_on_average() {
        // 400 draws of 10 points each. If i = j counted, the mean would be
        // 2·(E k(x, x) − E k(x, x'))/10 > 1.
        let (draws, n, dim) = (400, 10, 3);
        let values: Vec<f64> = (0..draws)
            .map(|k| {
                let mut draws = Noise::new(8).draws(Stream::Metric, k);
                let (x, y) = (draws.normals(n * dim), draws.normals(n * dim));
                kernel_distance(&x, &y, dim)
            })
            .collect();
        let spread = Spread::of(&values);
        let error = spread.std.expect("several draws") / (draws as f64).sqrt();
        assert!(spread.mean.abs() < 5.0 * error, "{spread:?}");
        assert!(error < 0.1, "{error}");
    }
}
