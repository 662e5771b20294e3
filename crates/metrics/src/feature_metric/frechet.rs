//! The Fréchet distance between Gaussians fitted to two clouds of features.
//!
//! `d² = ‖μ1 − μ2‖² + tr(Σ1 + Σ2 − 2·(Σ1^{½}·Σ2·Σ1^{½})^{½})`
//!
//! Source: Dowson & Landau 1982, eq. 4; of features of images: Heusel et al. 2017,
//! eq. 6, where it is called FID.

use crate::feature_metric::{FeatureMetric, MANY_COVARIANCES, Uncertainty};
use crate::moments::Moments;

pub(crate) const FRECHET: FeatureMetric = FeatureMetric {
    key: "frechet",
    name: "Fréchet distance",
    floor_key: Some("frechet_floor"),
    uncertainty: Uncertainty::Subsets {
        most_features: MANY_COVARIANCES,
    },
    score: |clouds| {
        let of = || frechet_distance(clouds.real, clouds.fake, clouds.dim);
        clouds.have(2).then(of)
    },
};

/// `d²` of two clouds, which is W2² if both are Gaussian. Covariances are unbiased (n − 1).
///
/// The estimate is biased upwards by an amount that falls as 1/n: compare it only at equal n, and
/// with the distance between data and other data, about [`Moments::expected_distance`]; or
/// extrapolate it, by [`extrapolated_frechet_distance`](crate::extrapolated_frechet_distance). It
/// takes about `dim³` operations; covariances need not have full rank (n ≤ dim is fine).
///
/// # Shapes
/// - x: `[n, dim]`, y: `[m, dim]`, row-major
///
/// # Panics
/// If a cloud has fewer than two points, or a value is not finite.
pub fn frechet_distance(x: &[f32], y: &[f32], dim: usize) -> f64 {
    assert!(
        x.iter().chain(y).all(|value| value.is_finite()),
        "features are finite"
    );
    Moments::of(x, dim).frechet_distance(&Moments::of(y, dim))
}

#[cfg(test)]
mod tests {
    use super::*;
    use nalgebra::DVector;
    use pyroclast_core::noise::{Noise, Stream};

    /// The points `±a_i·v_i` for orthogonal `v_i`: covariance
    /// `Σ 2·a_i²/(2d − 1)·v_i·v_iᵀ`, exactly.
    fn along(axes: &[&[f32]], scales: &[f32]) -> Vec<f32> {
        let point = |sign: f32, axis: &[f32], a: f32| axis.iter().map(|v| sign * a * v).collect();
        (axes.iter().zip(scales))
            .flat_map(|(axis, &a)| [point(1.0, axis, a), point(-1.0, axis, a)])
            .flat_map(|point: Vec<f32>| point)
            .collect()
    }

    fn normals(n: usize, dim: usize, step: u64) -> Vec<f32> {
        Noise::new(6).draws(Stream::Metric, step).normals(n * dim)
    }

    #[test]
    fn covariances_that_commute_differ_by_their_roots() {
        // Σ(√λ_i − √μ_i)², for the axes and for axes rotated by the angle of a 3-4-5 triangle.
        let (first, second) = ([1.0_f32, 3.0], [2.0_f32, 0.5]);
        for (axes, length) in [
            ([&[1.0_f32, 0.0][..], &[0.0, 1.0]], 1.0_f64),
            ([&[3.0, 4.0], &[-4.0, 3.0]], 5.0),
        ] {
            let got = frechet_distance(&along(&axes, &first), &along(&axes, &second), 2);
            let squares = first.iter().zip(&second).map(|(a, b)| (a - b).powi(2));
            let expected = f64::from(squares.sum::<f32>()) * length.powi(2) * 2.0 / 3.0;
            assert!((got / expected - 1.0).abs() < 1e-12, "{got} {expected}");
        }
    }

