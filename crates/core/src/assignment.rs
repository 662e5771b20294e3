//! Exact linear assignment: `min_σ Σ_i c[i, σ(i)]` over the permutations `σ` of `n` columns.
//!
//! Between two clouds of equal size and weight this is discrete optimal transport; with squared
//! Euclidean cost the mean of the minimum is the squared 2-Wasserstein distance.
//!
//! A permutation is optimal if there are column prices `p` under which every row has its best
//! column, `c[i, σ(i)] + p[σ(i)] ≤ c[i, j] + p[j]` for all `i, j`: summed over the rows, this
//! bounds every other permutation. The solver keeps such prices, in `f64`, in two stages:
//!
//! 1. an auction with ε-scaling finds prices and a matching good to a small `ε`
//!    (Bertsekas 1988, *The auction algorithm*, Annals of Operations Research 14), starting from
//!    column reduction;
//! 2. rows not exactly content give up their column, and shortest augmenting paths match them
//!    anew (Jonker & Volgenant 1987, *A shortest augmenting path algorithm for dense and sparse
//!    linear assignment problems*, Computing 38; Crouse 2016, *On implementing 2D rectangular
//!    assignment algorithms*, IEEE TAES 52).
//!
//! While `ε` is large, the auction looks at whole rows in single precision, which a processor does
//! many columns at a time. Exact steps look at a shortlist of about `√n/2` columns per row, together
//! with a bound on all the others, and so need neither whole rows nor a stored table. One thread
//! does all the work: the result depends on nothing but the input.

mod augment;
mod costs;
mod leader;
mod market;
mod shortlist;

use augment::Search;
use costs::{Clouds, Costs, Table};
use market::{FREE, Market};

/// From this dimension on, reading a stored cost is cheaper than computing it once more.
const STORED_DIM: usize = 8;

/// The largest cost table kept for two clouds, in entries (64 MiB).
const STORED_COSTS: usize = 1 << 24;

/// The columns that the rows of a cost matrix take in an assignment of least total cost.
///
/// `σ = argmin_σ Σ_i cost[i, σ(i)]`, returned as `[σ(0), …, σ(n-1)]`; see Jonker & Volgenant 1987
/// and Bertsekas 1988. `cost` is row-major with shape `[n, n]`.
///
/// Sums are formed in `f64`. With the final prices `p`, every row is within
/// `δ = 2⁻⁴⁰ (max|cost| + max|p|)` of its best column, so the total exceeds the minimum by at most
/// `n δ`. Of several optimal permutations the choice is fixed but unspecified.
///
/// Entries that stand for forbidden pairs are best set to `n` times the largest true cost: prices
/// may grow as large as they, and a stand-in like `1e30` can cost the rest its precision.
///
/// # Panics
///
/// If `cost.len() != n * n`, or a cost is NaN or infinite.
pub fn assign(cost: &[f32], n: usize) -> Vec<usize> {
    assert_eq!(cost.len(), n * n, "the cost matrix is not {n} by {n}");
    assert!(is_finite(cost), "a cost is NaN or infinite");
    solve(&Table::new(cost, n)).columns
}

