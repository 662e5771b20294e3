//! Precision and recall of samples, from balls around features.
//!
//! `precision = |{y : ∃x, ‖y − x‖ ≤ r_k(x)}|/m`, `recall = |{x : ∃y, ‖x − y‖ ≤ r_k(y)}|/n`, with x
//! real, y fake, and `r_k` the distance to the k-th nearest other point of the same cloud
//!
//! Source: Kynkäänniemi et al. 2019, eqs. 1 and 2. Precision is the share of samples that look like
//! data; recall is the share of the data that the samples cover. An outlier of the data has a large
//! ball, which makes what it holds precise: density counts balls instead.

use crate::feature_metric::{FeatureMetric, Uncertainty};
use crate::neighbours::{NEIGHBOURS, Neighbours, share};

pub(crate) const PRECISION: FeatureMetric = FeatureMetric {
    key: "precision",
    name: "precision",
    floor_key: None,
    uncertainty: Uncertainty::ShareOfSamples,
    score: |clouds| Some(share(&clouds.neighbours(NEIGHBOURS)?.precise)),
};

pub(crate) const RECALL: FeatureMetric = FeatureMetric {
    key: "recall",
    name: "recall",
    floor_key: None,
    uncertainty: Uncertainty::ShareOfData,
    score: |clouds| Some(share(&clouds.neighbours(NEIGHBOURS)?.recalled)),
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
/// It takes `(n² + m² + nm)·dim` operations, and memory for a few numbers per point.
///
/// # Shapes
/// - real: `[n, dim]`, fake: `[m, dim]`, row-major
///
/// # Panics
/// If `k` is 0, or a cloud has `k` points or fewer.
pub fn precision_recall(real: &[f32], fake: &[f32], dim: usize, k: usize) -> PrecisionRecall {
    let found = Neighbours::with(real, fake, dim, [k, k]);
    PrecisionRecall {
        precision: share(&found.precise),
        recall: share(&found.recalled),
    }
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
    fn points_on_a_line_are_counted_by_hand() {
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
