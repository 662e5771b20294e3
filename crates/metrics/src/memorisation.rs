//! Copies of the training data: the distance to its nearest sample.
//!
//! `d(x) = min_i ‖x − x_i‖` over the training data `x_i`
//!
//! Samples that are much closer to the training data than held-out data are copies of it.

use pyroclast_train::dataset::Dataset;
use rayon::prelude::*;

/// The most samples that are searched for, and the fewest.
const ROWS: [usize; 2] = [50, 2000];
/// About the most differences of two numbers that are taken: some ten seconds on one core.
const WORK: usize = 1 << 34;
/// The samples of the training data that are read at once.
const BLOCK: usize = 512;
/// The values of a sample between two looks at whether it can still be the nearest.
const PART: usize = 64;

/// The median over samples of the distance to the nearest sample of the training data.
///
/// All of the training data is searched, for some of the samples if there are many.
///
/// # Shapes
/// - samples: `[n, dim]`, row-major, on the scale of the training data
///
/// # Panics
/// If there is no sample, or samples are of another size.
pub fn nearest_distance(samples: &[f32], training: &Dataset) -> f64 {
    let (dim, records) = (training.dim(), training.len());
    assert!(
        !samples.is_empty() && samples.len().is_multiple_of(dim),
        "samples of {dim} values"
    );
    let n = samples.len() / dim;
    let most = (WORK / (records * dim).max(1)).clamp(ROWS[0], ROWS[1]);
    let kept = n.min(most);
    let mut nearest: Vec<(&[f32], f32)> = (0..kept)
        .map(|i| i * n / kept * dim)
        .map(|at| (&samples[at..at + dim], f32::INFINITY))
        .collect();
    for first in (0..records).step_by(BLOCK) {
        let rows: Vec<usize> = (first..records.min(first + BLOCK)).collect();
        let block = training.gather(&rows);
        nearest.par_iter_mut().for_each(|(sample, least)| {
            for record in block.chunks_exact(dim) {
                *least = squared_distance_below(sample, record, *least);
            }
        });
    }
    let mut distances: Vec<f32> = nearest.into_iter().map(|(_, square)| square).collect();
    distances.sort_by(f32::total_cmp);
    f64::from(distances[kept / 2]).sqrt()
}

/// `min(‖a − b‖², bound)`, which is known as soon as a part of the sum exceeds the bound.
fn squared_distance_below(a: &[f32], b: &[f32], bound: f32) -> f32 {
    let mut sum = 0.0;
    for (a, b) in a.chunks(PART).zip(b.chunks(PART)) {
        // Independent sums: a single one would wait for each addition before the next.
        let mut sums = [0.0; 8];
        let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
        for (a, b) in a.iter().zip(b) {
            for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
                *sum += (a - b) * (a - b);
            }
        }
        let rest = a_rest.iter().zip(b_rest).map(|(a, b)| (a - b) * (a - b));
        sum += sums.iter().sum::<f32>() + rest.sum::<f32>();
        if sum >= bound {
            return bound;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::squared_distance::squared_distance;
    use pyroclast_core::noise::{Noise, Stream};

    fn normals(n: usize, seed: u64) -> Vec<f32> {
        Noise::new(seed).draws(Stream::Metric, 0).normals(n)
    }

    #[test]
    fn the_nearest_is_that_of_a_plain_search() {
        // Parts of a sample that are whole, and a rest.
        for dim in [3, 64, 131] {
            let (samples, records) = (normals(21 * dim, 1), normals(1500 * dim, 2));
            let mut plain: Vec<f64> = (samples.chunks_exact(dim))
                .map(|a| {
                    let squares = records.chunks_exact(dim).map(|b| squared_distance(a, b));
                    squares.fold(f64::INFINITY, f64::min).sqrt()
                })
                .collect();
            plain.sort_by(f64::total_cmp);
            let found = nearest_distance(&samples, &Dataset::rows(&records, dim));
            assert!((found / plain[10] - 1.0).abs() < 1e-5, "{found} {plain:?}");
        }
    }

    #[test]
    fn copies_are_at_distance_zero() {
        let records = normals(600 * 5, 3);
        let training = Dataset::rows(&records, 5);
        assert_eq!(nearest_distance(&records[..500], &training), 0.0);
        assert!(nearest_distance(&normals(500, 4), &training) > 0.1);
    }
}
