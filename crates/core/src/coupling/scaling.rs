//! Sinkhorn's iterates for relaxed marginals: `π_ij = uᵢ·vⱼ·K_ij`, `K_ij = exp(aᵢ + bⱼ − c_ij/ε)`.
//!
//! The potentials `a = f/ε` and `b = g/ε` are logarithms, and found by log-sum-exp; no ε is too
//! small for them. Between two such passes the factors u and v change by matrix products with a
//! fixed K, which is the same iteration at a fraction of the cost. Factors that have grown far are
//! absorbed into the potentials.
//!
//! `f = −κε·ln Σⱼ exp((gⱼ − c_ij)/ε)/n` with `κ = λ/(λ + ε)`, and g likewise: with `S = Σⱼ K_ij·vⱼ`
//! the factor is `u = S^−κ·e^{−(1 − κ)a}/n`. A constant in f or g changes all masses by one factor,
//! so that the shape of the plan converges as fast as one whose marginals hold (κ = 1), and the
//! factor is known in closed form.
//!
//! Source: Schmitzer 2019, "Stabilized sparse scaling algorithms for entropy regularized transport
//! problems", §3; Chizat et al. 2018, "Scaling algorithms for unbalanced optimal transport
//! problems".

use rayon::prelude::*;

/// Points from which on a pass over all pairs is longer than waking the threads.
const PARALLEL: usize = 512;
/// Columns that one thread sums: enough for whole cache lines, few enough for many threads.
const COLUMNS: usize = 128;
/// Factors beyond this, or below its inverse, are absorbed. Entries of K below 10⁻³⁰⁸ are 0, and
/// stay negligible until then.
const LARGEST_FACTOR: f64 = 1e40;
/// A row or column of relaxed marginals with less mass than this is left alone: what it would be
/// divided by is rounding.
const NO_MASS: f64 = 1e-290;
/// The most that ε is taken as above λ where the mass of a relaxed plan is computed.
const LARGEST_RATIO: f64 = 1e12;

/// The state of a Sinkhorn iteration: costs, and a distribution on the pairs.
pub(super) struct Scaling<'c> {
    costs: &'c [f64],
    n: usize,
    epsilon: f64,
    lambda: f64,
    row_potentials: Vec<f64>,
    column_potentials: Vec<f64>,
    kernel: Vec<f64>,
    row_factors: Vec<f64>,
    column_factors: Vec<f64>,
    sums: Vec<f64>,
}

impl<'c> Scaling<'c> {
    /// Potentials of 0, then one pass over rows and one over columns. Costs are `[n, n]`, at least
    /// 0, n is not 0, and λ is finite.
    pub(super) fn new(costs: &'c [f64], n: usize, epsilon: f64, lambda: f64) -> Self {
        let mut scaling = Self {
            costs,
            n,
            epsilon,
            lambda,
            row_potentials: vec![0.0; n],
            column_potentials: vec![0.0; n],
            kernel: vec![0.0; n * n],
            row_factors: vec![1.0; n],
            column_factors: vec![1.0; n],
            sums: vec![0.0; n],
        };
        scaling.absorb();
        scaling
    }

    /// Continues with another ε, from the same f and g.
    pub(super) fn cool(&mut self, epsilon: f64) {
        self.fold();
        let ratio = self.epsilon / epsilon;
        let potentials = self.row_potentials.iter_mut();
        for potential in potentials.chain(&mut self.column_potentials) {
            *potential *= ratio;
        }
        self.epsilon = epsilon;
        self.absorb();
    }

    /// Sweeps until the tolerance or the limit; how many it took. Rows come last.
    pub(super) fn sweep(&mut self, tolerance: f64, limit: usize) -> usize {
        let mut done = 0;
        while self.balance_rows() > tolerance && done < limit {
            self.balance_columns();
            done += 1;
        }
        done
    }

    /// κ.
    fn kappa(&self) -> f64 {
        1.0 / (1.0 + self.epsilon / self.lambda)
    }

