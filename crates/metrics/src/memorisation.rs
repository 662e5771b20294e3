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

/// For each set of samples, the median of their distances to the nearest sample of the training
/// data; `None` for an empty set.
///
/// All of the training data is searched, once for all sets, for some of the samples if there are
/// many.
///
/// # Shapes
/// - sets: each `[n, dim]`, row-major, on the scale of the training data
///
/// # Panics
/// If samples are of another size.
pub fn nearest_distances<const SETS: usize>(
    sets: [&[f32]; SETS],
    training: &Dataset,
) -> [Option<f64>; SETS] {
    let (dim, records) = (training.dim(), training.len());
    let most = (WORK / (records * dim).max(1)).clamp(ROWS[0], ROWS[1]);
    let mut kept = [0; SETS];
    let mut nearest: Vec<(&[f32], f32)> = Vec::new();
    for (samples, kept) in sets.into_iter().zip(&mut kept) {
        assert!(samples.len().is_multiple_of(dim), "samples of {dim} values");
        let n = samples.len() / dim;
        *kept = n.min(most);
        let starts = (0..*kept).map(|i| i * n / *kept * dim);
        nearest.extend(starts.map(|at| (&samples[at..at + dim], f32::INFINITY)));
    }
    for first in (0..records).step_by(BLOCK) {
        let rows: Vec<usize> = (first..records.min(first + BLOCK)).collect();
        let block = training.gather(&rows);
        nearest.par_iter_mut().for_each(|(sample, least)| {
            for record in block.chunks_exact(dim) {
                *least = squared_distance_below(sample, record, *least);
            }
        });
    }
    let mut rest = nearest.as_mut_slice();
    kept.map(|kept| {
        let (own, others) = std::mem::take(&mut rest).split_at_mut(kept);
        rest = others;
        own.sort_by(|(_, a), (_, b)| a.total_cmp(b));
        let (_, square) = own.get(kept / 2)?;
        Some(f64::from(*square).sqrt())
    })
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
            let training = Dataset::rows(&records, dim);
            let found = nearest_distances([&[], &samples, &records], &training);
            assert_eq!((found[0], found[2]), (None, Some(0.0)));
            let found = found[1].expect("samples");
            assert!((found / plain[10] - 1.0).abs() < 1e-5, "{found} {plain:?}");
        }
    }

    #[test]
    fn copies_are_at_distance_zero() {
        let records = normals(600 * 5, 3);
        let training = Dataset::rows(&records, 5);
        let [copies, others] = nearest_distances([&records[..500], &normals(500, 4)], &training);
        assert_eq!(copies, Some(0.0));
        assert!(others.is_some_and(|distance| distance > 0.1));
    }
}
