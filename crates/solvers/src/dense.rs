//! The solution within a step.
//!
//! `x(t + θh) = x_t + h·Σ_i b_i(θ)·k_i`, or Hermite's polynomial through some states of the step
//! with the slopes there, or a line
//!
//! Source: Hairer, Nørsett & Wanner 1993, II.6. Through the endpoints Hermite's polynomial is a
//! cubic, of order 3; through two more states it has degree 7, and an error of the size of a step
//! of order 7.

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
    /// Hermite interpolation through the endpoints and two states between them, to which the method
    /// steps from the start: order 7, or the method's if that is lower. It costs two more steps
    /// wherever the solution within a step is wanted.
    Septic,
}

/// Where the states of the septic lie within a step.
const NODES: [f64; 4] = [0.0, 1.0 / 3.0, 2.0 / 3.0, 1.0];
/// Those of them that a step does not have.
pub(crate) const INNER: [f64; 2] = [NODES[1], NODES[2]];

/// Hermite's basis at θ: the weights of the states and of the slopes at [`NODES`].
///
/// `H_j = (1 − 2(θ − θ_j)·l_j'(θ_j))·l_j²`, `Ĥ_j = (θ − θ_j)·l_j²`, with Lagrange's polynomials l_j
fn septic(theta: f64) -> ([f64; 4], [f64; 4]) {
    let others = |j: usize| (0..4).filter(move |&m| m != j);
    let of = |j: usize| {
        let node = NODES[j];
        let lagrange: f64 = others(j)
            .map(|m| (theta - NODES[m]) / (node - NODES[m]))
            .product();
        let slope: f64 = others(j).map(|m| 1.0 / (node - NODES[m])).sum();
        let square = lagrange * lagrange;
        let ahead = theta - node;
        ((1.0 - 2.0 * ahead * slope) * square, ahead * square)
    };
    let basis = [0, 1, 2, 3].map(of);
    (basis.map(|(state, _)| state), basis.map(|(_, slope)| slope))
}

/// The coefficients of θ, …, θ⁷ in [`septic`]: a row per state, then a row per slope.
fn septic_powers() -> [[f64; 7]; 8] {
    let times = |a: &[f64], [constant, linear]: [f64; 2]| -> Vec<f64> {
        let mut product = vec![0.0; a.len() + 1];
        for (k, a) in a.iter().enumerate() {
            product[k] += constant * a;
            product[k + 1] += linear * a;
        }
        product
    };
    let mut rows = [[0.0; 7]; 8];
    for (j, node) in NODES.into_iter().enumerate() {
        let others = (0..4).filter(|&m| m != j).map(|m| NODES[m]);
        let mut square = vec![1.0];
        let mut slope = 0.0;
        for other in others {
            let factor = [-other / (node - other), 1.0 / (node - other)];
            square = times(&times(&square, factor), factor);
            slope += 1.0 / (node - other);
        }
        let state = times(&square, [1.0 + 2.0 * node * slope, -2.0 * slope]);
        let along = times(&square, [-node, 1.0]);
        rows[j].copy_from_slice(&state[1..]);
        rows[4 + j].copy_from_slice(&along[1..]);
    }
    rows
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
    /// The step. For Hermite's polynomials its slopes are those at their states, otherwise those of
    /// all stages.
    step: KeptStep<B, D>,
    weights: DenseWeights,
    /// The states within the step that the septic passes.
    inner: Vec<Tensor<B, D>>,
}

impl<B: Backend, const D: usize> DenseStep<B, D> {
    /// The straight line between both endpoints.
    pub fn line(step: KeptStep<B, D>) -> Self {
        Self {
            step,
            weights: DenseWeights::Line,
            inner: Vec::new(),
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
            inner: Vec::new(),
        }
    }

    /// The quartic `x_t + h·Σ_i b_i(θ)·k_i` over the stages of the step. Row i of `weights` holds
    /// the coefficients of θ, θ², θ³, θ⁴ in b_i(θ).
    pub fn quartic(step: KeptStep<B, D>, weights: &'static [[f64; 4]]) -> Self {
        Self {
            step,
            weights: DenseWeights::Quartic(weights),
            inner: Vec::new(),
        }
    }

    /// The polynomial of degree 7 through the endpoints and the states at a third and two thirds of
    /// the step, with the slopes at these four times.
    pub fn septic(
        step: KeptStep<B, D>,
        inner: [Tensor<B, D>; 2],
        slopes: [Tensor<B, D>; 4],
    ) -> Self {
        Self {
            step: KeptStep {
                slopes: slopes.into(),
                ..step
            },
            weights: DenseWeights::Septic,
            inner: inner.into(),
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
            DenseWeights::Septic => {
                let (of_states, of_slopes) = septic(theta);
                let states = [start, &self.inner[0], &self.inner[1], end];
                let mut terms: Vec<_> = of_states.into_iter().zip(states).collect();
                // The sum starts from the first state.
                terms[0].0 -= 1.0;
                terms.extend(of_slopes.map(|b| h * b).into_iter().zip(slopes));
                terms
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
            DenseWeights::Septic => {
                let states = [&start, &self.inner[0], &self.inner[1], &end];
                let rows = septic_powers();
                (0..7)
                    .map(|power| {
                        let weight = |row: usize| rows[row][power];
                        let states = states.iter().enumerate().map(|(j, x)| (weight(j), *x));
                        let along = slopes.iter().enumerate();
                        let along = along.map(|(j, k)| (h * weight(4 + j), k));
                        combine(start.zeros_like(), &states.chain(along).collect::<Vec<_>>())
                    })
                    .collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::DType;
    use burn_ndarray::NdArray;

    type B = NdArray<f64>;

    fn tensor(value: f64) -> Tensor<B, 1> {
        Tensor::from_data([value], (&Default::default(), DType::F64))
    }

    /// The septic through `x = tⁿ` on [1, 3].
    fn through(n: i32) -> DenseStep<B, 1> {
        let (t, s) = (1.0, 3.0);
        let times = NODES.map(|node| t + (s - t) * node);
        let state = |k: usize| tensor(times[k].powi(n));
        let step = KeptStep {
            t,
            s,
            start: state(0),
            end: state(3),
            slopes: Vec::new(),
        };
        let slopes = times.map(|time| tensor(f64::from(n) * time.powi(n - 1)));
        DenseStep::septic(step, [state(1), state(2)], slopes)
    }

    #[test]
    fn the_septic_is_exact_for_polynomials_of_degree_7_and_no_higher() {
        for n in 1..=8 {
            let step = through(n);
            let rows = step.clone().into_polynomial();
            for theta in [0.1, 0.25, 0.5, 0.7, 0.95] {
                let time: f64 = 1.0 + 2.0 * theta;
                let exact = time.powi(n);
                let [at, row] = [step.at(time), rows.at(&[0], &[theta])].map(|x| x.into_scalar());
                assert!((at - row).abs() < 1e-12 * 3_f64.powi(n), "{n}: {at} {row}");
                let error = (at - exact).abs() / 3_f64.powi(n);
                assert_eq!(error < 1e-13, n <= 7, "{n} at {theta}: {error}");
            }
        }
    }
}
