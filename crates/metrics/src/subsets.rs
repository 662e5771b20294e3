//! The interval of a score of two clouds, from disjoint subsets of both.
//!
//! `d(x, y) ± t_{.975, B−1}·s/√B`, with s the standard deviation of the scores of B pairs of
//! subsets of n/B points each
//!
//! Source: Politis & Romano 1994. The error of a score with a central limit theorem falls as 1/√n,
//! so that of n points is s/√B; W2 has one (del Barrio & Loubes 2019), and so have the Fréchet
//! distance and the other distances here. Subsets are scored without repeated points, so their
//! scores scatter as fresh samples' do. What a score is biased by at n points the interval does not
//! tell: the score of a perfect sampler does. Between equal distributions the error of an unbiased
//! score, such as KID, falls as 1/n, and its interval is wider than it need be.

use crate::interval::{Interval, mean_and_error};
use pyroclast_core::noise::{Noise, Stream};
use std::ops::Range;

/// The number of subsets.
pub const SUBSETS: usize = 10;
/// The fewest points of a subset.
const FEWEST: usize = 20;

/// The points of a cloud in an order that has nothing to do with the one that they came in, such as
/// that of their classes. It is the same for all clouds of a size.
///
/// # Shapes
/// - cloud: `[n, dim]`, row-major; the result: the same
pub(crate) fn shuffled(cloud: &[f32], dim: usize) -> Vec<f32> {
    let n = cloud.len() / dim;
    let order = Noise::new(0).draws(Stream::Metric, n as u64).permutation(n);
    let row = |i: usize| cloud[i * dim..(i + 1) * dim].iter().copied();
    order.into_iter().flat_map(row).collect()
}

/// The rows of the i-th of `parts` disjoint subsets of one size.
pub(crate) fn part(i: usize, parts: usize, n: usize) -> Range<usize> {
    let size = n / parts;
    i * size..(i + 1) * size
}

/// Calls `score` with [`SUBSETS`] pairs of disjoint subsets of two clouds; `None` if they have
/// fewer than 20 points each, or some pair has no score.
///
/// # Shapes
/// - x: `[n, dim]`, y: `[m, dim]`, row-major
pub fn subset_scores(
    x: &[f32],
    y: &[f32],
    dim: usize,
    score: impl Fn(&[f32], &[f32]) -> Option<f64>,
) -> Option<Vec<f64>> {
    let sizes = [x.len() / dim, y.len() / dim];
    if sizes.into_iter().any(|n| n / SUBSETS < FEWEST) {
        return None;
    }
    let (x, y) = (shuffled(x, dim), shuffled(y, dim));
    let rows = |i: usize, n: usize| {
        let Range { start, end } = part(i, SUBSETS, n);
        start * dim..end * dim
    };
    (0..SUBSETS)
        .map(|i| score(&x[rows(i, sizes[0])], &y[rows(i, sizes[1])]))
        .collect()
}

/// The interval of `value`, the score of two clouds, whose subsets have these scores.
pub fn subset_interval(value: f64, scores: &[f64]) -> Option<Interval> {
    let (_, error) = mean_and_error(scores)?;
    Some(Interval::around(value, error, scores.len() - 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wasserstein::wasserstein_squared;

    #[test]
    fn subsets_are_disjoint_and_of_one_size() {
        let x: Vec<f32> = (0..205).map(|i| i as f32).collect();
        let mut seen = std::cell::RefCell::new(Vec::new());
        let scores = subset_scores(&x, &x, 1, |a, b| {
            assert_eq!((a.len(), a), (20, b));
            seen.borrow_mut().extend_from_slice(a);
            Some(0.0)
        });
        assert_eq!(scores, Some(vec![0.0; SUBSETS]));
        let seen = seen.get_mut();
        let in_order = seen.is_sorted();
        seen.sort_by(f32::total_cmp);
        seen.dedup();
        assert!(seen.len() == 200 && !in_order);
        assert_eq!(subset_scores(&x[..199], &x, 1, |_, _| Some(0.0)), None);
        assert_eq!(subset_scores(&x, &x, 1, |_, _| None), None);
    }

    #[test]
    fn intervals_cover_the_distance_that_they_estimate() {
        // W2² = 4 between N(0, 1) and N(2, 1), of 400 points each, where its bias is far below its
        // error: of 200 intervals, 190 ± 5√9.5 contain it. A bootstrap's would be moved up.
        let covered = (0..200).filter(|&k| {
            let mut draws = Noise::new(11).draws(Stream::Metric, k);
            let (x, y) = (draws.normals(400), draws.normals(400));
            let y: Vec<f32> = y.iter().map(|v| v + 2.0).collect();
            let score = |x: &[f32], y: &[f32]| Some(wasserstein_squared(x, y, 1));
            let scores = subset_scores(&x, &y, 1, score).expect("enough points");
            let whole = wasserstein_squared(&x, &y, 1);
            let interval = subset_interval(whole, &scores).expect("several subsets");
            interval.contains(4.0)
        });
        let covered = covered.count();
        assert!(covered >= 175, "{covered}");
    }
}
