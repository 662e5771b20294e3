//! The solution within a step.
//!
//! `x(t + θh) = x_t + h·Σ_i b_i(θ)·k_i`, or the cubic through both endpoints with
//! the slopes there, or a line
//!
//! Source: Hairer, Nørsett & Wanner 1993, II.6; the cubic is Hermite's, of order 3.

use crate::rows::{choose, select};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::per_sample::PerSample;
use pyroclast_kernels::combine;

/// A step that was kept, as dense output sees it.
#[derive(Debug, Clone)]
pub struct KeptStep<B: Backend, const D: usize> {
    /// The time at which it starts.
    pub t: f64,
    /// The time at which it ends.
    pub s: f64,
    /// `x_t`.
    pub start: Tensor<B, D>,
    /// `x_s`.
    pub end: Tensor<B, D>,
    /// The slopes of its stages.
    pub slopes: Vec<Tensor<B, D>>,
}

/// How a pair of methods interpolates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum DenseWeights {
    /// A straight line: order 1.
    Line,
    /// Cubic Hermite interpolation: order 3, or the method's if that is lower.
    Hermite,
    /// Row i holds the coefficients of θ, θ², θ³, θ⁴ in b_i(θ).
    Quartic(&'static [[f64; 4]]),
}

impl DenseWeights {
    /// `b_i(θ)` of every stage.
    fn at(rows: &[[f64; 4]], theta: f64) -> impl Iterator<Item = f64> + '_ {
        (rows.iter()).map(move |[a, b, c, d]| theta * (a + theta * (b + theta * (c + theta * d))))
    }
}

/// The solution on one step.
#[derive(Debug, Clone)]
pub struct DenseStep<B: Backend, const D: usize> {
    /// The step. For Hermite's cubic its slopes are those at both endpoints, otherwise those of all
    /// stages.
    step: KeptStep<B, D>,
    weights: DenseWeights,
}

impl<B: Backend, const D: usize> DenseStep<B, D> {
    /// The straight line between both endpoints.
    pub fn line(step: KeptStep<B, D>) -> Self {
        Self {
            step,
            weights: DenseWeights::Line,
        }
    }

    /// The cubic through both endpoints with the slopes `first` and `last` there.
    pub fn hermite(step: KeptStep<B, D>, first: Tensor<B, D>, last: Tensor<B, D>) -> Self {
        Self {
            step: KeptStep {
                slopes: vec![first, last],
                ..step
            },
            weights: DenseWeights::Hermite,
        }
    }

    /// The quartic `x_t + h·Σ_i b_i(θ)·k_i` over the stages of the step. Row i of `weights` holds
    /// the coefficients of θ, θ², θ³, θ⁴ in b_i(θ).
    pub fn quartic(step: KeptStep<B, D>, weights: &'static [[f64; 4]]) -> Self {
        Self {
            step,
            weights: DenseWeights::Quartic(weights),
        }
    }

    /// The state at a time of the step; at its endpoints exactly the solver's.
    pub fn at(&self, time: f64) -> Tensor<B, D> {
        let KeptStep {
            t,
            s,
            start,
            end,
            slopes,
        } = &self.step;
        if time == *s {
            return end.clone();
        }
        if time == *t {
            return start.clone();
        }
        let h = s - t;
        let theta = (time - t) / h;
        let terms: Vec<(f64, &Tensor<B, D>)> = match self.weights {
            DenseWeights::Line => vec![(-theta, start), (theta, end)],
            DenseWeights::Quartic(rows) => DenseWeights::at(rows, theta)
                .map(|b| h * b)
                .zip(slopes)
                .collect(),
            DenseWeights::Hermite => {
                let rest = 1.0 - theta;
                let to_end = theta * theta * (3.0 - 2.0 * theta);
                vec![
                    (-to_end, start),
                    (to_end, end),
                    (h * theta * rest * rest, &slopes[0]),
                    (-h * theta * theta * rest, &slopes[1]),
                ]
            }
        };
        combine(start.clone(), &terms)
    }

    /// The same solution as a polynomial in θ, which each row can then evaluate at a θ of its own.
    pub(crate) fn into_polynomial(self) -> Polynomial<B, D> {
        let KeptStep {
            t,
            s,
            start,
            end,
            slopes,
        } = self.step;
        let h = s - t;
        let powers = match self.weights {
            DenseWeights::Line => vec![end.clone() - start.clone()],
            DenseWeights::Quartic(weights) => (0..4)
                .map(|power| {
                    let mut terms = (weights.iter().zip(&slopes))
                        .map(|(w, k)| (h * w[power], k))
                        .filter(|(w, _)| *w != 0.0);
                    let (w, first) = terms.next().expect("every power has a stage");
                    combine(first.clone() * w, &terms.collect::<Vec<_>>())
                })
                .collect(),
            DenseWeights::Hermite => {
                let (first, last) = (&slopes[0], &slopes[1]);
                let change = end.clone() - start.clone();
                vec![
                    first.clone() * h,
                    combine(change.clone() * 3.0, &[(-2.0 * h, first), (-h, last)]),
                    combine(change * -2.0, &[(h, first), (h, last)]),
                ]
            }
        };
        Polynomial { start, end, powers }
    }
}

/// `x_t + Σ_k θᵏ·p_k`: the solution on one step of every row, each with a θ of its own.
#[derive(Debug, Clone)]
pub(crate) struct Polynomial<B: Backend, const D: usize> {
    start: Tensor<B, D>,
    end: Tensor<B, D>,
    powers: Vec<Tensor<B, D>>,
}

impl<B: Backend, const D: usize> Polynomial<B, D> {
    /// Row `rows[i]` at `thetas[i]`, for every i; at θ = 0 and 1 exactly the solver's states.
    pub(crate) fn at(&self, rows: &[usize], thetas: &[f64]) -> Tensor<B, D> {
        let start = select(self.start.clone(), rows);
        let theta = PerSample::like(&start).tensor(thetas.iter().copied());
        let sum = (self.powers.iter().rev())
            .map(|power| select(power.clone(), rows))
            .reduce(|sum, power| sum * theta.clone() + power)
            .expect("a polynomial has a power");
        let x = start.clone() + sum * theta;
        let x = replace(x, start, thetas, 0.0);
        if thetas.contains(&1.0) {
            replace(x, select(self.end.clone(), rows), thetas, 1.0)
        } else {
            x
        }
    }
}

/// `x`, with the rows of `exact` where θ has the given value.
fn replace<B: Backend, const D: usize>(
    x: Tensor<B, D>,
    exact: Tensor<B, D>,
    thetas: &[f64],
    theta: f64,
) -> Tensor<B, D> {
    if !thetas.contains(&theta) {
        return x;
    }
    let rows: Vec<bool> = thetas.iter().map(|&at| at == theta).collect();
    choose(&rows, exact, x)
}
