//! Entropic transport whose marginals hold, by Newton's method.
//!
//! Given `b = g/ε`, the best `a = f/ε` makes the rows exact, so that only b has to be found. It
//! maximises `F(b) = Σⱼ bⱼ − Σᵢ ln Σⱼ exp(bⱼ − c_ij/ε)`, which is concave. With `Q = n·π`, whose
//! rows sum to 1, and its columns' sums q,
//!
//! `∇F = 1 − q`, `∇²F = QᵀQ − diag(q)`.
//!
//! Sinkhorn's sweep is the step `−ln q`. It is slow where ε is small: mass then moves from pair to
//! neighbouring pair, and a sweep passes on what is missing by one pair. Newton's step is found by
//! conjugate gradients over the entries of Q that matter to it. Where ε is small, these are few;
//! they need 12 bytes each.
//!
//! `Q_ij ∝ vⱼ·K_ij`, `K_ij = exp(bⱼ − c_ij/ε − mᵢ)` with the largest exponent mᵢ of the row: no ε
//! is too small, and between passes with exponentials only the factors v change. Factors that have
//! grown far are absorbed into b.
//!
//! Source: Cuturi & Peyré 2016, "A smoothed dual approach for variational Wasserstein problems"
//! (the semi-dual); Tang et al. 2024, "Accelerating Sinkhorn algorithm with sparse Newton
//! iterations"; Schmitzer 2019, "Stabilized sparse scaling algorithms for entropy regularized
//! transport problems" (absorption).

mod curvature;
mod kernel;

use curvature::Curvature;
use kernel::{Balance, Kernel};

/// The marginal error above which a sweep does as much as Newton's step.
const FAR: f64 = 0.5;
/// The share of the error that a sweep may leave for the next step to be a sweep as well.
const QUICK: f64 = 0.3;
/// The share of its mass below which a column is filled by a sweep first.
const STARVED: f64 = 1e-3;
/// The most that Newton's step changes a component of b: of far larger ones only the sign is right.
const LONGEST: f64 = 6.0;
/// How much shorter a step is tried that did not help.
const SHORTER: f64 = 0.4;
/// Lengths that are tried.
const TRIALS: usize = 4;
/// The share of the expected gain that a step has to bring.
const GAIN: f64 = 1e-4;
/// A gain that the rounding of F may hide.
const HIDDEN: f64 = 1e-9;
/// ln of the factors that are absorbed.
const FARTHEST: f64 = 80.0;

/// An estimate of b, and the plan that belongs to it.
pub(super) struct Newton<'c> {
    costs: &'c [f64],
    epsilon: f64,
    /// b up to the factors: `b + ln v` is the estimate.
    potentials: Vec<f64>,
    /// ln v.
    logs: Vec<f64>,
    kernel: Kernel,
    balance: Balance,
    /// Whether sweeps at this ε have lowered the error fast so far.
    quick: bool,
}

impl<'c> Newton<'c> {
    /// b = 0. Costs are `[n, n]`, at least 0, and n is not 0.
    pub(super) fn new(costs: &'c [f64], n: usize, epsilon: f64) -> Self {
        let potentials = vec![0.0; n];
        let kernel = Kernel::new(costs, epsilon, &potentials);
        let logs = vec![0.0; n];
        Self {
            costs,
            epsilon,
            balance: kernel.balance(&logs),
            potentials,
            logs,
            kernel,
            quick: true,
        }
    }

    /// Continues with another ε, from the same g.
    pub(super) fn cool(&mut self, epsilon: f64) {
        let ratio = self.epsilon / epsilon;
        for (b, log) in self.potentials.iter_mut().zip(&mut self.logs) {
            *b = (*b + *log) * ratio;
            *log = 0.0;
        }
        self.epsilon = epsilon;
        self.quick = true;
        self.absorb();
    }

    /// `Σⱼ |Σᵢ π_ij − 1/n|`, where rows are exact.
    pub(super) fn error(&self) -> f64 {
        self.balance.error()
    }

    /// A better estimate: Newton's step, or a sweep where that does as well.
    pub(super) fn step(&mut self) {
        let starved = self.balance.columns.iter().any(|q| *q < STARVED);
        if starved || self.quick || self.error() > FAR || !self.newton() {
            let before = self.error();
            self.sweep();
            self.quick &= self.error() < QUICK * before;
        }
    }

    /// π, `[n, n]`.
    pub(super) fn into_mass(self) -> Vec<f64> {
        self.kernel.into_mass(&self.balance)
    }

    /// Takes Newton's step as far as F improves; whether it does.
    fn newton(&mut self) -> bool {
        let error = self.error();
        let gradient: Vec<f64> = self.balance.columns.iter().map(|q| 1.0 - q).collect();
        let curvature = Curvature::new(&self.kernel, &self.balance, error);
        let mut step = curvature.solve(&gradient, (0.5 * error.sqrt()).min(0.1));
        for step in &mut step {
            *step = step.clamp(-LONGEST, LONGEST);
        }
        let pairs = step.iter().zip(&gradient);
        let slope: f64 = pairs.map(|(step, gradient)| step * gradient).sum();
        if slope <= 0.0 {
            return false;
        }
        let mut length = 1.0;
        for _ in 0..TRIALS {
            let moved = self.logs.iter().zip(&step);
            let logs: Vec<f64> = moved.map(|(log, step)| log + length * step).collect();
            let balance = self.kernel.balance(&logs);
            let gained = balance.objective >= self.balance.objective + GAIN * length * slope;
            // Near the solution F changes by less than its rounding.
            let hidden = length * slope < HIDDEN;
            if gained || hidden && balance.error() < error {
                (self.logs, self.balance) = (logs, balance);
                if self.logs.iter().any(|log| log.abs() > FARTHEST) {
                    self.absorb();
                }
                return true;
            }
            length *= SHORTER;
        }
        false
    }

    /// Sinkhorn's step: makes the columns exact, then the rows.
    fn sweep(&mut self) {
        for j in 0..self.logs.len() {
            let q = self.balance.columns[j];
            self.logs[j] -= if q > f64::MIN_POSITIVE {
                libm::log(q)
            } else {
                self.log_column(j)
            };
        }
        if self.logs.iter().any(|log| log.abs() > FARTHEST) {
            self.absorb();
        } else {
            self.balance = self.kernel.balance(&self.logs);
        }
    }

    /// ln q of a column all of whose entries are below what a double can hold.
    fn log_column(&self, j: usize) -> f64 {
        let n = self.logs.len();
        let b = self.potentials[j] + self.logs[j];
        let exponent = |i: usize| {
            let row = self.kernel.most[i] + libm::log(self.balance.sums[i]);
            b - self.costs[i * n + j] / self.epsilon - row
        };
        let most = (0..n).map(exponent).fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = (0..n).map(|i| libm::exp(exponent(i) - most)).sum();
        most + libm::log(sum)
    }

    /// Moves the factors into b, and K anew.
    fn absorb(&mut self) {
        for (b, log) in self.potentials.iter_mut().zip(&mut self.logs) {
            *b += *log;
            *log = 0.0;
        }
        self.kernel.fill(self.costs, self.epsilon, &self.potentials);
        self.balance = self.kernel.balance(&self.logs);
    }
}
