//! The metrics that compare two clouds of features, each in a file of its own.
//!
//! `score(φ(real), φ(fake))`, with φ the features of a classifier

use crate::clouds::Clouds;
use crate::estimate::Estimate;
use crate::interval::Interval;
use crate::subsets::{subset_interval, subset_scores};

/// The list of files, each with its metrics in the order in which reports list them.
macro_rules! feature_metrics {
    ($($file:ident: $($METRIC:ident),+;)*) => {
        $(mod $file;)*
        $(pub use $file::*;)*

        /// Every metric of features, in the order in which reports list them.
        ///
        /// ```
        /// use pyroclast_metrics::{Clouds, FEATURE_METRICS};
        ///
        /// let (real, fake) = ([0.0, 1.0, 2.0, 3.0], [10.0, 11.0, 12.0, 13.0]);
        /// let clouds = Clouds::new(&real, &fake, 1);
        /// let scores = FEATURE_METRICS.map(|metric| (metric.key, (metric.score)(&clouds)));
        /// assert!(scores[0].0 == "frechet" && (scores[0].1.unwrap() - 100.0).abs() < 1e-9);
        /// assert!(scores.contains(&("precision", Some(0.0))));
        /// assert!(scores.contains(&("coverage", None))); // which needs six points
        /// ```
        pub const FEATURE_METRICS: [FeatureMetric; [$($(stringify!($METRIC)),+),*].len()] =
            [$($($file::$METRIC),+),*];
    };
}

feature_metrics! {
    frechet: FRECHET;
    frechet_extrapolated: EXTRAPOLATED;
    kernel_distance: KERNEL;
    precision_recall: PRECISION, RECALL;
    density_coverage: DENSITY, COVERAGE;
}

/// The most features whose covariances are taken and compared for many subsets: it takes `dim³`
/// operations for each.
pub(crate) const MANY_COVARIANCES: usize = 512;

/// A score of one cloud of features against another.
#[derive(Debug, Clone, Copy)]
pub struct FeatureMetric {
    /// Its key in JSON.
    pub key: &'static str,
    /// Its label in a table.
    pub name: &'static str,
    /// The key of the score that real data reaches against other real data, where that is reported.
    pub floor_key: Option<&'static str>,
    /// Where the interval of its score comes from.
    pub uncertainty: Uncertainty,
    /// The score of samples against real data; `None` if there are too few points for it.
    pub score: fn(&Clouds<'_>) -> Option<f64>,
}

/// Where the interval of a score of one pair of clouds comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uncertainty {
    /// From the scores of disjoint subsets: [`subset_scores`].
    Subsets {
        /// There is none for more features, since scores of so many take long.
        most_features: usize,
    },
    /// From the scores of random subsets, if the clouds are large enough for them
    /// ([`kernel_distance()`]), and else of disjoint ones.
    RandomSubsets,
    /// The score is a share of the samples: [`Interval::of_share`].
    ShareOfSamples,
    /// The score is a share of the data: [`Interval::of_share`].
    ShareOfData,
}

impl FeatureMetric {
    /// The score with its interval, if the clouds are large enough for them.
    pub fn estimate(&self, clouds: &Clouds<'_>) -> Option<Estimate> {
        let value = (self.score)(clouds)?;
        let interval = self.interval(clouds, value);
        Some(Estimate { value, interval })
    }

    /// The interval of its score of two clouds, if they are large enough for one.
    pub fn interval(&self, clouds: &Clouds<'_>, value: f64) -> Option<Interval> {
        let [n, m] = clouds.sizes();
        match self.uncertainty {
            Uncertainty::ShareOfSamples => Some(Interval::of_share(value, m)),
            Uncertainty::ShareOfData => Some(Interval::of_share(value, n)),
            Uncertainty::Subsets { most_features } => {
                (clouds.dim <= most_features).then(|| self.disjoint(clouds, value))?
            }
            Uncertainty::RandomSubsets => {
                let random = clouds.kernel_distances()?.interval();
                random.or_else(|| self.disjoint(clouds, value))
            }
        }
    }

    /// The interval from disjoint subsets.
    fn disjoint(&self, clouds: &Clouds<'_>, value: f64) -> Option<Interval> {
        let dim = clouds.dim;
        let of = |x: &[f32], y: &[f32]| (self.score)(&Clouds::new(x, y, dim));
        subset_interval(value, &subset_scores(clouds.real, clouds.fake, dim, of)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pyroclast_core::noise::{Noise, Stream};

    #[test]
    fn keys_differ_and_few_points_have_a_score_or_none() {
        let mut keys: Vec<&str> = Vec::new();
        for metric in FEATURE_METRICS {
            keys.push(metric.key);
            keys.extend(metric.floor_key);
            for n in 1..12 {
                let cloud: Vec<f32> = (0..n).map(|i| i as f32).collect();
                let score = (metric.score)(&Clouds::new(&cloud, &cloud, 1));
                assert!(score.is_none_or(f64::is_finite), "{} {n}", metric.key);
                assert!(n < 6 || metric.key == EXTRAPOLATED.key || score.is_some());
            }
        }
        let n = keys.len();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), n);
    }

    #[test]
    fn every_score_of_a_large_cloud_has_an_interval_that_contains_it() {
        let mut draws = Noise::new(13).draws(Stream::Metric, 0);
        let (x, y) = (draws.normals(1200), draws.normals(1200));
        let clouds = Clouds::new(&x, &y, 3);
        for metric in FEATURE_METRICS {
            let Estimate { value, interval } = metric.estimate(&clouds).expect("400 points");
            let interval = interval.expect("400 points");
            assert!(interval.contains(value), "{}: {interval:?}", metric.key);
            assert!(interval.low < interval.high, "{}", metric.key);
        }
    }
}
