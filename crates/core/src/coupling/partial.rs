//! Partial optimal transport: the cheapest pairs of a share of the points.
//!
//! `min Σ_{(i, j) ∈ π} ‖x0ᵢ − x1ⱼ‖²` over sets π of `k = m·n` pairs in which no point is twice
//!
//! It is an assignment with `n − k` more rows and columns, which take the points that are left over
//! for nothing and may not take each other.

use super::cost::squared_distances;
use crate::assignment::assign;

/// The pairs of a row of x0 and a row of x1 with the least total squared distance among all sets of
/// `mass·n` pairs, rounded to a whole number of at least 1; in the order of the rows of x0.
///
/// Outliers of either cloud are left over, as far as the mass allows. At a mass of 1 it is optimal
/// transport.
///
/// Source: Chapel, Alaya & Gasso 2020, "Partial optimal transport with applications on
/// positive-unlabeled learning", for the added rows and columns.
///
/// # Shapes
/// - x0, x1: `[n, dim]`, row-major; mass: in (0, 1]
///
/// # Panics
/// If the clouds are not of the same whole number of points, they are not finite with squared
/// distances that fit an `f32`, or the mass is out of range.
pub fn assign_partially(x0: &[f32], x1: &[f32], dim: usize, mass: f64) -> Vec<(usize, usize)> {
    assert!(
        mass > 0.0 && mass <= 1.0,
        "a mass of {mass}; give a share above 0, and at most 1"
    );
    let costs = squared_distances(x0, x1, dim);
    let n = x0.len() / dim;
    if n == 0 {
        return Vec::new();
    }
    let kept = ((mass * n as f64).round() as usize).clamp(1, n);
    cheapest(&costs, n, kept)
}

/// The `kept` pairs of least total cost, for costs of at least 0.
fn cheapest(costs: &[f64], n: usize, kept: usize) -> Vec<(usize, usize)> {
    let most = costs.iter().copied().fold(0.0, f64::max);
    assert!(
        most < f64::from(f32::MAX) / 4.0,
        "squared distances exceed the range of f32"
    );
    // Two added points that take each other, and a pair beside them, cost less if each of the pair
    // takes an added point: any price above 0 forbids it.
    let forbidden = if most > 0.0 { 2.0 * most } else { 1.0 };
    let size = 2 * n - kept;
    let mut table = vec![0.0_f32; size * size];
    for (i, row) in table.chunks_exact_mut(size).enumerate() {
        if i < n {
            for (cell, &cost) in row.iter_mut().zip(&costs[i * n..(i + 1) * n]) {
                *cell = cost as f32;
            }
        } else {
            row[n..].fill(forbidden as f32);
        }
    }
    let columns = assign(&table, size).into_iter().take(n).enumerate();
    columns.filter(|&(_, j)| j < n).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assignment::assign_points;
    use crate::noise::{Noise, Stream};

    fn total(x0: &[f32], x1: &[f32], dim: usize, pairs: &[(usize, usize)]) -> f64 {
        let costs = squared_distances(x0, x1, dim);
        let n = x0.len() / dim;
        pairs.iter().map(|&(i, j)| costs[i * n + j]).sum()
    }

    /// The least total of `left` more pairs with rows from `i` on and columns not in `taken`.
    fn least(costs: &[f64], n: usize, i: usize, left: usize, taken: u32) -> f64 {
        if left == 0 {
            return 0.0;
        }
        if n - i < left {
            return f64::INFINITY;
        }
        let open = (0..n).filter(|j| taken & (1 << j) == 0);
        let paired =
            open.map(|j| costs[i * n + j] + least(costs, n, i + 1, left - 1, taken | (1 << j)));
        paired.fold(least(costs, n, i + 1, left, taken), f64::min)
    }

    #[test]
    fn small_clouds_cost_what_the_best_of_all_sets_of_pairs_costs() {
        let mut draws = Noise::new(4).draws(Stream::Metric, 0);
        for case in 0..90 {
            let (n, dim) = (1 + case % 6, 1 + case % 2);
            // Small whole numbers: sums are exact, and ties are many.
            let mut cloud =
                || -> Vec<f32> { (0..n * dim).map(|_| draws.below(7) as f32).collect() };
            let (x0, x1) = (cloud(), cloud());
            let costs = squared_distances(&x0, &x1, dim);
            for kept in 1..=n {
                let pairs = assign_partially(&x0, &x1, dim, kept as f64 / n as f64);
                assert_eq!(pairs.len(), kept);
                for side in [|p: &(usize, usize)| p.0, |p: &(usize, usize)| p.1] {
                    let mut rows: Vec<usize> = pairs.iter().map(side).collect();
                    rows.sort_unstable();
                    rows.dedup();
                    assert_eq!(rows.len(), kept, "no point is twice");
                }
                let least = least(&costs, n, 0, kept, 0);
                assert_eq!(total(&x0, &x1, dim, &pairs), least, "case {case}, {kept}");
            }
        }
    }

    /// Weights of (.2, .5, .3) and (.6, .4) as ten points each, of which seven are moved.
    #[test]
    fn seven_tenths_of_a_mass_move_for_18_hundredths() {
        let costs = [[0.0, 2.0], [1.0, 0.5], [3.0, 0.1]];
        let rows = [0, 0, 1, 1, 1, 1, 1, 2, 2, 2];
        let cost = |k: usize| costs[rows[k / 10]][usize::from(k % 10 >= 6)];
        let table: Vec<f64> = (0..100).map(cost).collect();
        let pairs = cheapest(&table, 10, 7);
        assert_eq!(pairs.len(), 7);
        let total: f64 = pairs.iter().map(|&(i, j)| table[i * 10 + j] / 10.0).sum();
        assert!((total - 0.18).abs() < 1e-15, "{total}");
    }

    #[test]
    fn at_a_mass_of_one_it_is_optimal_transport() {
        let [x0, x1] = [1, 2].map(|k| Noise::new(4).draws(Stream::Metric, k).normals(120));
        let pairs = assign_partially(&x0, &x1, 2, 1.0);
        let whole: Vec<_> = assign_points(&x0, &x1, 2).into_iter().enumerate().collect();
        assert_eq!(pairs, whole);
    }

    #[test]
    fn outliers_are_left_over() {
        let n = 40;
        let [mut x0, mut x1] =
            [3, 4].map(|k| Noise::new(4).draws(Stream::Metric, k).normals(2 * n));
        for far in 0..4 {
            x0[2 * far] += 50.0;
            x1[2 * (n - 1 - far)] -= 50.0;
        }
        let pairs = assign_partially(&x0, &x1, 2, 0.9);
        assert_eq!(pairs.len(), 36);
        assert!(pairs.iter().all(|&(i, j)| i >= 4 && j < n - 4));
    }

    #[test]
    #[should_panic(expected = "give a share above 0")]
    fn no_mass_is_refused() {
        assign_partially(&[0.0], &[0.0], 1, 0.0);
    }
}
