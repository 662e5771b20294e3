//! The classifier two-sample test: can a classifier tell samples from data?
//!
//! `accuracy → ½ + ½·TV` and `AUC = P(s(y) > s(x)) + ½·P(s(y) = s(x))` on held-out points, with the
//! best classifier; its scores s are the shares of samples among the k nearest points
//!
//! Source: Lopez-Paz & Oquab 2017, with their k nearest neighbours, k = ⌊√n⌋. Half of both clouds
//! is known to the classifier, and it is asked for the other half; both halves hold as many samples
//! as data.

use crate::estimate::Estimate;
use crate::interval::{Interval, mean_and_error};
use crate::squared_distance::squared_distance;
use rayon::prelude::*;

/// The most points of each cloud that the classifier sees.
const POINTS: usize = 2000;

/// How well a classifier tells samples from data.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TwoSample {
    /// The share of held-out points that are classified correctly: ½ if samples and data cannot be
    /// told apart.
    pub accuracy: Estimate,
    /// The area under the curve of true against false positives, the probability that a held-out
    /// sample looks more like a sample than a held-out point of the data does; with the interval
    /// of DeLong et al. 1988.
    pub auc: Estimate,
}

/// Trains and asks the classifier. If there are more than 2000 points of a cloud, as many of them
/// are taken, spread evenly.
///
/// # Shapes
/// - data, samples: `[n, dim]` and `[m, dim]`, row-major
///
/// # Panics
/// If a cloud has fewer than two points.
pub fn two_sample(data: &[f32], samples: &[f32], dim: usize) -> TwoSample {
    let kept = [data, samples].map(|cloud| cloud.len() / dim);
    let n = kept[0].min(kept[1]).min(POINTS);
    assert!(n > 1, "one point to learn from and one to be asked for");
    let (data, samples) = (spread(data, dim, n), spread(samples, dim, n));
    let known: Vec<(&[f32], bool)> = (data.iter().zip(&samples).step_by(2))
        .flat_map(|(real, fake)| [(*real, false), (*fake, true)])
        .collect();
    // An odd number has no ties.
    let k = (known.len().isqrt() | 1).min(known.len());
    let score = |point: &[f32]| {
        let mut near: Vec<(f64, bool)> = (known.iter())
            .map(|&(other, is_sample)| (squared_distance(point, other), is_sample))
            .collect();
        near.select_nth_unstable_by(k - 1, |a, b| a.0.total_cmp(&b.0));
        near[..k].iter().filter(|(_, is_sample)| *is_sample).count()
    };
    let scores = |cloud: &[&[f32]]| -> Vec<usize> {
        let asked: Vec<&[f32]> = cloud.iter().skip(1).step_by(2).copied().collect();
        asked.into_par_iter().map(score).collect()
    };
    let (of_data, of_samples) = (scores(&data), scores(&samples));
    let right = of_data.iter().filter(|&&votes| 2 * votes <= k).count()
        + of_samples.iter().filter(|&&votes| 2 * votes > k).count();
    let asked = of_data.len() + of_samples.len();
    let (auc, error) = area(&of_data, &of_samples);
    let interval = |error| {
        let Interval { low, high } = Interval::around(auc, error, asked - 2);
        Interval {
            low: low.max(0.0),
            high: high.min(1.0),
        }
    };
    TwoSample {
        accuracy: Estimate::share(right as f64 / asked as f64, asked),
        auc: Estimate {
            value: auc,
            interval: error.map(interval),
        },
    }
}

/// `n` points of a cloud, spread evenly.
fn spread(cloud: &[f32], dim: usize, n: usize) -> Vec<&[f32]> {
    let points = cloud.len() / dim;
    let row = |i: usize| &cloud[i * points / n * dim..][..dim];
    (0..n).map(row).collect()
}

