//! Entropic optimal transport between two clouds of equal size and weight.
//!
//! `π = argmin Σ π_ij·c_ij + ε·Σ π_ij·ln π_ij` over `Σⱼ π_ij = Σᵢ π_ij = 1/n`;
//! `π_ij = exp((fᵢ + gⱼ − c_ij)/ε)`
//!
//! Rows and columns are brought to their marginals in turn (Sinkhorn & Knopp 1967; Cuturi 2013,
//! "Sinkhorn distances"), and by Newton's method once that has become slow. It starts at a large ε
//! and lowers it by degrees, so that f and g are nearly right when a small one is reached
//! (ε-scaling: Schmitzer 2019, §3.2).
//!
//! With a finite λ the marginals may be missed, at the price `λ·[KL(π1‖1/n) + KL(πᵀ1‖1/n)]`, and
//! the entropy is relative to the independent plan `1/n²`: unbalanced transport.

use super::cost::squared_distances;
use super::entropic::EntropicCoupling;
use super::newton::Newton;
use super::scaling::Scaling;

/// The first ε against the range of the costs, and from one ε to the next smaller one.
const OPENING: f64 = 0.1;
const COOLING: f64 = 0.1;
/// The marginal error at which an intermediate ε is left.
const PASSING_ERROR: f64 = 1e-2;
/// Steps or sweeps after which it is left in any case.
const PASSING_ITERATIONS: usize = 100;
/// From one ε to the next where marginals are relaxed, which starts at an ε as large as the range.
const SLOW_COOLING: f64 = 0.25;

/// The solver of entropic optimal transport, with its stopping rule.
///
/// ```
/// use pyroclast_core::coupling::Sinkhorn;
///
/// let coupling = Sinkhorn::new(0.5).couple(&[0.0, 1.0, 1.0, 0.0], 2);
/// let diagonal = 0.5 / (1.0 + (-1.0_f64 / 0.5).exp());
/// assert!((coupling.row(0)[0] - diagonal).abs() < 1e-12);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sinkhorn {
    /// The regularisation ε, in units of the cost.
    pub epsilon: f64,
    /// λ, the price of missing the marginals, in units of the cost; infinite for marginals that
    /// hold.
    ///
    /// `min Σ π_ij·c_ij + ε·KL(π‖1/n²) + λ·[KL(Σⱼ π_ij‖1/n) + KL(Σᵢ π_ij‖1/n)]`, with
    /// `KL(p‖q) = Σ p·ln(p/q) − p + q`. A pair whose cost is far above 2λ has hardly any mass:
    /// giving up both of its points is cheaper.
    ///
    /// Source: Chizat et al. 2018, "Scaling algorithms for unbalanced optimal transport problems".
    pub lambda: f64,
    /// It stops where `Σⱼ |Σᵢ π_ij − 1/n|` is at most this, with exact rows. With a finite λ it
    /// stops where a sweep changes the rows' shares of the mass by no more.
    pub tolerance: f64,
    /// It stops after this many steps, sweeps or Newton's, at the last ε.
    pub iterations: usize,
}

impl Sinkhorn {
    /// A tolerance of 1e-9 and at most 1000 iterations.
    ///
    /// With marginals that hold it takes a few steps for each power of ten that ε is below the
    /// costs, and more where parts of the plan hang together by next to nothing. With relaxed ones
    /// the sweeps grow as ε falls. If the limit comes first,
    /// [`EntropicCoupling::marginal_error`] says by how much the marginals are missed.
    pub fn new(epsilon: f64) -> Self {
        Self {
            epsilon,
            lambda: f64::INFINITY,
            tolerance: 1e-9,
            iterations: 1000,
        }
    }

    /// The same for marginals that may be missed at the price λ: unbalanced transport.
    #[must_use]
    pub fn unbalanced(self, lambda: f64) -> Self {
        Self { lambda, ..self }
    }

    /// The coupling of two clouds under the squared Euclidean cost.
    ///
    /// # Shapes
    /// - x0, x1: `[n, dim]`, row-major
    ///
    /// # Panics
    /// If the clouds are not of the same whole number of points or not finite, or as
    /// [`Sinkhorn::couple`].
    pub fn couple_points(&self, x0: &[f32], x1: &[f32], dim: usize) -> EntropicCoupling {
        self.solve(squared_distances(x0, x1, dim), x0.len() / dim)
    }