    #[test]
    fn in_one_dimension_means_and_deviations_differ() {
        let x = normals(50, 1, 0);
        let y: Vec<f32> = normals(70, 1, 1).iter().map(|v| 3.0 * v + 2.0).collect();
        let moments = |x: &[f32]| {
            let n = x.len() as f64;
            let mean = x.iter().map(|v| f64::from(*v)).sum::<f64>() / n;
            let squares: f64 = x.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum();
            (mean, (squares / (n - 1.0)).sqrt())
        };
        let ((m1, s1), (m2, s2)) = (moments(&x), moments(&y));
        let expected = (m1 - m2).powi(2) + (s1 - s2).powi(2);
        assert!((frechet_distance(&x, &y, 1) / expected - 1.0).abs() < 1e-12);
    }

    #[test]
    fn in_the_plane_the_trace_of_the_root_has_a_closed_form() {
        // tr A^{½} = √(tr A + 2·√det A) for 2×2; the eigenvalues of Σ1^{½}·Σ2·Σ1^{½} are those of
        // Σ1·Σ2, which do not commute here.
        let rotated = |x: Vec<f32>, [a, b, c, d]: [f32; 4]| -> Vec<f32> {
            x.chunks_exact(2)
                .flat_map(|p| [a * p[0] + b * p[1], c * p[0] + d * p[1]])
                .collect()
        };
        let x = rotated(normals(40, 2, 2), [2.0, 1.0, 0.0, 0.5]);
        let y = rotated(normals(60, 2, 3), [1.0, 0.0, -2.0, 1.0]);
        let (p, q) = (Moments::of(&x, 2), Moments::of(&y, 2));
        let product = &p.covariance * &q.covariance;
        let determinant = product[(0, 0)] * product[(1, 1)] - product[(0, 1)] * product[(1, 0)];
        let overlap = (product.trace() + 2.0 * determinant.sqrt()).sqrt();
        let expected =
            (p.mean - q.mean).norm_squared() + p.covariance.trace() + q.covariance.trace()
                - 2.0 * overlap;
        let got = frechet_distance(&x, &y, 2);
        assert!((got / expected - 1.0).abs() < 1e-12, "{got} {expected}");
        assert!((got / frechet_distance(&y, &x, 2) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_shift_counts_by_its_square_and_equal_clouds_are_at_zero() {
        // A cloud of several blocks, and one with fewer points than dimensions. An eigenvalue that
        // is off by ε·λ² has a root off by at most √ε·λ, so d² is off by 2·√ε·tr Σ.
        for (n, dim) in [(3000, 3), (4, 10)] {
            // On a grid, so that the shift is exact.
            let grid = |v: &f32| (v * 1024.0).round() / 1024.0;
            let x: Vec<f32> = normals(n, dim, 4).iter().map(grid).collect();
            let y: Vec<f32> = x.iter().map(|v| v + 2.0).collect();
            let bound = 2.0 * f64::EPSILON.sqrt() * Moments::of(&x, dim).covariance.trace();
            assert!(frechet_distance(&x, &x, dim) <= 1e-8);
            let expected = 4.0 * dim as f64;
            assert!((frechet_distance(&x, &y, dim) - expected).abs() < bound);
        }
    }

    #[test]
    fn covariances_of_rank_one_have_a_closed_form() {
        // Two points per cloud: Σ1 = u·uᵀ and Σ2 = v·vᵀ, so d² = ‖Δμ‖² + ‖u‖² + ‖v‖² − 2·|u·v|.
        let dim = 10;
        let (x, y) = (normals(2, dim, 5), normals(2, dim, 6));
        let rows = |z: &[f32]| {
            let row = |i: usize| {
                DVector::from_iterator(dim, z[i * dim..][..dim].iter().map(|&v| f64::from(v)))
            };
            let (a, b) = (row(0), row(1));
            ((&a + &b) * 0.5, (a - b) * 0.5_f64.sqrt())
        };
        let ((m1, u), (m2, v)) = (rows(&x), rows(&y));
        let expected =
            (m1 - m2).norm_squared() + u.norm_squared() + v.norm_squared() - 2.0 * u.dot(&v).abs();
        let got = frechet_distance(&x, &y, dim);
        let bound = 2.0 * f64::EPSILON.sqrt() * expected;
        assert!((got - expected).abs() < bound, "{got} {expected}");
    }

    #[test]
    #[should_panic(expected = "features are finite")]
    fn an_infinite_feature_panics() {
        let _ = frechet_distance(&[0.0, 1.0], &[0.0, f32::INFINITY], 1);
    }
}
