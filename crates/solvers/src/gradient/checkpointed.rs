//! Gradients by running segments again.
//!
//! Of n steps some √n states are kept. On the way back each segment between two of them is run once more, this time on the tape, and the
//! cotangent is pulled through it: the discrete gradient, exactly, for fixed and for adaptive steps, since what is run again are the
//! steps that were kept.
//!
//! The number of steps need not be known: when too many states have been kept, every other one is dropped and the stride doubles.

use super::rebase::Rebased;
use super::seed::Chain;
use super::{Gradients, Pullback, Solved, parameters, time_gradient};
use crate::adaptive::Stepper;
use crate::control::Control;
use crate::error::SolveError;
use crate::grid::TimeGrid;
use crate::method::{EmbeddedMethod, Memory, Method};
use crate::solution::{Statistics, Stopped};
use burn::backend::Autodiff;
use burn::module::AutodiffModule;
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::field::{Counted, VectorField};

/// A state that was kept, with the memory of the method.
#[derive(Debug, Clone)]
struct Checkpoint<B: Backend, const D: usize> {
    x: Tensor<B, D>,
    memory: (Vec<Tensor<B, D>>, u64),
}

/// What a solve leaves behind for the way back.
#[derive(Debug)]
struct Record<B: Backend, const D: usize> {
    /// (from, to) of every step.
    steps: Vec<(f64, f64)>,
    /// Checkpoint i stands before step `i·stride`.
    checkpoints: Vec<Checkpoint<B, D>>,
    stride: usize,
    /// How many steps had been taken at each saved time.
    saved: Vec<usize>,
}

impl<B: Backend, const D: usize> Record<B, D> {
    fn new() -> Self {
        Self {
            steps: Vec::new(),
            checkpoints: Vec::new(),
            stride: 1,
            saved: vec![0],
        }
    }

    /// To be called before each step.
    fn before(&mut self, t: f64, x: &Tensor<B, D>, memory: impl FnOnce() -> Parts<B, D>) {
        let step = self.steps.len();
        debug_assert!(self.steps.last().is_none_or(|last| last.1 == t));
        if !step.is_multiple_of(self.stride) {
            return;
        }
        // A segment's tape outweighs a state by the stages and the network's activations, so there are more states than steps in a segment.
        if self.checkpoints.len() >= 4 * self.stride {
            let mut index = 0;
            self.checkpoints.retain(|_| {
                index += 1;
                index % 2 == 1
            });
            self.stride *= 2;
            if !step.is_multiple_of(self.stride) {
                return;
            }
        }
        // What is known at the start, such as the slope that the first step was chosen by, comes of x alone: it is found again.
        let memory = if step == 0 { (Vec::new(), 0) } else { memory() };
        self.checkpoints.push(Checkpoint {
            x: x.clone(),
            memory,
        });
    }
}

type Parts<B, const D: usize> = (Vec<Tensor<B, D>>, u64);

/// The way back over a record.
#[derive(Debug)]
pub struct Replay<'a, B: Backend, F, M, const D: usize> {
    field: &'a F,
    method: &'a M,
    times: Vec<f64>,
    ends: Vec<Tensor<B, D>>,
    record: Record<B, D>,
}

/// States with a way back that runs the solve again.
pub type Replayable<'a, B, F, M, const D: usize> = Solved<B, Replay<'a, B, F, M, D>, D>;

/// Solves over `times` with `substeps` equal steps between each two of them, on B, and keeps what the way back needs.
///
/// The field is a module that is a vector field on both backends: `impl<B: Backend> VectorField<B, D> for Net<B>`.
///
/// # Panics
/// If `substeps` is 0.
pub fn checkpointed<'a, B, F, M, const D: usize>(
    field: &'a F,
    method: &'a M,
    x: Tensor<B, D>,
    times: &TimeGrid,
    substeps: usize,
) -> Replayable<'a, B, F, M, D>
where
    B: Backend,
    F: AutodiffModule<Autodiff<B>>,
    F::InnerModule: VectorField<B, D>,
    M: for<'b> Method<B, Counted<'b, F::InnerModule>, D>,
{
    let inner = field.valid();
    let counted = Counted::new(&inner);
    let mut record = Record::new();
    let mut states = vec![x.clone()];
    let mut state = method.init(&counted, times.times()[0], &x);
    let mut x = x;
    for (from, to) in times.intervals() {
        for (t, s) in TimeGrid::uniform(from, to, substeps).intervals() {
            record.before(t, &x, || state.clone().into_parts());
            (x, state) = method.step(&counted, t, s, x, state);
            record.steps.push((t, s));
        }
        record.saved.push(record.steps.len());
        states.push(x.clone());
    }
    let statistics = Statistics {
        steps: record.steps.len(),
        rejections: 0,
        evaluations: counted.evaluations(),
    };
    Solved {
        pullback: Replay {
            field,
            method,
            times: times.times().to_vec(),
            ends: states.clone(),
            record,
        },
        states,
        statistics,
    }
}