    /// The coupling under given costs.
    ///
    /// Rows have their marginal to rounding, whenever it stops;
    /// [`EntropicCoupling::marginal_error`] is the error of the columns. An ε below 2⁻⁵² of the
    /// range of the costs is raised to it: doubles cannot distinguish such costs. With a finite λ,
    /// `c` more on every cost makes every mass `e^{−c/(2λ + ε)}` as large.
    ///
    /// # Shapes
    /// - cost: `[n, n]`, row-major
    ///
    /// # Panics
    /// If there are not `n·n` costs, their range is not finite, ε is not positive and finite, or λ
    /// is not positive.
    pub fn couple(&self, cost: &[f64], n: usize) -> EntropicCoupling {
        self.solve(cost.to_vec(), n)
    }

    /// The same of costs that are not needed any more.
    pub(super) fn solve(&self, mut cost: Vec<f64>, n: usize) -> EntropicCoupling {
        assert_eq!(cost.len(), n * n, "the cost matrix is not {n} by {n}");
        assert!(
            self.epsilon > 0.0 && self.epsilon.is_finite(),
            "ε = {}; give a positive number",
            self.epsilon
        );
        assert!(
            self.lambda > 0.0,
            "λ = {}; give a positive number",
            self.lambda
        );
        if n == 0 {
            return EntropicCoupling::new(Vec::new(), 0, 0);
        }
        assert!(
            cost.iter().all(|c| c.is_finite()),
            "a cost is NaN or infinite"
        );
        // The same amount off every cost changes no shape of a plan.
        let least = cost.iter().copied().fold(f64::INFINITY, f64::min);
        cost.iter_mut().for_each(|cost| *cost -= least);
        let range = cost.iter().copied().fold(0.0, f64::max);
        assert!(range.is_finite(), "the costs differ by more than a double");
        let epsilon = (self.epsilon.max(f64::EPSILON * range)).max(f64::MIN_POSITIVE);

        let (mass, iterations) = if self.lambda.is_finite() {
            let (mut mass, iterations) = self.relaxed(&cost, n, epsilon, range);
            let of_least = libm::exp(-least / (2.0 * self.lambda + epsilon));
            mass.iter_mut().for_each(|mass| *mass *= of_least);
            (mass, iterations)
        } else {
            self.balanced(&cost, n, epsilon, range)
        };
        EntropicCoupling::new(mass, n, iterations)
    }

