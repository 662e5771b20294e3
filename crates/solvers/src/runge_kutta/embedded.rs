//! Pairs of methods that share their stages.
//!
//! `error = h·Σ_i (b_i − b̂_i)·k_i`

use super::explicit::Stages;
use super::{ExplicitRk, LastSlope};
use crate::dense::{DenseStep, DenseWeights, INNER, KeptStep};
use crate::method::{Attempt, EmbeddedMethod, Method};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::field::VectorField;
use pyroclast_kernels::combine;

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

impl EmbeddedRk {
    /// The power of h with which the error estimate falls.
    pub(crate) fn error_power(&self) -> f64 {
        (self.embedded_order.min(self.method.0.order) + 1) as f64
    }

    /// A step of length h with its error, given its first slope, and the slope at stage i as a
    /// function of c_i and the state there. It leaves the memory to the caller.
    pub(crate) fn attempt<B: Backend, const D: usize>(
        &self,
        x: Tensor<B, D>,
        h: f64,
        first: Tensor<B, D>,
        slope: impl FnMut(f64, Tensor<B, D>) -> Tensor<B, D>,
    ) -> Attempt<B, (), D> {
        self.with_error(self.method.stages(x, h, first, slope), h)
    }

    fn with_error<B: Backend, const D: usize>(
        &self,
        stages: Stages<B, D>,
        h: f64,
    ) -> Attempt<B, (), D> {
        let Stages { slopes, end } = stages;
        let differences = self.method.0.b.iter().zip(self.embedded);
        let mut weights = (differences.map(|(b, b_hat)| b - b_hat).enumerate())
            .filter(|(_, weight)| *weight != 0.0)
            .map(|(i, weight)| (h * weight, &slopes[i]));
        let (weight, first) = weights.next().expect("the two sets of weights differ");
        let terms: Vec<_> = weights.collect();
        Attempt {
            error: combine(first.clone() * weight, &terms),
            x: end,
            state: (),
            slopes,
        }
    }
}

impl<B: Backend, F: VectorField<B, D> + ?Sized, const D: usize> Method<B, F, D> for EmbeddedRk {
    type State = LastSlope<B, D>;

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
        let stages = self.method.stages_between(field, (t, s), x, state);
        let attempt = self.with_error(stages, s - t);
        Attempt {
            state: self.method.memory(&attempt.slopes),
            x: attempt.x,
            error: attempt.error,
            slopes: attempt.slopes,
        }
    }

    /// The first stage is the same whatever the length of the step.
    fn retry(&self, state: &mut Self::State, slopes: Vec<Tensor<B, D>>) {
        state.0 = slopes.into_iter().next();
    }

    fn interpolant(
        &self,
        field: &F,
        step: KeptStep<B, D>,
        state: &mut Self::State,
    ) -> DenseStep<B, D> {
        match self.dense {
            DenseWeights::Line => DenseStep::line(step),
            DenseWeights::Quartic(weights) => DenseStep::quartic(step, weights),
            DenseWeights::Hermite => {
                let first = step.slopes[0].clone();
                let last = (state.0)
                    .get_or_insert_with(|| field.velocity(step.s, step.end.clone()))
                    .clone();
                DenseStep::hermite(step, first, last)
            }
            DenseWeights::Septic => {
                let first = step.slopes[0].clone();
                let last = (state.0)
                    .get_or_insert_with(|| field.velocity(step.s, step.end.clone()))
                    .clone();
                let [(x1, slope1), (x2, slope2)] = INNER.map(|theta| {
                    let time = step.t + theta * (step.s - step.t);
                    let known = LastSlope(Some(first.clone()));
                    let start = step.start.clone();
                    let stages = (self.method).stages_between(field, (step.t, time), start, known);
                    let slope = field.velocity(time, stages.end.clone());
                    (stages.end, slope)
                });
                DenseStep::septic(step, [x1, x2], [first, slope1, slope2, last])
            }
        }
    }
}
