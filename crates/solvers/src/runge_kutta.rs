//! One stage loop for all explicit Runge–Kutta methods.
//!
//! `k_i = u(t + c_i·h, x + h·Σ_{j<i} a_ij·k_j)`, `x' = x + h·Σ b_i·k_i`, `h = s − t`

use crate::interpolant::{DenseWeights, Interpolant};
use crate::method::{Attempt, DenseMethod, EmbeddedMethod, Memory, Method, Parts};
use crate::tableau::Tableau;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::field::VectorField;
use pyroclast_kernels::combine;

/// An explicit Runge–Kutta method.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExplicitRk(pub &'static Tableau);

/// An explicit Runge–Kutta method with a second set of weights that estimates its error.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EmbeddedRk {
    /// The method whose step is kept.
    pub method: ExplicitRk,
    /// The weights b̂ of the comparison.
    pub embedded: &'static [f64],
    /// The order of the comparison.
    pub embedded_order: usize,
    /// The solution within a step.
    pub dense: DenseWeights,
}

/// The slope where the next step starts, if it is known already.
#[derive(Debug, Clone)]
pub struct LastSlope<B: Backend, const D: usize>(Option<Tensor<B, D>>);

impl<B: Backend, const D: usize> Memory<B, D> for LastSlope<B, D> {
    fn into_parts(self) -> Parts<B, D> {
        Parts {
            tensors: self.0.into_iter().collect(),
            times: Vec::new(),
            steps: 0,
        }
    }

    fn from_parts(parts: Parts<B, D>) -> Self {
        Self(parts.tensors.into_iter().next())
    }
}

/// The stages of one step.
struct Stages<B: Backend, const D: usize> {
    slopes: Vec<Tensor<B, D>>,
    end: Tensor<B, D>,
}

impl ExplicitRk {
    fn stages<B: Backend, F: VectorField<B, D> + ?Sized, const D: usize>(
        &self,
        field: &F,
        t: f64,
        h: f64,
        x: Tensor<B, D>,
        first: Option<Tensor<B, D>>,
    ) -> Stages<B, D> {
        let Tableau {
            a,
            b,
            c,
            first_same_as_last,
            ..
        } = self.0;
        let mut slopes = Vec::with_capacity(a.len());
        slopes.push(first.unwrap_or_else(|| field.velocity(t, x.clone())));
        for i in 1..a.len() {
            let y = advance(x.clone(), h, a[i], &slopes);
            if *first_same_as_last && i + 1 == a.len() {
                slopes.push(field.velocity(t + c[i] * h, y.clone()));
                return Stages { slopes, end: y };
            }
            slopes.push(field.velocity(t + c[i] * h, y));
        }
        let end = advance(x, h, b, &slopes);
        Stages { slopes, end }
    }

    fn last(&self) -> bool {
        self.0.first_same_as_last
    }
}

/// `x + h·Σ w_i·k_i`.
fn advance<B: Backend, const D: usize>(
    x: Tensor<B, D>,
    h: f64,
    weights: &[f64],
    slopes: &[Tensor<B, D>],
) -> Tensor<B, D> {
    let terms: Vec<_> = weights.iter().map(|w| h * w).zip(slopes).collect();
    combine(x, &terms)
}

impl EmbeddedRk {
    /// The power of the step size that the error estimate falls with.
    pub(crate) fn error_power(&self) -> f64 {
        (self.embedded_order.min(self.method.0.order) + 1) as f64
    }

    /// `b_i − b̂_i`, without the stages that do not count: the first of them, then the others.
    pub(crate) fn error_weights(&self) -> impl Iterator<Item = (usize, f64)> + '_ {
        let weights = self.method.0.b.iter().zip(self.embedded);
        (weights.map(|(b, b_hat)| b - b_hat).enumerate()).filter(|(_, w)| *w != 0.0)
    }
}

impl<B: Backend, F: VectorField<B, D> + ?Sized, const D: usize> Method<B, F, D> for ExplicitRk {
    type State = LastSlope<B, D>;

    fn init(&self, _: &F, _: f64, _: &Tensor<B, D>) -> Self::State {
        LastSlope(None)
    }

    fn step(
        &self,
        field: &F,
        t: f64,
        s: f64,
        x: Tensor<B, D>,
        state: Self::State,
    ) -> (Tensor<B, D>, Self::State) {
        let Stages { mut slopes, end } = self.stages(field, t, s - t, x, state.0);
        let last = slopes.pop().filter(|_| self.last());
        (end, LastSlope(last))
    }
}

impl<B: Backend, F: VectorField<B, D> + ?Sized, const D: usize> Method<B, F, D> for EmbeddedRk {
    type State = LastSlope<B, D>;

    fn init(&self, field: &F, t: f64, x: &Tensor<B, D>) -> Self::State {
        self.method.init(field, t, x)
    }

    fn step(
        &self,
        field: &F,
        t: f64,
        s: f64,
        x: Tensor<B, D>,
        state: Self::State,
    ) -> (Tensor<B, D>, Self::State) {
        self.method.step(field, t, s, x, state)
    }
}

impl<B: Backend, F: VectorField<B, D> + ?Sized, const D: usize> EmbeddedMethod<B, F, D>
    for EmbeddedRk
{
    fn order(&self) -> usize {
        self.method.0.order
    }

    fn error_order(&self) -> f64 {
        self.error_power()
    }

    fn first_slope(
        &self,
        field: &F,
        t: f64,
        x: &Tensor<B, D>,
        state: &mut Self::State,
    ) -> Tensor<B, D> {
        let slope = field.velocity(t, x.clone());
        state.0 = Some(slope.clone());
        slope
    }

    fn slope(&self, field: &F, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        field.velocity(t, x)
    }

    fn step_with_error(
        &self,
        field: &F,
        t: f64,
        s: f64,
        x: Tensor<B, D>,
        state: Self::State,
    ) -> Attempt<B, Self::State, D> {
        let h = s - t;
        let Stages { slopes, end } = self.method.stages(field, t, h, x, state.0);
        let mut weights = self.error_weights();
        let (first, w) = weights.next().expect("the two sets of weights differ");
        let terms: Vec<_> = weights.map(|(i, w)| (h * w, &slopes[i])).collect();
        let error = combine(slopes[first].clone() * (h * w), &terms);
        let last = slopes.last().filter(|_| self.method.last()).cloned();
        Attempt {
            x: end,
            error,
            state: LastSlope(last),
            slopes,
        }
    }

    /// The first stage is the same whatever the step.
    fn retry(&self, state: &mut Self::State, slopes: Vec<Tensor<B, D>>) {
        state.0 = slopes.into_iter().next();
    }
}

impl<B: Backend, F: VectorField<B, D> + ?Sized, const D: usize> DenseMethod<B, F, D>
    for EmbeddedRk
{
    fn interpolant(
        &self,
        field: &F,
        t: f64,
        s: f64,
        x: Tensor<B, D>,
        attempt: &mut Attempt<B, Self::State, D>,
    ) -> Interpolant<B, D> {
        let slopes = match self.dense {
            DenseWeights::Quartic(_) => attempt.slopes.clone(),
            DenseWeights::Hermite => {
                let end = (attempt.state.0)
                    .get_or_insert_with(|| field.velocity(s, attempt.x.clone()))
                    .clone();
                vec![attempt.slopes[0].clone(), end]
            }
        };
        Interpolant {
            t,
            s,
            start: x,
            end: attempt.x.clone(),
            weights: self.dense,
            slopes,
        }
    }
}