    /// The plan whose marginals hold, and the steps that it took.
    fn balanced(&self, cost: &[f64], n: usize, epsilon: f64, range: f64) -> (Vec<f64>, usize) {
        let mut passing = epsilon.max(OPENING * range);
        let mut newton = Newton::new(cost, n, passing);
        let mut iterations = 0;
        let mut approach = |newton: &mut Newton<'_>, tolerance, limit| {
            let mut done = 0;
            while newton.error() > tolerance && done < limit {
                newton.step();
                done += 1;
            }
            iterations += done;
        };
        while passing > epsilon {
            approach(&mut newton, PASSING_ERROR, PASSING_ITERATIONS);
            passing = epsilon.max(COOLING * passing);
            newton.cool(passing);
        }
        approach(&mut newton, self.tolerance, self.iterations);
        (newton.into_mass(), iterations)
    }

    /// The plan whose marginals may be missed, up to the factor of the least cost, and the sweeps
    /// that it took.
    fn relaxed(&self, cost: &[f64], n: usize, epsilon: f64, range: f64) -> (Vec<f64>, usize) {
        let mut passing = epsilon.max(range);
        let mut scaling = Scaling::new(cost, n, passing, self.lambda);
        let mut iterations = 0;
        while passing > epsilon {
            iterations += scaling.sweep(PASSING_ERROR, PASSING_ITERATIONS);
            passing = epsilon.max(SLOW_COOLING * passing);
            scaling.cool(passing);
        }
        iterations += scaling.sweep(self.tolerance, self.iterations);
        (scaling.into_mass(), iterations)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assignment::assign;
    use crate::noise::{Draws, Noise, Stream};

    fn draws(step: u64) -> Draws {
        Noise::new(17).draws(Stream::Metric, step)
    }

    fn clouds(n: usize, dim: usize) -> [Vec<f32>; 2] {
        let [x0, mut x1] = [0, 1].map(|step| draws(step).normals(n * dim));
        for (i, point) in x1.chunks_mut(dim).enumerate() {
            point[0] += [-2.0, 2.0][i % 2];
        }
        [x0, x1]
    }

    fn patient(epsilon: f64) -> Sinkhorn {
        Sinkhorn {
            iterations: 100_000,
            ..Sinkhorn::new(epsilon)
        }
    }

    fn columns(coupling: &EntropicCoupling) -> Vec<f64> {
        let n = coupling.len();
        let column = |j: usize| (0..n).map(|i| coupling.row(i)[j]).sum();
        (0..n).map(column).collect()
    }

    #[test]
    fn two_points_have_the_closed_form() {
        let coupling = Sinkhorn::new(0.5).couple(&[0.0, 1.0, 1.0, 0.0], 2);
        let diagonal = 0.440_398_539_0;
        for (i, j) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let expected = if i == j { diagonal } else { 0.5 - diagonal };
            assert!((coupling.row(i)[j] - expected).abs() < 1e-10);
        }
        let total: f64 = columns(&coupling).iter().sum();
        assert!((total - 1.0).abs() < 1e-15);
    }

    #[test]
    fn costs_of_a_row_or_column_change_nothing() {
        let n = 6;
        let cost = draws(5).normals_f64(n * n);
        let lifted: Vec<f64> = (0..n * n)
            .map(|k| cost[k] + 100.0 * (k / n) as f64 - 300.0 * (k % n) as f64)
            .collect();
        let exact = Sinkhorn {
            tolerance: 1e-14,
            ..patient(0.5)
        };
        let (plain, lifted) = (exact.couple(&cost, n), exact.couple(&lifted, n));
        for i in 0..n {
            for (a, b) in plain.row(i).iter().zip(lifted.row(i)) {
                // Exponents of up to 4000 are rounded by 5e-13, and so are masses of up to 1/6,
                // each by its share.
                assert!((a - b).abs() < 1e-11, "{a} {b}");
            }
        }
    }

    /// Marginals and cross ratios together have one solution, so these two hold the coupling fast.
    #[test]
    fn both_marginals_hold() {
        for (n, dim, epsilon) in [(1, 2, 0.5), (16, 1, 0.2), (64, 2, 0.5), (100, 3, 1.0)] {
            let [x0, x1] = clouds(n, dim);
            let coupling = patient(epsilon).couple_points(&x0, &x1, dim);
            let share = 1.0 / n as f64;
            let rows: Vec<f64> = (0..n).map(|i| coupling.row(i).iter().sum()).collect();
            let off = |sums: &[f64]| sums.iter().map(|sum| (sum - share).abs()).sum::<f64>();
            let (rows, columns) = (off(&rows), off(&columns(&coupling)));
            assert!(rows < 1e-14, "rows are off by {rows}");
            assert!(columns <= 1e-9, "columns are off by {columns}");
            assert!((coupling.marginal_error - rows - columns).abs() < 1e-14);
        }
    }

    #[test]
    fn cross_ratios_are_those_of_the_gibbs_kernel() {
        let (n, epsilon) = (24, 0.7);
        let [x0, x1] = clouds(n, 2);
        let cost = squared_distances(&x0, &x1, 2);
        let coupling = patient(epsilon).couple(&cost, n);
        let log = |i: usize, j: usize| coupling.row(i)[j].ln();
        let c = |i: usize, j: usize| cost[i * n + j] / epsilon;
        for i in 1..n {
            for j in 1..n {
                let found = log(0, 0) + log(i, j) - log(0, j) - log(i, 0);
                let expected = c(0, j) + c(i, 0) - c(0, 0) - c(i, j);
                assert!((found - expected).abs() < 1e-11, "{found} {expected}");
            }
        }
    }

    #[test]
    fn without_regularisation_it_is_the_optimal_permutation() {
        // Permutations of whole costs differ by Δ ≥ 1/n in π·c. With ε = Δ/60, all but e^(1 + 2 ln
        // n − 60) of the mass is on the best one where it is the only one (Weed 2018); 1e-9 is what
        // the marginals are held to.
        let mut random = draws(9);
        for case in 0..20 {
            let n = 2 + case % 4;
            let favoured = random.permutation(n);
            // Off the favoured permutation every row costs more, so it alone is best; the lifts
            // keep rows from finding it alone.
            let lift: Vec<usize> = (0..n).map(|_| random.below(20)).collect();
            let cost: Vec<f64> = (0..n * n)
                .map(|k| {
                    let more = usize::from(favoured[k / n] != k % n) * (1 + random.below(3));
                    (lift[k % n] + more) as f64
                })
                .collect();
            let single: Vec<f32> = cost.iter().map(|&c| c as f32).collect();
            assert_eq!(assign(&single, n), favoured);
            let coupling = patient(1.0 / (60 * n) as f64).couple(&cost, n);
            for (i, &j) in favoured.iter().enumerate() {
                let mass = coupling.row(i)[j];
                assert!((mass - 1.0 / n as f64).abs() < 2e-9, "case {case}: {mass}");
            }
        }
    }

    #[test]
    fn with_much_regularisation_pairs_are_independent() {
        let n = 12;
        let [x0, x1] = clouds(n, 2);
        let cost = squared_distances(&x0, &x1, 2);
        let range = cost.iter().copied().fold(0.0, f64::max);
        for ratio in [0.1, 1e-3, 1e-6] {
            let coupling = patient(range / ratio).couple(&cost, n);
            // Cross ratios are within e^±2r of 1 for costs of range rε; summed over rows and
            // columns, so is n²·π.
            let bound = (2.0 * ratio).exp_m1() + 1e-9 * (n * n) as f64;
            for mass in (0..n).flat_map(|i| coupling.row(i)) {
                let excess = (n * n) as f64 * mass - 1.0;
                assert!(excess.abs() <= bound, "{excess} at ratio {ratio}");
            }
        }
    }

    #[test]
    fn pairs_follow_the_coupling() {
        let (n, steps) = (5, 20_000_u64);
        let [x0, x1] = clouds(n, 2);
        let coupling = patient(8.0).couple_points(&x0, &x1, 2);
        let mut counts = vec![0_u32; n * n];
        for step in 0..steps {
            let mut draws = Noise::new(2).draws(Stream::Coupling, step);
            for (i, j) in coupling.pairs(&mut draws) {
                counts[i * n + j] += 1;
            }
        }
        for (k, &count) in counts.iter().enumerate() {
            let p = n as f64 * coupling.row(k / n)[k % n];
            let bound = 5.0 * (p * (1.0 - p) / steps as f64).sqrt();
            let frequency = f64::from(count) / steps as f64;
            assert!((frequency - p).abs() < bound, "{frequency} against {p}");
        }
    }

    #[test]
    fn the_number_of_threads_changes_no_bit() {
        let n = 1100;
        let [x0, x1] = clouds(n, 2);
        let sinkhorn = Sinkhorn {
            iterations: 5,
            ..Sinkhorn::new(2.0)
        };
        let [one, three] = [1, 3].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            let pool = pool.expect("threads can be started");
            pool.install(|| sinkhorn.couple_points(&x0, &x1, 2))
        });
        assert_eq!(one, three);
    }

    #[test]
    fn any_positive_epsilon_gives_finite_masses_and_exact_rows() {
        let n = 30;
        let [x0, x1] = clouds(n, 2);
        for epsilon in [f64::MIN_POSITIVE, 1e-12, 1e-4, 1e4, 1e300] {
            let coupling = Sinkhorn::new(epsilon).couple_points(&x0, &x1, 2);
            for i in 0..n {
                let sum: f64 = coupling.row(i).iter().sum();
                assert!(
                    (sum * n as f64 - 1.0).abs() < 1e-13,
                    "{sum} at ε = {epsilon}"
                );
            }
        }
    }

    #[test]
    fn it_stops_at_its_limit() {
        let [x0, x1] = clouds(40, 2);
        let at = |iterations| {
            let sinkhorn = Sinkhorn {
                iterations,
                ..Sinkhorn::new(0.01)
            };
            sinkhorn.couple_points(&x0, &x1, 2)
        };
        let (short, long) = (at(1), at(3));
        assert_eq!(long.iterations - short.iterations, 2);
        assert!(long.marginal_error < short.marginal_error);
    }

    /// Sweeps alone would take many thousands.
    #[test]
    fn few_steps_reach_a_small_error_at_a_small_regularisation() {
        for case in 0..6 {
            for (n, epsilon) in [
                (30, 1e-5),
                (100, 1e-3),
                (60, 1e-8),
                (150, 0.02),
                (40, 1e-12),
            ] {
                let [x0, x1] = [0, 1].map(|side| draws(100 + 2 * case + side).normals(2 * n));
                let coupling = Sinkhorn::new(epsilon).couple_points(&x0, &x1, 2);
                let (error, steps) = (coupling.marginal_error, coupling.iterations);
                assert!(error < 1e-9, "{error} at ε = {epsilon}");
                assert!(steps < 80, "{steps} steps at ε = {epsilon}");
            }
        }
    }

    /// A far point, whose column is nothing to any row until it has a price.
    #[test]
    fn outliers_have_their_share() {
        let [x0, mut x1] = clouds(50, 2);
        x1[0] = 300.0;
        let coupling = Sinkhorn::new(0.02).couple_points(&x0, &x1, 2);
        assert!(
            coupling.marginal_error < 1e-9,
            "{}",
            coupling.marginal_error
        );
    }

    #[test]
    #[should_panic(expected = "not 3 by 3")]
    fn a_matrix_that_is_not_square_is_refused() {
        Sinkhorn::new(1.0).couple(&[0.0; 8], 3);
    }

    #[test]
    #[should_panic(expected = "ε = 0; give a positive number")]
    fn no_regularisation_is_refused() {
        Sinkhorn::new(0.0).couple(&[0.0], 1);
    }

    #[test]
    #[should_panic(expected = "NaN or infinite")]
    fn a_cost_that_is_not_a_number_is_refused() {
        Sinkhorn::new(1.0).couple(&[f64::NAN], 1);
    }

    fn relaxed(epsilon: f64, lambda: f64) -> Sinkhorn {
        Sinkhorn {
            tolerance: 1e-15,
            ..patient(epsilon).unbalanced(lambda)
        }
    }

    #[track_caller]
    fn near(found: f64, expected: f64, bound: f64) {
        assert!((found - expected).abs() < bound, "{found} {expected}");
    }

    /// Two methods: Newton's and sweeps.
    #[test]
    fn marginals_at_any_price_are_those_of_the_balanced_plan() {
        for (n, epsilon) in [(48, 1.0), (30, 0.2)] {
            let [x0, x1] = clouds(n, 2);
            let exact = Sinkhorn {
                tolerance: 1e-13,
                ..patient(epsilon)
            };
            let balanced = exact.couple_points(&x0, &x1, 2);
            let dear = exact.unbalanced(1e12).couple_points(&x0, &x1, 2);
            for i in 0..n {
                for (a, b) in balanced.row(i).iter().zip(dear.row(i)) {
                    near(*a, *b, 1e-11);
                }
            }
        }
    }

    #[test]
    fn two_points_with_relaxed_marginals_have_the_closed_form() {
        // By symmetry p³·(2(1 + 1/e))² = ¼ for the diagonal p.
        let coupling = relaxed(1.0, 1.0).couple(&[0.0, 1.0, 1.0, 0.0], 2);
        let [diagonal, off] = [0.322_053_574_849_071_7, 0.118_476_889_142_741_8];
        for (i, j) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let expected = if i == j { diagonal } else { off };
            near(coupling.row(i)[j], expected, 1e-14);
        }
        near(coupling.total(), 2.0 * (diagonal + off), 1e-14);
    }

    /// Some measure the entropy against the reference 1, not `1/n²`: `ε·ln n²` less on every cost.
    #[test]
    fn two_points_have_the_closed_form_of_another_reference_too() {
        let lift = 4.0_f64.ln();
        let coupling = relaxed(1.0, 1.0).couple(&[-lift, 1.0 - lift, 1.0 - lift, -lift], 2);
        for (i, j) in [(0, 0), (1, 1)] {
            near(coupling.row(i)[j], 0.511_228_183_505_535_7, 1e-14);
        }
    }

    /// Weights of (.2, .5, .3) and (.6, .4) as ten points each: points at one place share what is
    /// one point's.
    #[test]
    fn unequal_weights_have_the_masses_of_an_independent_solver() {
        let costs = [[0.0, 2.0], [1.0, 0.5], [3.0, 0.1]];
        let rows = [0, 0, 1, 1, 1, 1, 1, 2, 2, 2];
        let cost = |k: usize| costs[rows[k / 10]][usize::from(k % 10 >= 6)];
        let cost: Vec<f64> = (0..100).map(cost).collect();
        let coupling = relaxed(0.1, 0.5).couple(&cost, 10);
        let mut places = [[0.0; 2]; 3];
        for (i, place) in rows.into_iter().enumerate() {
            for (j, mass) in coupling.row(i).iter().enumerate() {
                places[place][usize::from(j >= 6)] += mass;
            }
        }
        near(places[0][0], 0.301_715_986_001_630_2, 1e-10);
        near(places[0][1], 2.4e-11, 1e-12);
        near(places[1][0], 0.029_033_752_649_375_5, 1e-10);
        near(places[1][1], 0.166_794_972_948_083, 1e-10);
        near(places[2][0], 0.0, 1e-10);
        near(places[2][1], 0.222_813_617_260_277, 1e-10);
        near(coupling.total(), 0.720_358_328_884_902, 1e-10);
        let dear = relaxed(0.1, 5.0).couple(&cost, 10);
        near(dear.total(), 0.951_646_694_254_260_4, 1e-10);
    }

    /// The objective is strictly convex: where its gradient is 0, it is solved.
    #[test]
    fn relaxed_plans_have_no_gradient() {
        for (n, dim, epsilon, lambda) in [
            (1, 1, 0.5, 2.0),
            (12, 2, 0.3, 0.7),
            (30, 3, 2.0, 40.0),
            (25, 2, 0.1, 3.0),
        ] {
            let [x0, x1] = clouds(n, dim);
            let cost = squared_distances(&x0, &x1, dim);
            let coupling = relaxed(epsilon, lambda).couple(&cost, n);
            let share = 1.0 / n as f64;
            let columns = columns(&coupling);
            for i in 0..n {
                let row: f64 = coupling.row(i).iter().sum();
                for (j, &mass) in coupling.row(i).iter().enumerate() {
                    let gradient = cost[i * n + j]
                        + epsilon * (mass / (share * share)).ln()
                        + lambda * ((row / share).ln() + (columns[j] / share).ln());
                    // Logarithms of 1e-12, times λ.
                    near(gradient, 0.0, 1e-11 * (1.0 + lambda + cost[i * n + j]));
                }
            }
        }
    }

    #[test]
    fn a_lift_of_all_costs_scales_a_relaxed_plan() {
        let (n, epsilon, lambda, lift) = (16, 0.4, 1.5, 3.0);
        let [x0, x1] = clouds(n, 2);
        let cost = squared_distances(&x0, &x1, 2);
        let lifted: Vec<f64> = cost.iter().map(|c| c + lift).collect();
        let solver = relaxed(epsilon, lambda);
        let (plain, lifted) = (solver.couple(&cost, n), solver.couple(&lifted, n));
        let factor = (-lift / (2.0 * lambda + epsilon)).exp();
        for i in 0..n {
            for (a, b) in plain.row(i).iter().zip(lifted.row(i)) {
                near(*b, factor * a, 1e-13);
            }
        }
    }

    /// Eight points of a scale of 7 at ε = .05, whose unscaled kernel `e^{−c/ε}` sums to 1e-43.
    #[test]
    fn relaxed_plans_do_not_underflow() {
        let x0 = [
            0.0, 0.0, 7.0, 0.0, 0.0, 7.0, 7.0, 7.0, -7.0, 0.0, 0.0, -7.0, 14.0, 3.0, 3.0, -9.0,
        ];
        let x1 = [
            2.0, 1.0, 9.0, -1.0, -2.0, 5.0, 8.0, 10.0, -9.0, 2.0, 1.0, -10.0, 13.0, 7.0, 6.0, -7.0,
        ];
        let coupling = relaxed(0.05, 1.0).couple_points(&x0, &x1, 2);
        // By sweeps in 30 digits.
        near(coupling.total(), 0.036_879_836_512_670_07, 1e-12);
    }

    #[test]
    #[should_panic(expected = "λ = 0; give a positive number")]
    fn marginals_at_no_price_are_refused() {
        Sinkhorn::new(1.0).unbalanced(0.0).couple(&[0.0], 1);
    }
}