/// The area under the curve, and its standard error if there are two scores of each kind.
///
/// `P(s > r) + ½·P(s = r)` over all pairs of a negative score r and a positive one s; the error is
/// that of the means of its two projections (DeLong et al. 1988, eq. 5).
fn area(negative: &[usize], positive: &[usize]) -> (f64, Option<f64>) {
    // The share of `others` below a score, and half of those equal to it.
    let below = |of: &[usize], others: &[usize]| -> Vec<f64> {
        let mut others = others.to_vec();
        others.sort_unstable();
        let place = |&score: &usize| {
            let less = others.partition_point(|&other| other < score);
            let at_most = others.partition_point(|&other| other <= score);
            (less + at_most) as f64 / 2.0 / others.len() as f64
        };
        of.iter().map(place).collect()
    };
    let [of_positive, of_negative] = [below(positive, negative), below(negative, positive)];
    let area = of_positive.iter().sum::<f64>() / of_positive.len() as f64;
    let errors = [of_positive, of_negative].map(|values| mean_and_error(&values));
    let square = |found: Option<(f64, f64)>| found.map(|(_, error)| error * error);
    let [a, b] = errors.map(square);
    (area, a.zip(b).map(|(a, b)| (a + b).sqrt()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use pyroclast_core::noise::{Noise, Stream};

    /// Φ, the distribution function of N(0, 1).
    fn phi(x: f64) -> f64 {
        (1.0 + libm::erf(x / 2.0_f64.sqrt())) / 2.0
    }

    #[test]
    fn gaussians_apart_are_told_apart_as_well_as_can_be() {
        // N(0, 1) against N(1, 1): the best classifier cuts at ½.
        let (best, area) = (phi(0.5), phi(0.5_f64.sqrt()));
        assert!((best - 0.691_462_461_274_013).abs() < 1e-14, "{best}");
        assert!((area - 0.760_249_938_906_523_3).abs() < 1e-14, "{area}");
        let mut draws = Noise::new(18).draws(Stream::Metric, 0);
        let x = draws.normals(2000);
        let y: Vec<f32> = draws.normals(2000).iter().map(|v| v + 1.0).collect();
        let found = two_sample(&x, &y, 1);
        // Five standard errors of a share of 2000; 45 neighbours miss a hundredth of the best.
        let gap = 5.0 * (best * (1.0 - best) / 2000.0).sqrt();
        assert!((found.accuracy.value - best).abs() < gap, "{found:?}");
        assert!((found.auc.value - area).abs() < gap, "{found:?}");
        for found in [found.accuracy, found.auc] {
            let interval = found.interval.expect("many points");
            assert!(interval.contains(found.value), "{found:?}");
            assert!(interval.high - interval.low < 0.05, "{found:?}");
        }
    }

    #[test]
    fn intervals_of_equal_distributions_contain_one_half() {
        let contained = (0..100).filter(|&k| {
            let mut draws = Noise::new(19).draws(Stream::Metric, k);
            let (x, y) = (draws.normals(400), draws.normals(400));
            let found = two_sample(&x, &y, 2);
            found.auc.interval.expect("many points").contains(0.5)
        });
        // 95 of 100 on average, with a standard deviation of 2.2.
        let contained = contained.count();
        assert!(contained >= 84, "{contained}");
    }

    #[test]
    fn an_area_counts_ties_by_half() {
        // Of the pairs (1, 1), (1, 3), (2, 1), (2, 3) two are in order, and one is a tie.
        let (found, error) = area(&[1, 2], &[1, 3]);
        assert_eq!(found, 2.5 / 4.0);
        // Projections ¼ and 1 of one, ¼ and ½ of the other: √((9/32 + 1/32)/2).
        assert!((error.expect("two of each") - (5.0_f64 / 32.0).sqrt()).abs() < 1e-15);
        assert_eq!(area(&[1], &[2]), (1.0, None));
    }

    #[test]
    fn two_points_are_enough_and_clouds_may_differ_in_size() {
        let found = two_sample(&[0.0, 0.1, 0.2], &[9.0, 9.1], 1);
        assert_eq!((found.accuracy.value, found.auc.value), (1.0, 1.0));
        assert_eq!(found.auc.interval, None);
        let x: Vec<f32> = (0..5000).map(|i| (i % 7) as f32).collect();
        let found = two_sample(&x, &[50.0; 60], 1);
        assert_eq!((found.accuracy.value, found.auc.value), (1.0, 1.0));
    }
}
