//! Gradients by burn's own tape.
//!
//! `∂L/∂x(t_0)` and `∂L/∂θ` by one backward pass through all steps
//!
//! The solve is recorded as it runs. Nothing is evaluated twice, and memory grows with the number
//! of evaluations.

use super::chain::Chain;
use super::rebased::Rebased;
use super::{Gradients, Pullback, Solved, parameters};
use crate::error::SolveError;
use crate::grid::TimeGrid;
use crate::method::{EmbeddedMethod, Method};
use crate::solve::{Control, Statistics, Stopped, land};
use burn::backend::Autodiff;
use burn::module::AutodiffModule;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::field::{Counted, VectorField};

/// The pullback over a recorded tape.
#[derive(Debug)]
pub struct Tape<'a, B: Backend, F, const D: usize> {
    field: &'a F,
    states: Vec<Tensor<Autodiff<B>, D>>,
}

/// States with a pullback that has been recorded.
pub type Recorded<'a, B, F, const D: usize> = Solved<B, Tape<'a, B, F, D>, D>;

impl<'a, B: Backend, F, const D: usize> Tape<'a, B, F, D> {
    fn solved(
        field: &'a F,
        states: Vec<Tensor<Autodiff<B>, D>>,
        statistics: Statistics,
    ) -> Recorded<'a, B, F, D> {
        Solved {
            states: states.iter().map(|x| x.clone().inner()).collect(),
            statistics,
            pullback: Tape { field, states },
        }
    }
}

/// Solves over `times` with `substeps` equal steps between any two of them, on the tape.
///
/// # Panics
/// If `substeps` is 0.
pub fn tape<'a, B, F, M, const D: usize>(
    field: &'a F,
    method: &M,
    x: Tensor<B, D>,
    times: &TimeGrid,
    substeps: usize,
) -> Recorded<'a, B, F, D>
where
    B: Backend,
    F: AutodiffModule<Autodiff<B>> + VectorField<Autodiff<B>, D>,
    M: for<'b, 'c> Method<Autodiff<B>, Counted<'b, Rebased<'c, F>>, D>,
{
    let rebased = Rebased(field);
    let counted = Counted::new(&rebased);
    let mut x = Tensor::from_inner(x).require_grad();
    let mut state = method.init(&counted, times.times()[0], &x);
    let mut states = vec![x.clone()];
    let mut steps = 0;
    for (from, to) in times.intervals() {
        for (t, s) in TimeGrid::uniform(from, to, substeps).intervals() {
            (x, state) = method.step(&counted, t, s, x, state);
            steps += 1;
        }
        states.push(x.clone());
    }
    let statistics = Statistics {
        steps,
        rejections: 0,
        evaluations: counted.evaluations(),
    };
    Tape::solved(field, states, statistics)
}

/// [`tape`] with steps as long as the tolerance allows, which land on each of the times. Rejected
/// steps are recorded, and dropped.
///
/// # Errors
/// [`Stopped`].
pub fn tape_adaptive<'a, B, F, M, const D: usize>(
    field: &'a F,
    method: &M,
    x: Tensor<B, D>,
    times: &TimeGrid,
    control: Control,
) -> Result<Recorded<'a, B, F, D>, Stopped<Autodiff<B>, D>>
where
    B: Backend,
    F: AutodiffModule<Autodiff<B>> + VectorField<Autodiff<B>, D>,
    M: for<'b, 'c> EmbeddedMethod<Autodiff<B>, Counted<'b, Rebased<'c, F>>, D>,
{
    let rebased = Rebased(field);
    let counted = Counted::new(&rebased);
    let x = Tensor::from_inner(x).require_grad();
    let solution = land(control, &counted, method, x, times, |_, _, _| {})?;
    let states = solution.saved.into_iter().map(|(_, x)| x).collect();
    Ok(Tape::solved(field, states, solution.statistics))
}

impl<B, F, const D: usize> Pullback<B, D> for Tape<'_, B, F, D>
where
    B: Backend,
    F: AutodiffModule<Autodiff<B>>,
{
    fn apply(self, cotangents: &[Tensor<B, D>]) -> Result<Gradients<B, D>, SolveError> {
        assert_eq!(
            cotangents.len(),
            self.states.len(),
            "one cotangent per saved state"
        );
        let mut chain = Chain::new(&self.states[0].device());
        for (x, cotangent) in self.states.iter().zip(cotangents).rev() {
            chain = chain.add(x, cotangent.clone());
        }
        let gradients = chain.backward();
        let x = (self.states[0].grad(&gradients)).expect("its own cotangent at least");
        Ok(Gradients {
            x,
            parameters: parameters::collect(self.field, &gradients),
            evaluations: 0,
        })
    }
}
