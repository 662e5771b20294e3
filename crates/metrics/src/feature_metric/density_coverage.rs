//! Density and coverage of samples, from balls around features of the data.
//!
//! `density = Σ_j |{i : ‖y_j − x_i‖ ≤ r_k(x_i)}|/(k·m)`,
//! `coverage = |{i : ∃j, ‖y_j − x_i‖ ≤ r_k(x_i)}|/n`, with x real, y fake, and `r_k` the distance
//! to the k-th nearest other real point
//!
//! Source: Naeem et al. 2020, eqs. 3 and 4. Both have balls around the data alone, so that samples
//! far out do not make them larger, and density counts how many balls hold a sample, so that the
//! ball of a single outlier of the data counts for little. Density can exceed 1.

use crate::feature_metric::{FeatureMetric, Uncertainty};
use crate::neighbours::{DENSITY_NEIGHBOURS, Neighbours, share};

pub(crate) const DENSITY: FeatureMetric = FeatureMetric {
    key: "density",
    name: "density",
    floor_key: None,
    uncertainty: Uncertainty::Subsets {
        most_features: usize::MAX,
    },
    score: |clouds| {
        let found = clouds.neighbours(DENSITY_NEIGHBOURS)?;
        Some(density(found, DENSITY_NEIGHBOURS))
    },
};

pub(crate) const COVERAGE: FeatureMetric = FeatureMetric {
    key: "coverage",
    name: "coverage",
    floor_key: None,
    uncertainty: Uncertainty::ShareOfData,
    score: |clouds| Some(share(&clouds.neighbours(DENSITY_NEIGHBOURS)?.covered)),
};

/// Density, at least 0, and coverage, in [0, 1].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DensityCoverage {
    /// The mean number of the data's balls around a sample, in units of k: 1 for equal
    /// distributions.
    pub density: f64,
    /// The share of the data whose balls hold a sample: [`expected_coverage`] for equal
    /// distributions.
    pub coverage: f64,
}

/// Density and coverage of `fake` points against `real` ones, with balls that reach the `k`-th
/// nearest neighbour.
///
/// It takes `(n² + m² + nm)·dim` operations, and memory for a few numbers per point.
///
/// # Shapes
/// - real: `[n, dim]`, fake: `[m, dim]`, row-major
///
/// # Panics
/// If `k` is 0, or a cloud has `k` points or fewer.
pub fn density_coverage(real: &[f32], fake: &[f32], dim: usize, k: usize) -> DensityCoverage {
    let found = Neighbours::with(real, fake, dim, [k, k]);
    DensityCoverage {
        density: density(&found, k),
        coverage: share(&found.covered),
    }
}

fn density(found: &Neighbours, k: usize) -> f64 {
    let balls: u64 = found.density.iter().map(|&balls| u64::from(balls)).sum();
    balls as f64 / (k * found.density.len()) as f64
}

/// The expected coverage of `n` points by `m` others of the same distribution, whatever it is:
/// `1 − Π_{j=1}^{k} (n − j)/(n + m − j)`.
///
/// Source: Naeem et al. 2020, lemma 2: a point is not covered if its k nearest of all the others
/// are real.
///
/// Ranges: n and m at least 1.
pub fn expected_coverage(n: usize, m: usize, k: usize) -> f64 {
    let missed = (1..=k).map(|j| n.saturating_sub(j) as f64 / (n + m).saturating_sub(j) as f64);
    1.0 - missed.product::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::precision_recall;
    use pyroclast_core::noise::{Noise, Stream};

    #[test]
    fn an_outlier_makes_far_samples_precise_but_not_dense() {
        let real = [0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 3.0, 3.0];
        let fake = [0.2, 0.1, 0.9, 0.2, 5.0, 5.0, 2.0, 2.0];
        let found = precision_recall(&real, &fake, 2, 1);
        assert_eq!((found.precision, found.recall), (1.0, 0.75));
        let found = density_coverage(&real, &fake, 2, 1);
        assert_eq!((found.density, found.coverage), (2.0, 1.0));
    }

    #[test]
    fn equal_distributions_have_density_one_and_the_expected_coverage() {
        let expected = expected_coverage(1000, 1000, 5);
        assert!((expected - 0.968_984_140_038_212).abs() < 1e-14);
        // 20 clouds of three dimensions. Coverage is a mean of 1000 indicators, each of deviation
        // .173, and neighbours do not correlate enough to double that of the mean.
        let found: Vec<DensityCoverage> = (0..20)
            .map(|k| {
                let mut draws = Noise::new(12).draws(Stream::Metric, k);
                let (x, y) = (draws.normals(3000), draws.normals(3000));
                density_coverage(&x, &y, 3, 5)
            })
            .collect();
        let mean = |of: fn(&DensityCoverage) -> f64| found.iter().map(of).sum::<f64>() / 20.0;
        let got = mean(|found| found.coverage);
        let bound = 5.0 * 2.0 * (expected * (1.0 - expected) / 20_000.0).sqrt();
        assert!((got - expected).abs() < bound, "{got}");
        let spread = crate::Spread::of(&found.iter().map(|f| f.density).collect::<Vec<_>>());
        let error = spread.std.expect("several") / 20.0_f64.sqrt();
        let gap = (spread.mean - 1.0).abs();
        assert!(gap < 5.0 * error && error < 0.01, "{spread:?}");
    }
}