    /// The best u; returns by how much the rows' shares of the mass change.
    fn balance_rows(&mut self) -> f64 {
        let (n, kernel, factors) = (self.n, &self.kernel, &self.column_factors);
        each(&mut self.sums, |i| {
            dot(&kernel[i * n..(i + 1) * n], factors)
        });
        let (share, kappa) = (1.0 / n as f64, self.kappa());
        let wanted = |(sum, a): (&f64, &f64)| {
            if *sum < NO_MASS {
                0.0
            } else {
                share * libm::exp((1.0 - kappa) * (libm::log(*sum) - a))
            }
        };
        let rows = || self.sums.iter().zip(&self.row_potentials);
        let masses = self.row_factors.iter().zip(&self.sums);
        let before: f64 = masses.map(|(factor, sum)| factor * sum).sum();
        let after: f64 = rows().map(wanted).sum();
        let mut error = 0.0;
        for (factor, row) in self.row_factors.iter_mut().zip(rows()) {
            let (sum, mass) = (*row.0, wanted(row));
            error += (*factor * sum / before - mass / after).abs();
            *factor = if sum < NO_MASS { 1.0 } else { mass / sum };
        }
        error
    }

    /// The best v, then factors that have grown far move into the potentials.
    fn balance_columns(&mut self) {
        let (n, kernel, factors) = (self.n, &self.kernel, &self.row_factors);
        let (kappa, potentials) = (self.kappa(), &self.column_potentials);
        let log_n = libm::log(n as f64);
        by_columns(&mut self.column_factors, |first, sums| {
            sums.fill(0.0);
            for (row, factor) in kernel.chunks_exact(n).zip(factors) {
                for (sum, k) in sums.iter_mut().zip(&row[first..]) {
                    *sum += factor * k;
                }
            }
            for (sum, b) in sums.iter_mut().zip(&potentials[first..]) {
                *sum = if *sum < NO_MASS {
                    1.0
                } else {
                    libm::exp(-log_n - kappa * libm::log(*sum) - (1.0 - kappa) * b)
                };
            }
        });
        let near = 1.0 / LARGEST_FACTOR..LARGEST_FACTOR;
        let mut factors = self.row_factors.iter().chain(&self.column_factors);
        if !factors.all(|factor| near.contains(factor)) {
            self.fold();
            self.absorb();
        }
    }

    /// The distribution: `[n, n]`.
    pub(super) fn into_mass(mut self) -> Vec<f64> {
        let columns = &self.column_factors;
        let rows = self.kernel.chunks_exact_mut(self.n).zip(&self.row_factors);
        for (row, factor) in rows {
            for (k, column) in row.iter_mut().zip(columns) {
                *k *= factor * column;
            }
        }
        let total: f64 = self.kernel.iter().sum();
        let change = self.change_of_mass(total);
        self.kernel.iter_mut().for_each(|mass| *mass *= change);
        self.kernel
    }

    /// The factor by which all masses are off, where they sum to `total`.
    ///
    /// At the solution `Σᵢ e^{−fᵢ/λ}/n = Σⱼ e^{−gⱼ/λ}/n = Σ π_ij`. With A, B and M for the three
    /// before constants c and d are added to f and g,
    /// `(c + d)/ε = (½·ln AB − ln M)/(1 + ε/2λ)`.
    fn change_of_mass(&self, total: f64) -> f64 {
        // f/ε of a larger ratio is lost in the rounding of ln n.
        let ratio = (self.epsilon / self.lambda).min(LARGEST_RATIO);
        let log_n = libm::log(self.n as f64);
        let log_sum = |potentials: &[f64], factors: &[f64]| {
            let exponent = |(a, u): (&f64, &f64)| -log_n - ratio * (a + libm::log(*u) + log_n);
            let exponents = || potentials.iter().zip(factors).map(exponent);
            let most = exponents().fold(f64::NEG_INFINITY, f64::max);
            most + libm::log(exponents().map(|e| libm::exp(e - most)).sum())
        };
        let rows = log_sum(&self.row_potentials, &self.row_factors);
        let columns = log_sum(&self.column_potentials, &self.column_factors);
        libm::exp((0.5 * (rows + columns) - libm::log(total)) / (1.0 + 0.5 * ratio))
    }

