//! Class-conditional optimal transport:
//! `π = argmin over permutations with y_π(i) = yᵢ of Σᵢ ‖x0ᵢ − x1_π(i)‖²`.
//!
//! Optimal transport of a whole batch gives a source point the data near it, and with it their
//! label: under it, noise and label are dependent, while a sampler draws them independently.
//! Transport within the rows of a label keeps every source point at the label that it came with,
//! which was no part of its draw.

use crate::assignment::assign_points;
use rayon::prelude::*;
use std::collections::BTreeMap;

/// The pairing with the least total squared distance among those that keep the label of every row.
///
/// `π = argmin_π Σᵢ ‖x0ᵢ − x1_π(i)‖²` over the permutations with `y_π(i) = yᵢ`, exact within each
/// class as in [`assign_points`]. Classes are solved in parallel; the result does not depend on the
/// threads.
///
/// Source: Cheng & Schwing 2025, "The curse of conditions" (transport that keeps discrete
/// conditions).
///
/// # Shapes
/// - x0, x1: `[n, dim]`, row-major
/// - labels: `[n]`, of the rows of `x1`
///
/// # Panics
/// As [`assign_points`], and if there is not one label per point.
pub fn assign_within_classes(x0: &[f32], x1: &[f32], dim: usize, labels: &[u32]) -> Vec<usize> {
    assert_eq!(x0.len(), x1.len(), "the clouds differ in size");
    assert_eq!(x0.len(), labels.len() * dim, "one label a point");
    let mut classes = BTreeMap::<u32, Vec<usize>>::new();
    for (i, &label) in labels.iter().enumerate() {
        classes.entry(label).or_default().push(i);
    }
    let classes: Vec<_> = classes.into_values().collect();
    let assigned: Vec<_> = (classes.par_iter())
        .map(|rows| {
            let gather = |x: &[f32]| -> Vec<f32> {
                let point = |&i: &usize| &x[i * dim..(i + 1) * dim];
                rows.iter().flat_map(point).copied().collect()
            };
            assign_points(&gather(x0), &gather(x1), dim)
        })
        .collect();
    let mut pairs = vec![0; labels.len()];
    for (rows, assigned) in classes.iter().zip(assigned) {
        for (&i, j) in rows.iter().zip(assigned) {
            pairs[i] = rows[j];
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::{Draws, Noise, Stream};

    fn draws(step: u64) -> Draws {
        Noise::new(21).draws(Stream::Metric, step)
    }

    fn cost(a: &[f32], b: &[f32]) -> f64 {
        let square = |(a, b): (&f32, &f32)| f64::from(a - b).powi(2);
        a.iter().zip(b).map(square).sum()
    }

    fn total(x0: &[f32], x1: &[f32], dim: usize, pairs: &[usize]) -> f64 {
        let of = |(i, &j): (usize, &usize)| cost(&x0[i * dim..][..dim], &x1[j * dim..][..dim]);
        pairs.iter().enumerate().map(of).sum()
    }

    /// Every permutation of `0..n`, by inserting n − 1 in all places.
    fn permutations(n: usize) -> Vec<Vec<usize>> {
        let Some(last) = n.checked_sub(1) else {
            return vec![Vec::new()];
        };
        let longer = |shorter: Vec<usize>| {
            (0..n).map(move |at| {
                let mut one = shorter.clone();
                one.insert(at, last);
                one
            })
        };
        permutations(last).into_iter().flat_map(longer).collect()
    }

    #[track_caller]
    fn keeps_labels(pairs: &[usize], labels: &[u32]) {
        let mut sorted = pairs.to_vec();
        sorted.sort_unstable();
        assert!(sorted.into_iter().eq(0..labels.len()), "a permutation");
        for (i, &j) in pairs.iter().enumerate() {
            assert_eq!(labels[i], labels[j]);
        }
    }

    #[test]
    fn small_batches_cost_what_the_best_of_all_pairings_that_keep_labels_costs() {
        for case in 0..60 {
            let (n, dim) = (1 + case % 8, 1 + case / 8 % 3);
            let mut draws = draws(case as u64);
            // Small whole numbers: sums are exact, and ties are many.
            let mut cloud =
                || -> Vec<f32> { (0..n * dim).map(|_| draws.below(6) as f32).collect() };
            let (x0, x1) = (cloud(), cloud());
            let labels: Vec<u32> = (0..n).map(|_| 7 * draws.below(3) as u32).collect();
            let pairs = assign_within_classes(&x0, &x1, dim, &labels);
            keeps_labels(&pairs, &labels);
            let allowed =
                |p: &Vec<usize>| p.iter().enumerate().all(|(i, &j)| labels[i] == labels[j]);
            let all = permutations(n);
            let totals = all
                .iter()
                .filter(|p| allowed(p))
                .map(|p| total(&x0, &x1, dim, p));
            let least = totals.fold(f64::INFINITY, f64::min);
            assert_eq!(total(&x0, &x1, dim, &pairs), least, "case {case}");
        }
    }

    #[test]
    fn on_a_line_every_class_is_paired_in_order() {
        let n = 300;
        let (x0, x1) = (draws(0).normals(n), draws(1).normals(n));
        let labels: Vec<u32> = draws(2)
            .uniforms(n)
            .iter()
            .map(|u| (5.0 * u) as u32)
            .collect();
        let pairs = assign_within_classes(&x0, &x1, 1, &labels);
        keeps_labels(&pairs, &labels);
        for a in 0..n {
            for b in 0..n {
                let ordered = x0[a] >= x0[b] || x1[pairs[a]] <= x1[pairs[b]];
                assert!(labels[a] != labels[b] || ordered);
            }
        }
    }

    #[test]
    fn labels_of_their_own_leave_every_row_where_it_is() {
        let (x0, x1) = (draws(3).normals(20), draws(4).normals(20));
        let labels: Vec<u32> = (0..10).rev().collect();
        let pairs = assign_within_classes(&x0, &x1, 2, &labels);
        assert_eq!(pairs, (0..10).collect::<Vec<_>>());
    }

    #[test]
    #[should_panic(expected = "one label a point")]
    fn a_missing_label_is_refused() {
        assign_within_classes(&[0.0; 4], &[0.0; 4], 2, &[1]);
    }
}