/// Solves over `times` with steps as long as the tolerance allows, landing on each of them.
///
/// # Errors
/// [`Stopped`].
pub fn checkpointed_adaptive<'a, B, F, M, const D: usize>(
    field: &'a F,
    method: &'a M,
    x: Tensor<B, D>,
    times: &TimeGrid,
    control: Control,
) -> Result<Replayable<'a, B, F, M, D>, Stopped<B, D>>
where
    B: Backend,
    F: AutodiffModule<Autodiff<B>>,
    F::InnerModule: VectorField<B, D>,
    M: for<'b> EmbeddedMethod<B, Counted<'b, F::InnerModule>, D>,
{
    let inner = field.valid();
    let counted = Counted::new(&inner);
    let times = times.times();
    let span = (times[0], times[times.len() - 1]);
    let mut record = Record::new();
    let mut states = vec![x.clone()];
    let mut solver = Stepper::new(&counted, method, x, span, control);
    let mut run = || {
        solver.start()?;
        for &time in &times[1..] {
            while solver.t != time && !solver.is_done() {
                record.before(solver.t, &solver.x, || solver.state.clone().into_parts());
                let kept = solver.step(time)?;
                record.steps.push((kept.t, kept.s));
            }
            record.saved.push(record.steps.len());
            states.push(solver.x.clone());
        }
        Ok(())
    };
    let outcome = run();
    let saved = times.iter().copied().zip(states.iter().cloned()).collect();
    let solution = solver.finish(outcome, saved, counted.evaluations())?;
    Ok(Solved {
        pullback: Replay {
            field,
            method,
            times: times.to_vec(),
            ends: states.clone(),
            record,
        },
        states,
        statistics: solution.statistics,
    })
}

impl<B, F, M, const D: usize> Pullback<B, D> for Replay<'_, B, F, M, D>
where
    B: Backend,
    F: AutodiffModule<Autodiff<B>> + VectorField<Autodiff<B>, D>,
    F::InnerModule: VectorField<B, D>,
    M: for<'b, 'c> Method<Autodiff<B>, Counted<'b, Rebased<'c, F>>, D>,
{
    fn apply(self, cotangents: &[Tensor<B, D>]) -> Result<Gradients<B, D>, SolveError> {
        let Record {
            steps,
            checkpoints,
            stride,
            saved,
        } = self.record;
        assert_eq!(cotangents.len(), saved.len(), "one cotangent a saved state");
        let rebased = Rebased(self.field);
        let counted = Counted::new(&rebased);
        // What the later segments leave at the end of this one.
        let mut at_x = cotangents[saved.len() - 1].clone();
        let mut at_memory: Vec<Tensor<B, D>> = Vec::new();
        let mut found = GradientsParams::new();
        for (i, checkpoint) in checkpoints.iter().enumerate().rev() {
            let range = i * stride..((i + 1) * stride).min(steps.len());
            let cotangent = |step: usize| saved.binary_search(&step).ok().map(|k| &cotangents[k]);
            let leaf = |x: &Tensor<B, D>| Tensor::from_inner(x.clone()).require_grad();
            let (tensors, count) = &checkpoint.memory;
            let memory: Vec<Tensor<Autodiff<B>, D>> = tensors.iter().map(leaf).collect();
            let start = leaf(&checkpoint.x);
            let (mut x, mut state) = (start.clone(), M::State::from_parts(memory.clone(), *count));
            let mut seeds = Vec::new();
            for (step, &(t, s)) in range.clone().zip(&steps[range.clone()]) {
                if let Some(cotangent) = cotangent(step) {
                    seeds.push((x.clone(), cotangent.clone()));
                }
                (x, state) = self.method.step(&counted, t, s, x, state);
            }
            let (ends, _) = state.into_parts();
            let mut chain = Chain::new(&checkpoint.x.device());
            for (end, cotangent) in ends.iter().zip(at_memory.drain(..)) {
                chain = chain.add(end, cotangent);
            }
            seeds.push((x, at_x));
            for (x, cotangent) in seeds.into_iter().rev() {
                chain = chain.add(&x, cotangent);
            }
            let gradients = parameters::seed(chain, self.field, &found).backward();
            found = parameters::collect(self.field, &gradients);
            let at = |x: &Tensor<Autodiff<B>, D>| {
                x.grad(&gradients)
                    .unwrap_or_else(|| checkpoint.x.zeros_like())
            };
            at_x = at(&start);
            at_memory = memory.iter().map(at).collect();
        }
        let inner = self.field.valid();
        Ok(Gradients {
            times: time_gradient::all(&inner, &self.times, &self.ends, cotangents, &at_x),
            x: at_x,
            parameters: found,
            evaluations: counted.evaluations(),
        })
    }
}
