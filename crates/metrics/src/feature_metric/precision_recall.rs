//! Precision and recall of samples, from balls around features.
//!
//! `precision = |{y : ∃x, ‖y − x‖ ≤ r_k(x)}|/m`, `recall = |{x : ∃y, ‖x − y‖ ≤ r_k(y)}|/n`, with x
//! real, y fake, and `r_k` the distance to the k-th nearest other point of the same cloud
//!
//! Source: Kynkäänniemi et al. 2019, eqs. 1 and 2. Precision is the share of samples that look like
//! data; recall is the share of the data that the samples cover.

use crate::feature_metric::FeatureMetric;
use crate::squared_distance::squared_distance;
use rayon::prelude::*;

/// The number of neighbours k that Kynkäänniemi et al. 2019 recommend.
pub const NEIGHBOURS: usize = 3;

pub(crate) const PRECISION: FeatureMetric = FeatureMetric {
    key: "precision",
    name: "precision",
    floor_key: None,
    min_points: NEIGHBOURS + 1,
    score: |real, fake, dim| covered(fake, real, dim, NEIGHBOURS),
};

pub(crate) const RECALL: FeatureMetric = FeatureMetric {
    key: "recall",
    name: "recall",
    floor_key: None,
    min_points: NEIGHBOURS + 1,
    score: |real, fake, dim| covered(real, fake, dim, NEIGHBOURS),
};

/// Precision and recall, both in [0, 1].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PrecisionRecall {
    /// The share of samples inside the data's balls.
    pub precision: f64,
    /// The share of the data inside the samples' balls.
    pub recall: f64,
}

/// Precision and recall of `fake` points against `real` ones, with balls that reach the `k`-th
/// nearest neighbour.
///
/// It takes `(n + m)²·dim` operations, and memory for one number per point.
///
/// # Shapes
/// - real: `[n, dim]`, fake: `[m, dim]`, row-major
///
/// # Panics
/// If `k` is 0, or a cloud has `k` points or fewer.
pub fn precision_recall(real: &[f32], fake: &[f32], dim: usize, k: usize) -> PrecisionRecall {
    PrecisionRecall {
        precision: covered(fake, real, dim, k),
        recall: covered(real, fake, dim, k),
    }
}

/// The share of `points` inside the balls around `centres`.
fn covered(points: &[f32], centres: &[f32], dim: usize, k: usize) -> f64 {
    let radii = squared_radii(centres, dim, k);
    let is_covered = |point: &[f32]| {
        (centres.chunks_exact(dim).zip(&radii))
            .any(|(centre, &radius)| squared_distance(point, centre) <= radius)
    };
    let inside = points
        .par_chunks_exact(dim)
        .filter(|point| is_covered(point))
        .count();
    inside as f64 / (points.len() / dim) as f64
}

/// `r_k²` of each point.
fn squared_radii(cloud: &[f32], dim: usize, k: usize) -> Vec<f64> {
    let n = cloud.len() / dim;
    assert!(
        0 < k && k < n,
        "a {k}-th neighbour needs more than {k} points, not {n}"
    );
    let radius = |(i, point): (usize, &[f32])| {
        let mut nearest = vec![f64::INFINITY; k];
        for (j, other) in cloud.chunks_exact(dim).enumerate() {
            let distance = squared_distance(point, other);
            if i != j && distance < nearest[k - 1] {
                let place = nearest.partition_point(|&d| d <= distance);
                nearest[place..].rotate_right(1);
                nearest[place] = distance;
            }
        }
        nearest[k - 1]
    };
    cloud
        .par_chunks_exact(dim)
        .enumerate()
        .map(radius)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use pyroclast_core::noise::{Noise, Stream};

    fn cloud(n: usize, centre: f32, step: u64) -> Vec<f32> {
        let draws = Noise::new(9).draws(Stream::Metric, step).normals(n * 2);
        draws.iter().map(|v| v + centre).collect()
    }

    fn of(real: &[f32], fake: &[f32]) -> (f64, f64) {
        let found = precision_recall(real, fake, 2, NEIGHBOURS);
        (found.precision, found.recall)
    }

    #[test]
    fn equal_clouds_have_both_and_far_ones_neither() {
        let (x, y) = (cloud(100, 0.0, 0), cloud(80, 1e3, 1));
        assert_eq!(of(&x, &x), (1.0, 1.0));
        assert_eq!(of(&x, &y), (0.0, 0.0));
        // Points that coincide have balls of radius 0, which contain them.
        assert_eq!(of(&[2.0; 10], &[2.0; 10]), (1.0, 1.0));
    }

    #[test]
    fn one_of_two_modes_is_precise_and_recalls_half() {
        let (near, far) = (cloud(60, 0.0, 2), cloud(60, 1e3, 3));
        let both = [near.as_slice(), &far].concat();
        assert_eq!(of(&both, &near), (1.0, 0.5));
        assert_eq!(of(&near, &both), (0.5, 1.0));
    }

    #[test]
    fn radii_reach_to_the_kth_other_point() {
        // On a line at 0, 1, 3, 7, 7.
        let line = [0.0, 1.0, 3.0, 7.0, 7.0];
        assert_eq!(squared_radii(&line, 1, 1), [1.0, 1.0, 4.0, 0.0, 0.0]);
        assert_eq!(squared_radii(&line, 1, 2), [9.0, 4.0, 9.0, 16.0, 16.0]);
        assert_eq!(squared_radii(&line, 1, 4), [49.0, 36.0, 16.0, 49.0, 49.0]);
        // At k = 1 the balls around 0, 2 and −1 have radii 1, 2 and 1: 2.5 and 4 are in
        // the second, 5 is in none.
        let found = precision_recall(&[0.0, 2.0, -1.0], &[2.5, 4.0, 5.0], 1, 1);
        assert!((found.precision - 2.0 / 3.0).abs() < 1e-15);
        // Radii 1.5, 1 and 1 around 2.5, 4 and 5: of the data only 2 is near enough.
        assert!((found.recall - 1.0 / 3.0).abs() < 1e-15);
    }

    #[test]
    #[should_panic(expected = "a 3-th neighbour needs more than 3 points, not 2")]
    fn too_few_points_panic() {
        let _ = of(&[0.0; 4], &[0.0; 8]);
    }
}