/// The pairing of two clouds of points with the least total squared distance.
///
/// `σ = argmin_σ Σ_i ‖x0[i] − x1[σ(i)]‖²`, returned as `[σ(0), …, σ(n-1)]`: the exact coupling of
/// minibatch optimal transport (Tong et al. 2024). Both clouds have shape `[n, dim]`, row-major.
///
/// In one dimension both clouds are sorted. Otherwise the clouds are centred, which changes the
/// cost of every pairing by the same amount, and solved as in [`assign`] with squared distances
/// rounded to `f32`, about `1e-7` of the squared extent of the clouds. Memory is
/// O(n^1.5 + n · dim), plus 64 MiB at most for costs where `dim ≥ 8`.
///
/// # Panics
///
/// If `dim` is zero, the clouds differ in length, their length is no multiple of `dim`, or they
/// are not finite with squared distances that fit an `f32`.
pub fn assign_points(x0: &[f32], x1: &[f32], dim: usize) -> Vec<usize> {
    assert!(dim > 0, "points need at least one dimension");
    assert_eq!(x0.len(), x1.len(), "the clouds differ in size");
    assert_eq!(
        x0.len() % dim,
        0,
        "the clouds do not consist of points of dimension {dim}"
    );
    assert!(is_finite(x0) && is_finite(x1), "a point is NaN or infinite");
    if dim == 1 {
        return assign_sorted(x0, x1);
    }
    let (x0, x1) = (centred(x0, dim), centred(x1, dim));
    assert!(
        (extent(&x0) + extent(&x1)).powi(2) * (dim as f64) < f64::from(f32::MAX),
        "squared distances exceed the range of f32"
    );
    let n = x0.len() / dim;
    let clouds = Clouds::new(&x0, &x1, dim);
    if dim >= STORED_DIM && n * n <= STORED_COSTS {
        solve(&Table::new(&clouds.table(), n)).columns
    } else {
        solve(&clouds).columns
    }
}

/// A permutation and the column prices that prove it optimal.
struct Solution {
    columns: Vec<usize>,
    prices: Vec<f64>,
}

fn solve<C: Costs>(costs: &C) -> Solution {
    let n = costs.len();
    let mut market = Market::new(costs);
    market.settle();
    let mut search = Search::new(n);
    for i in 0..n {
        if market.column_of[i] == FREE {
            search.augment(&mut market, i);
        }
    }
    let columns = market.column_of.iter().map(|&column| column as usize);
    let solution = Solution {
        columns: columns.collect(),
        prices: market.prices,
    };
    debug_assert!(solution.discontent(costs) <= solution.resolution(costs));
    solution
}

impl Solution {
    /// The most by which the value of a row's own column exceeds that of its best one.
    fn discontent<C: Costs>(&self, costs: &C) -> f64 {
        let mut buffer = Vec::new();
        let gaps = self.columns.iter().enumerate().map(|(i, &own)| {
            let row = costs.row(i, &mut buffer);
            let value = |j: usize| f64::from(row[j]) + self.prices[j];
            value(own) - (0..row.len()).map(value).fold(f64::INFINITY, f64::min)
        });
        gaps.fold(0.0, f64::max)
    }

    /// The discontent that rounding explains: `2⁻⁴⁰ (max|c| + max|p|)`.
    fn resolution<C: Costs>(&self, costs: &C) -> f64 {
        let mut buffer = Vec::new();
        let mut largest = 0.0_f32;
        for i in 0..costs.len() {
            let row = costs.row(i, &mut buffer).iter();
            largest = row.fold(largest, |most, cost| most.max(cost.abs()));
        }
        let prices = self
            .prices
            .iter()
            .fold(0.0_f64, |most, p| most.max(p.abs()));
        (f64::from(largest) + prices) * 2.0_f64.powi(-40)
    }
}

/// Pairs the points of two clouds on a line in order, which is optimal for any convex cost.
fn assign_sorted(x0: &[f32], x1: &[f32]) -> Vec<usize> {
    let order = |x: &[f32]| {
        let mut order: Vec<usize> = (0..x.len()).collect();
        order.sort_by(|&a, &b| x[a].total_cmp(&x[b]));
        order
    };
    let mut columns = vec![0; x0.len()];
    for (i, j) in order(x0).into_iter().zip(order(x1)) {
        columns[i] = j;
    }
    columns
}

/// The cloud moved to mean zero, so that distances keep the precision of its own extent.
fn centred(x: &[f32], dim: usize) -> Vec<f32> {
    let mut mean = vec![0.0_f64; dim];
    let n = (x.len() / dim) as f64;
    for point in x.chunks_exact(dim) {
        for (mean, &x) in mean.iter_mut().zip(point) {
            *mean += f64::from(x) / n;
        }
    }
    let means = mean.iter().cycle();
    x.iter()
        .zip(means)
        .map(|(&x, mean)| (f64::from(x) - mean) as f32)
        .collect()
}