    /// Moves the factors into the potentials: `aᵢ += ln uᵢ`, `bⱼ += ln vⱼ`.
    fn fold(&mut self) {
        let (rows, columns) = (&mut self.row_factors, &mut self.column_factors);
        let potentials = self.row_potentials.iter_mut();
        let factors = rows.iter_mut().chain(columns);
        for (potential, factor) in potentials.chain(&mut self.column_potentials).zip(factors) {
            *potential += libm::log(*factor);
            *factor = 1.0;
        }
    }

    /// One sweep in logarithms, and K anew. Rows first, then columns, so that no row or column of K
    /// is all below what a double can hold, unless it has itself less mass than that.
    fn absorb(&mut self) {
        let (n, costs, scale) = (self.n, self.costs, 1.0 / self.epsilon);
        let kappa = self.kappa();
        let log_n = libm::log(n as f64);
        let columns = &self.column_potentials;
        each(&mut self.row_potentials, |i| {
            let row = &costs[i * n..(i + 1) * n];
            let exponent = |(c, b): (&f64, &f64)| b - c * scale;
            let exponents = || row.iter().zip(columns).map(exponent);
            let most = exponents().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = exponents().map(|e| libm::exp(e - most)).sum();
            -log_n - kappa * most - kappa * libm::log(sum)
        });
        let rows = &self.row_potentials;
        by_columns(&mut self.column_potentials, |first, potentials| {
            let mut most = vec![f64::NEG_INFINITY; potentials.len()];
            for (row, a) in costs.chunks_exact(n).zip(rows) {
                for (most, c) in most.iter_mut().zip(&row[first..]) {
                    *most = most.max(a - c * scale);
                }
            }
            potentials.fill(0.0);
            for (row, a) in costs.chunks_exact(n).zip(rows) {
                let cells = most.iter().zip(&row[first..]);
                for (sum, (most, c)) in potentials.iter_mut().zip(cells) {
                    *sum += libm::exp(a - c * scale - most);
                }
            }
            for (sum, most) in potentials.iter_mut().zip(&most) {
                *sum = -log_n - kappa * most - kappa * libm::log(*sum);
            }
        });
        let columns = &self.column_potentials;
        let fill = |(i, row): (usize, &mut [f64])| {
            let cells = costs[i * n..(i + 1) * n].iter().zip(columns);
            for (k, (c, b)) in row.iter_mut().zip(cells) {
                *k = libm::exp(rows[i] + b - c * scale);
            }
        };
        if n >= PARALLEL {
            self.kernel.par_chunks_mut(n).enumerate().for_each(fill);
        } else {
            self.kernel.chunks_mut(n).enumerate().for_each(fill);
        }
    }
}

/// `out[i] = value(i)`, where a value takes a pass over a row.
fn each(out: &mut [f64], value: impl Fn(usize) -> f64 + Sync) {
    let fill = |(i, slot): (usize, &mut f64)| *slot = value(i);
    if out.len() >= PARALLEL {
        out.par_iter_mut().enumerate().for_each(fill);
    } else {
        out.iter_mut().enumerate().for_each(fill);
    }
}

/// Calls `fill` with the first column and the slots of each block of columns. A column's sum runs
/// over the rows in their order, however the blocks are dealt out.
fn by_columns(out: &mut [f64], fill: impl Fn(usize, &mut [f64]) + Sync) {
    if out.len() >= PARALLEL {
        let blocks = out.par_chunks_mut(COLUMNS).enumerate();
        blocks.for_each(|(block, slots)| fill(block * COLUMNS, slots));
    } else {
        fill(0, out);
    }
}

/// `Σ xᵢ·yᵢ`, in eight sums that the processor adds side by side.
fn dot(x: &[f64], y: &[f64]) -> f64 {
    let (x_blocks, x_rest) = x.as_chunks::<8>();
    let (y_blocks, y_rest) = y.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for (x, y) in x_blocks.iter().zip(y_blocks) {
        for ((sum, x), y) in sums.iter_mut().zip(x).zip(y) {
            *sum += x * y;
        }
    }
    let rest: f64 = x_rest.iter().zip(y_rest).map(|(x, y)| x * y).sum();
    sums.iter().sum::<f64>() + rest
}
