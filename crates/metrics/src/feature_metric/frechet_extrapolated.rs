//! The Fréchet distance extrapolated to infinitely many points.
//!
//! `d²(n) = d²_∞ + b/n + …`, with `d²_∞` the intercept of a line fitted to the distances between
//! subsets of n/k points over k = 1, …, K
//!
//! Source: Chong & Forsyth 2020, §3, where it is called FID∞. Their subsets are random and of the
//! samples alone; here both clouds are cut into k disjoint parts, whose distances are averaged, so
//! that all points count alike and the error of the data is extrapolated too.

use crate::clouds::Clouds;
use crate::feature_metric::frechet::frechet_distance;
use crate::feature_metric::{FeatureMetric, MANY_COVARIANCES, Uncertainty};
use crate::subsets::{part, shuffled};

/// The most parts of a cloud: 1 + 2 + … + 5 are fifteen distances, as many as in the paper.
const PARTS: usize = 5;
/// The fewest points per feature of a part: with fewer, d² is no straight line in 1/n.
const POINTS_PER_FEATURE: usize = 4;

pub(crate) const EXTRAPOLATED: FeatureMetric = FeatureMetric {
    key: "frechet_extrapolated",
    name: "Fréchet distance as n → ∞",
    floor_key: None,
    uncertainty: Uncertainty::Subsets {
        most_features: MANY_COVARIANCES,
    },
    score: |clouds| extrapolated_frechet_distance(clouds.real, clouds.fake, clouds.dim),
};

/// `d²_∞` of two clouds: 0 on average for equal distributions, so it can be negative.
///
/// `None` if it cannot be had: it takes clouds of 8 points or more per feature, and features no
/// more than 512.
///
/// # Shapes
/// - x: `[n, dim]`, y: `[m, dim]`, row-major
///
/// # Panics
/// If a value is not finite.
pub fn extrapolated_frechet_distance(x: &[f32], y: &[f32], dim: usize) -> Option<f64> {
    let clouds = Clouds::new(x, y, dim);
    let least = clouds.sizes().into_iter().min()?;
    let parts = PARTS.min(least / (POINTS_PER_FEATURE * dim).max(2));
    if parts < 2 || dim > MANY_COVARIANCES {
        return None;
    }
    let sizes = clouds.sizes();
    let (x, y) = (shuffled(x, dim), shuffled(y, dim));
    let mean_of = |k: usize| {
        let distance = |i: usize| {
            let [a, b] = sizes.map(|n| part(i, k, n));
            let rows = |rows: std::ops::Range<usize>| rows.start * dim..rows.end * dim;
            frechet_distance(&x[rows(a)], &y[rows(b)], dim)
        };
        (0..k).map(distance).sum::<f64>() / k as f64
    };
    let line: Vec<(f64, f64)> = (1..=parts).map(|k| (k as f64, mean_of(k))).collect();
    Some(intercept(&line))
}

/// The value at 0 of the line of least squares.
fn intercept(points: &[(f64, f64)]) -> f64 {
    let n = points.len() as f64;
    let mean_x = points.iter().map(|(x, _)| x).sum::<f64>() / n;
    let mean_y = points.iter().map(|(_, y)| y).sum::<f64>() / n;
    let squares: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    let products: f64 = points.iter().map(|(x, y)| (x - mean_x) * y).sum();
    mean_y - products / squares * mean_x
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Moments, Spread};
    use pyroclast_core::noise::{Noise, Stream};

    #[test]
    fn a_line_meets_the_axis_where_it_does() {
        let at = |k: i32| (f64::from(k), 7.0 - 0.5 * f64::from(k));
        let line: Vec<(f64, f64)> = (1..=4).map(at).collect();
        assert!((intercept(&line) - 7.0).abs() < 1e-13);
    }

    #[test]
    fn the_bias_of_finite_samples_is_gone() {
        // N(0, I) against N(m, I) in eight dimensions, d² = ‖m‖² = .5: 60 pairs of 400 points.
        let (dim, n, pairs) = (8, 400, 60);
        let shift = (0.5_f32 / dim as f32).sqrt();
        let clouds: Vec<[Vec<f32>; 2]> = (0..pairs)
            .map(|k| {
                let mut draws = Noise::new(16).draws(Stream::Metric, k);
                let x = draws.normals(n * dim);
                let y = draws.normals(n * dim);
                [x, y.iter().map(|v| v + shift).collect()]
            })
            .collect();
        let spread = |of: &dyn Fn(&[f32], &[f32]) -> f64| {
            let values: Vec<f64> = clouds.iter().map(|[x, y]| of(x, y)).collect();
            Spread::of(&values)
        };
        let plain = spread(&|x, y| frechet_distance(x, y, dim));
        let found = spread(&|x, y| extrapolated_frechet_distance(x, y, dim).expect("enough"));
        let error = |spread: &Spread| spread.std.expect("several pairs") / (pairs as f64).sqrt();
        let bias = Moments::of(&clouds[0][0], dim).expected_distance(n, n);
        assert!(bias > 5.0 * error(&plain), "{bias}");
        assert!((plain.mean - 0.5 - bias).abs() < 5.0 * error(&plain), "{plain:?}");
        assert!((found.mean - 0.5).abs() < 5.0 * error(&found), "{found:?}");
        // The price of the extrapolation is a third more scatter at most.
        assert!(error(&found) < 1.33 * error(&plain), "{found:?} {plain:?}");
    }

    #[test]
    fn too_few_points_or_too_many_features_have_none() {
        let x = vec![0.5; 4096];
        assert_eq!(extrapolated_frechet_distance(&x[..15], &x, 1), Some(0.0));
        assert_eq!(extrapolated_frechet_distance(&x[..7], &x, 1), None);
        assert_eq!(extrapolated_frechet_distance(&x, &x, 1024), None);
    }
}