/// The largest absolute coordinate.
fn extent(x: &[f32]) -> f64 {
    f64::from(x.iter().fold(0.0_f32, |most, x| most.max(x.abs())))
}

fn is_finite(x: &[f32]) -> bool {
    x.iter().all(|x| x.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Knuth's 64-bit linear congruential generator.
    struct Lcg(u64);

    impl Lcg {
        fn below(&mut self, end: u32) -> u32 {
            self.0 = self
                .0
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            (((self.0 >> 32) * u64::from(end)) >> 32) as u32
        }

        fn uniform(&mut self) -> f32 {
            self.below(1 << 24) as f32 / (1 << 24) as f32
        }

        /// Nearly normal: the centred sum of twelve uniforms.
        fn normal(&mut self) -> f32 {
            (0..12).map(|_| self.uniform()).sum::<f32>() - 6.0
        }

        fn many(&mut self, len: usize, mut draw: impl FnMut(&mut Self) -> f32) -> Vec<f32> {
            (0..len).map(|_| draw(self)).collect()
        }
    }

    fn total(cost: &[f32], n: usize, columns: &[usize]) -> f64 {
        let entries = columns.iter().enumerate();
        entries.map(|(i, &j)| f64::from(cost[i * n + j])).sum()
    }

    fn squared_distances(x0: &[f32], x1: &[f32], dim: usize) -> Vec<f32> {
        let pairs = x0
            .chunks(dim)
            .flat_map(|a| x1.chunks(dim).map(move |b| (a, b)));
        pairs
            .map(|(a, b)| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum())
            .collect()
    }

    fn is_permutation(columns: &[usize]) -> bool {
        let mut sorted = columns.to_vec();
        sorted.sort_unstable();
        sorted.into_iter().eq(0..columns.len())
    }

    /// The least total over all ways to give the rows from `i` on the columns not in `taken`.
    fn brute_force(cost: &[f32], n: usize, i: usize, taken: u32) -> f64 {
        if i == n {
            return 0.0;
        }
        let open = (0..n).filter(|j| taken & (1 << j) == 0);
        let totals = open
            .map(|j| f64::from(cost[i * n + j]) + brute_force(cost, n, i + 1, taken | (1 << j)));
        totals.fold(f64::INFINITY, f64::min)
    }

    #[track_caller]
    fn check_optimal(cost: &[f32], n: usize) -> Vec<usize> {
        let table = Table::new(cost, n);
        let solution = solve(&table);
        assert!(is_permutation(&solution.columns));
        let gap = solution.discontent(&table);
        assert!(gap <= solution.resolution(&table), "a row could gain {gap}");
        solution.columns
    }

    /// `n` points of eight Gaussians on a circle of radius 5, in equal counts.
    fn eight_gaussians(random: &mut Lcg, n: usize, std: f32) -> Vec<f32> {
        let point = |k: usize| {
            let angle = k as f32 * std::f32::consts::FRAC_PI_4;
            [
                5.0 * angle.cos() + std * random.normal(),
                5.0 * angle.sin() + std * random.normal(),
            ]
        };
        (0..n).flat_map(point).collect()
    }

    #[test]
    fn no_rows_get_no_columns() {
        assert!(assign(&[], 0).is_empty());
        assert!(assign_points(&[], &[], 2).is_empty());
    }

    #[test]
    fn a_single_row_gets_the_only_column() {
        assert_eq!(assign(&[-3.5], 1), [0]);
        assert_eq!(assign_points(&[1.0, 2.0], &[3.0, 4.0], 2), [0]);
    }

    #[test]
    fn two_rows_take_the_cheaper_of_two_pairings() {
        assert_eq!(assign(&[1.0, 2.0, 3.0, 5.0], 2), [1, 0]);
        assert_eq!(assign(&[1.0, 2.0, 3.0, 3.0], 2), [0, 1]);
    }

    #[test]
    fn small_assignments_cost_what_the_best_of_all_permutations_costs() {
        let mut random = Lcg(1);
        for case in 0..600 {
            let n = 1 + case % if case < 12 { 8 } else { 6 };
            let levels = [2, 4, 1 << 20][case % 3];
            let cost = random.many(n * n, |r| r.below(levels) as f32 - levels as f32 / 2.0);
            let columns = assign(&cost, n);
            assert!(is_permutation(&columns));
            assert_eq!(total(&cost, n, &columns), brute_force(&cost, n, 0, 0));
        }
    }

    #[test]
    fn small_clouds_with_duplicates_cost_what_the_best_of_all_pairings_costs() {
        let mut random = Lcg(2);
        for case in 0..200 {
            let (n, dim) = (2 + case % 5, 1 + case % 3);
            let x0 = random.many(n * dim, |r| r.below(3) as f32);
            let x1 = random.many(n * dim, |r| r.below(3) as f32);
            let cost = squared_distances(&x0, &x1, dim);
            let columns = assign_points(&x0, &x1, dim);
            assert!(is_permutation(&columns));
            assert_eq!(total(&cost, n, &columns), brute_force(&cost, n, 0, 0));
        }
    }

    #[test]
    fn points_on_a_line_are_paired_in_order() {
        let mut random = Lcg(3);
        let n = 200;
        let x0 = random.many(n, Lcg::normal);
        let x1 = random.many(n, |r| 2.0 * r.uniform());
        let cost = squared_distances(&x0, &x1, 1);
        let columns = assign_points(&x0, &x1, 1);
        for (a, b) in (0..n).flat_map(|a| (0..n).map(move |b| (a, b))) {
            assert!(x0[a] >= x0[b] || x1[columns[a]] <= x1[columns[b]]);
        }
        let (sorted, solved) = (
            total(&cost, n, &columns),
            total(&cost, n, &assign(&cost, n)),
        );
        assert!((sorted - solved).abs() < 1e-5 * sorted);
    }

    #[test]
    fn equal_costs_give_some_permutation() {
        for n in [2, 63, 64, 65, 300] {
            assert!(is_permutation(&assign(&vec![7.0; n * n], n)));
            assert!(is_permutation(&assign_points(
                &vec![1.5; 2 * n],
                &vec![1.5; 2 * n],
                2
            )));
        }
    }

    #[test]
    fn prices_prove_random_costs_optimal() {
        let mut random = Lcg(4);
        for n in [50, 65, 130, 257] {
            check_optimal(&random.many(n * n, Lcg::uniform), n);
            check_optimal(&random.many(n * n, |r| 1e6 + r.uniform()), n);
            check_optimal(
                &random.many(n * n, |r| (20.0 * r.uniform() - 10.0).exp()),
                n,
            );
        }
    }

    #[test]
    fn prices_prove_costs_with_many_ties_optimal() {
        let mut random = Lcg(5);
        for levels in [2, 3, 10, 1000] {
            let n = 200;
            check_optimal(&random.many(n * n, |r| r.below(levels) as f32), n);
            let x0 = random.many(2 * n, |r| r.below(levels) as f32);
            let x1 = random.many(2 * n, |r| r.below(levels) as f32);
            check_optimal(&squared_distances(&x0, &x1, 2), n);
        }
    }

    #[test]
    fn prices_prove_structured_costs_optimal() {
        let n = 200;
        let table = |c: &dyn Fn(usize, usize) -> f32| -> Vec<f32> {
            (0..n * n).map(|k| c(k / n, k % n)).collect()
        };
        check_optimal(&table(&|i, j| (i * j) as f32), n);
        check_optimal(&table(&|i, j| -((i * j) as f32)), n);
        check_optimal(&table(&|i, j| i as f32 + 0.1 * j as f32), n);
        check_optimal(&table(&|i, j| (i as f32 - 30.0 * j as f32).abs()), n);
        check_optimal(
            &table(&|i, j| {
                if (i + n - j) % n < 3 {
                    (i % 7) as f32
                } else {
                    1e6
                }
            }),
            n,
        );
        check_optimal(
            &table(&|i, j| {
                if i < n / 2 || j < n / 4 {
                    (i * j % 31) as f32
                } else {
                    1e4
                }
            }),
            n,
        );
    }

    #[test]
    fn prices_prove_distances_between_clouds_of_unlike_shape_optimal() {
        let mut random = Lcg(6);
        let n = 400;
        let source = random.many(2 * n, Lcg::normal);
        let targets = [
            eight_gaussians(&mut random, n, 1.0),
            eight_gaussians(&mut random, n, 0.1),
            eight_gaussians(&mut random, n, 0.0),
            random.many(2 * n, |r| 100.0 * r.normal()),
            random.many(2 * n, |r| {
                1e-3 * r.normal() + if r.below(2) == 0 { 0.0 } else { 1e3 }
            }),
            source.iter().rev().copied().collect(),
        ];
        for target in targets {
            check_optimal(&squared_distances(&source, &target, 2), n);
        }
    }

    #[test]
    fn clouds_are_paired_as_well_as_through_their_cost_matrix() {
        let mut random = Lcg(7);
        for (n, dim) in [(30, 2), (150, 2), (150, 3), (333, 2), (100, 8), (129, 17)] {
            let x0 = random.many(n * dim, Lcg::normal);
            let x1 = random.many(n * dim, |r| 2.0 * r.normal() + 1.0);
            let cost = squared_distances(&x0, &x1, dim);
            let (points, matrix) = (assign_points(&x0, &x1, dim), assign(&cost, n));
            assert!(is_permutation(&points));
            let (points, matrix) = (total(&cost, n, &points), total(&cost, n, &matrix));
            assert!(
                (points - matrix).abs() < 1e-6 * matrix,
                "{points} against {matrix}"
            );
        }
    }

    #[test]
    fn a_shuffled_copy_is_paired_with_itself() {
        let mut random = Lcg(8);
        let n = 500;
        let x0 = random.many(2 * n, Lcg::normal);
        let shuffled = |i: usize| (i * 7 + 3) % n;
        let x1: Vec<f32> = (0..2 * n)
            .map(|k| x0[2 * shuffled(k / 2) + k % 2])
            .collect();
        for (i, j) in assign_points(&x0, &x1, 2).into_iter().enumerate() {
            assert_eq!(shuffled(j), i);
        }
    }

    #[test]
    fn a_far_translation_does_not_blur_the_pairing() {
        let mut random = Lcg(9);
        let n = 256;
        // Multiples of 1/64 that a shift by 2048 leaves exact.
        let mut draw = || random.many(2 * n, |r| r.below(512) as f32 / 64.0);
        let (x0, x1) = (draw(), draw());
        let shifted: Vec<f32> = x1.iter().map(|x| x + 2048.0).collect();
        let cost = squared_distances(&x0, &x1, 2);
        let (near, far) = (assign_points(&x0, &x1, 2), assign_points(&x0, &shifted, 2));
        let (near, far) = (total(&cost, n, &near), total(&cost, n, &far));
        assert!((near - far).abs() < 1e-5 * near, "{near} against {far}");
    }

    #[test]
    #[should_panic(expected = "not 3 by 3")]
    fn a_matrix_that_is_not_square_is_refused() {
        assign(&[0.0; 8], 3);
    }

    #[test]
    #[should_panic(expected = "NaN or infinite")]
    fn a_cost_that_is_not_a_number_is_refused() {
        assign(&[0.0, 1.0, f32::NAN, 2.0], 2);
    }

    #[test]
    #[should_panic(expected = "range of f32")]
    fn points_too_far_apart_are_refused() {
        assign_points(&[0.0, 1e25, 0.0, 0.0], &[0.0; 4], 2);
    }
}
