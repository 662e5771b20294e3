//! The solution within a step.
//!
//! `x(t + θh) = x_t + h·Σ_i b_i(θ)·k_i`, or the cubic through both ends and both slopes
//!
//! Source: Hairer, Nørsett & Wanner 1993, II.6; the cubic is Hermite's, of order 3.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_kernels::combine;

/// How a pair of methods interpolates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum DenseWeights {
    /// Cubic Hermite interpolation: order 3, and no more than the method's.
    Hermite,
    /// Row i holds the coefficients of θ, θ², θ³, θ⁴ in b_i(θ).
    Quartic(&'static [[f64; 4]]),
}

impl DenseWeights {
    /// `b_i(θ)` of every stage.
    pub(crate) fn at(rows: &[[f64; 4]], theta: f64) -> impl Iterator<Item = f64> + '_ {
        (rows.iter()).map(move |[a, b, c, d]| theta * (a + theta * (b + theta * (c + theta * d))))
    }
}

/// The solution on one step.
#[derive(Debug, Clone)]
pub struct Interpolant<B: Backend, const D: usize> {
    /// Where the step starts.
    pub t: f64,
    /// Where it ends.
    pub s: f64,
    pub(crate) start: Tensor<B, D>,
    pub(crate) end: Tensor<B, D>,
    pub(crate) weights: DenseWeights,
    /// All stages, or for Hermite's cubic the slopes at both ends.
    pub(crate) slopes: Vec<Tensor<B, D>>,
}

impl<B: Backend, const D: usize> Interpolant<B, D> {
    /// The state at a time of the step; at its ends exactly the solver's.
    pub fn at(&self, time: f64) -> Tensor<B, D> {
        if time == self.s {
            return self.end.clone();
        }
        if time == self.t {
            return self.start.clone();
        }
        let h = self.s - self.t;
        let theta = (time - self.t) / h;
        let terms: Vec<(f64, &Tensor<B, D>)> = match self.weights {
            DenseWeights::Quartic(rows) => DenseWeights::at(rows, theta)
                .map(|b| h * b)
                .zip(&self.slopes)
                .collect(),
            DenseWeights::Hermite => {
                let rest = 1.0 - theta;
                let to_end = theta * theta * (3.0 - 2.0 * theta);
                vec![
                    (-to_end, &self.start),
                    (to_end, &self.end),
                    (h * theta * rest * rest, &self.slopes[0]),
                    (-h * theta * theta * rest, &self.slopes[1]),
                ]
            }
        };
        combine(self.start.clone(), &terms)
    }
}
