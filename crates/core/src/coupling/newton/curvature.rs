//! `S = diag(q) + μ − QᵀQ` over the entries of Q that matter, and its inverse.
//!
//! S stays positive, since what is kept of a row of Q sums to at most 1.

use super::kernel::{Balance, Kernel};

/// Entries of Q below this share of the marginal error are left out, and all below this number.
const NEGLIGIBLE: [f64; 2] = [1e-2, 1e-12];
/// μ against the marginal error, and at most: where parts of the plan hang together by next to
/// nothing, S is nearly singular.
const RIDGE: [f64; 2] = [0.01, 1e-3];
/// Rounds of conjugate gradients, at most.
const ROUNDS: usize = 200;

/// The curvature of −F.
pub(super) struct Curvature {
    /// Where each row of Q begins among its entries.
    starts: Vec<usize>,
    columns: Vec<u32>,
    entries: Vec<f64>,
    /// q + μ.
    weights: Vec<f64>,
    /// The diagonal of S.
    diagonal: Vec<f64>,
}

impl Curvature {
    /// S of a plan with this marginal error.
    pub(super) fn new(kernel: &Kernel, balance: &Balance, error: f64) -> Self {
        let ridge = (RIDGE[0] * error).min(RIDGE[1]);
        let weights: Vec<f64> = balance.columns.iter().map(|q| q + ridge).collect();
        let mut curvature = Self {
            starts: vec![0],
            columns: Vec::new(),
            entries: Vec::new(),
            diagonal: weights.clone(),
            weights,
        };
        let threshold = (NEGLIGIBLE[0] * error).max(NEGLIGIBLE[1]);
        for i in 0..kernel.n {
            let start = curvature.entries.len();
            let (columns, entries) = (&mut curvature.columns, &mut curvature.entries);
            kernel.above(i, balance, threshold, columns, entries);
            for (&j, entry) in columns[start..].iter().zip(&entries[start..]) {
                curvature.diagonal[j as usize] -= entry * entry;
            }
            curvature.starts.push(curvature.entries.len());
        }
        curvature
    }

    /// S·x.
    fn apply(&self, x: &[f64], out: &mut [f64]) {
        for ((out, weight), x) in out.iter_mut().zip(&self.weights).zip(x) {
            *out = weight * x;
        }
        for row in self.starts.windows(2) {
            let columns = &self.columns[row[0]..row[1]];
            let entries = &self.entries[row[0]..row[1]];
            // Four sums at a time, since an addition waits for the one before.
            let mut sums = [0.0; 4];
            for (columns, entries) in columns.chunks(4).zip(entries.chunks(4)) {
                for (sum, (&j, entry)) in sums.iter_mut().zip(columns.iter().zip(entries)) {
                    *sum += entry * x[j as usize];
                }
            }
            let sum: f64 = sums.iter().sum();
            for (&j, entry) in columns.iter().zip(entries) {
                out[j as usize] -= entry * sum;
            }
        }
    }

    /// `S⁻¹·y` by conjugate gradients, preconditioned by the diagonal, to a relative residual.
    pub(super) fn solve(&self, y: &[f64], tolerance: f64) -> Vec<f64> {
        let divided = |r: &[f64]| -> Vec<f64> {
            let pairs = r.iter().zip(&self.diagonal);
            pairs.map(|(r, diagonal)| r / diagonal).collect()
        };
        let mut x = vec![0.0; y.len()];
        let mut residual = y.to_vec();
        let mut direction = divided(&residual);
        let mut norm = dot(&residual, &direction);
        let enough = tolerance * tolerance * norm;
        let mut image = vec![0.0; y.len()];
        for _ in 0..ROUNDS {
            self.apply(&direction, &mut image);
            let curvature = dot(&direction, &image);
            if curvature <= 0.0 {
                break;
            }
            let length = norm / curvature;
            for k in 0..x.len() {
                x[k] += length * direction[k];
                residual[k] -= length * image[k];
            }
            let scaled = divided(&residual);
            let next = dot(&residual, &scaled);
            if next <= enough {
                break;
            }
            let share = next / norm;
            norm = next;
            for (direction, scaled) in direction.iter_mut().zip(scaled) {
                *direction = scaled + share * *direction;
            }
        }
        x
    }
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}
