//! The metrics that compare two clouds of features, each in a file of its own.
//!
//! `score(φ(real), φ(fake))`, with φ the features of a classifier

/// The list of files, each with its metrics in the order in which reports list them.
macro_rules! feature_metrics {
    ($($file:ident: $($METRIC:ident),+;)*) => {
        $(mod $file;)*
        $(pub use $file::*;)*

        /// Every metric of features, in the order in which reports list them.
        ///
        /// ```
        /// use pyroclast_metrics::FEATURE_METRICS;
        ///
        /// let (real, fake) = ([0.0, 1.0, 2.0, 3.0], [10.0, 11.0, 12.0, 13.0]);
        /// let scores = FEATURE_METRICS.map(|metric| (metric.key, (metric.score)(&real, &fake, 1)));
        /// assert!(scores[0].0 == "frechet" && (scores[0].1 - 100.0).abs() < 1e-9);
        /// assert_eq!(scores[2], ("precision", 0.0));
        /// ```
        pub const FEATURE_METRICS: [FeatureMetric; [$($(stringify!($METRIC)),+),*].len()] =
            [$($($file::$METRIC),+),*];
    };
}

feature_metrics! {
    frechet: FRECHET;
    kernel_distance: KERNEL;
    precision_recall: PRECISION, RECALL;
}

/// A score of one cloud of features against another.
#[derive(Debug, Clone, Copy)]
pub struct FeatureMetric {
    /// Its key in JSON.
    pub key: &'static str,
    /// Its label in a table.
    pub name: &'static str,
    /// The key of the score that real data reaches against other real data, where that is reported.
    pub floor_key: Option<&'static str>,
    /// The smallest number of points that each cloud must have.
    pub min_points: usize,
    /// The score of `fake` against `real`: `(real, fake, dim)`, both row-major.
    pub score: fn(&[f32], &[f32], usize) -> f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_differ_and_the_smallest_clouds_have_a_score() {
        let mut keys: Vec<&str> = Vec::new();
        for metric in FEATURE_METRICS {
            keys.push(metric.key);
            keys.extend(metric.floor_key);
            let cloud: Vec<f32> = (0..metric.min_points).map(|i| i as f32).collect();
            let score = (metric.score)(&cloud, &cloud, 1);
            assert!(score.is_finite(), "{}: {score}", metric.key);
        }
        let n = keys.len();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), n);
    }
}
