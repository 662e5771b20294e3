//! Gradients by running segments again.
//!
//! `λ_i = λ_{i+1}·∂x_{i+1}/∂x_i`, segment by segment from the last
//!
//! Of n steps, about √n states are kept. The pullback runs each segment between two of them once
//! more, this time on the tape, and pulls the cotangent through it. This is exactly the discrete
//! gradient, for fixed and for adaptive steps, since the same steps are run again.
//!
//! The number of steps need not be known: when too many states have been kept, every other one is
//! dropped and the stride doubles.

use super::chain::Chain;
use super::rebased::Rebased;
use super::{Gradients, Pullback, Solved, parameters};
use crate::error::SolveError;
use crate::grid::TimeGrid;
use crate::method::{EmbeddedMethod, Memory, Method, Parts};
use crate::solve::{Control, Statistics, Stopped, land};
use burn::backend::Autodiff;
use burn::module::AutodiffModule;
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::field::{Counted, VectorField};

/// A state that is kept, with the memory of the method.
#[derive(Debug, Clone)]
struct Checkpoint<B: Backend, const D: usize> {
    x: Tensor<B, D>,
    /// `None` at the start.
    memory: Option<Parts<B, D>>,
}

/// What a solve keeps for its pullback.
#[derive(Debug)]
struct Record<B: Backend, const D: usize> {
    /// The time at which every step starts.
    starts: Vec<f64>,
    /// Checkpoint i lies before step `i·stride`.
    checkpoints: Vec<Checkpoint<B, D>>,
    stride: usize,
}

impl<B: Backend, const D: usize> Record<B, D> {
    fn new() -> Self {
        Self {
            starts: Vec::new(),
            checkpoints: Vec::new(),
            stride: 1,
        }
    }

    /// Call this before each step.
    fn before(&mut self, t: f64, x: &Tensor<B, D>, memory: impl FnOnce() -> Parts<B, D>) {
        let step = self.starts.len();
        self.starts.push(t);
        if !step.is_multiple_of(self.stride) {
            return;
        }
        // The tape of a step, with its stages and the network's activations, is larger than a
        // state, so there are more states than steps in a segment.
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
        // What is known at the start, such as the slope that chose the first step, depends on x
        // alone: it is computed again.
        let memory = (step > 0).then(memory);
        self.checkpoints.push(Checkpoint {
            x: x.clone(),
            memory,
        });
    }
}

/// The pullback that runs the solve again.
#[derive(Debug)]
pub struct Replay<'a, B: Backend, F, M, const D: usize> {
    field: &'a F,
    method: &'a M,
    times: Vec<f64>,
    record: Record<B, D>,
}

/// States with a pullback that runs the solve again.
pub type Replayable<'a, B, F, M, const D: usize> = Solved<B, Replay<'a, B, F, M, D>, D>;

/// Solves over `times` on B with `substeps` equal steps between any two of them, and keeps what the
/// pullback needs.
///
/// The field is a module that can be integrated on both backends, such as
/// `impl<B: Backend> VectorField<B, D> for Net<B>`, or an SDE, which is run again along the same
/// Brownian path. The times of an SDE have no gradient.
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
        }
        states.push(x.clone());
    }
    let statistics = Statistics {
        steps: record.starts.len(),
        rejections: 0,
        evaluations: counted.evaluations(),
    };
    Solved {
        pullback: Replay {
            field,
            method,
            times: times.times().to_vec(),
            record,
        },
        states,
        statistics,
    }
}

/// [`checkpointed`] with steps as long as the tolerance allows, which land on each of the times.
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
    let mut record = Record::new();
    let solution = land(
        control,
        &counted,
        method,
        x,
        times,
        |t, x, state: &M::State| {
            record.before(t, x, || state.clone().into_parts());
        },
    )?;
    let states: Vec<Tensor<B, D>> = solution.saved.into_iter().map(|(_, x)| x).collect();
    Ok(Solved {
        pullback: Replay {
            field,
            method,
            times: times.times().to_vec(),
            record,
        },
        states,
        statistics: solution.statistics,
    })
}

impl<B, F, M, const D: usize> Pullback<B, D> for Replay<'_, B, F, M, D>
where
    B: Backend,
    F: AutodiffModule<Autodiff<B>>,
    M: for<'b, 'c> Method<Autodiff<B>, Counted<'b, Rebased<'c, F>>, D>,
{
    fn apply(self, cotangents: &[Tensor<B, D>]) -> Result<Gradients<B, D>, SolveError> {
        let Record {
            starts,
            checkpoints,
            stride,
        } = self.record;
        let last = self.times.len() - 1;
        assert_eq!(cotangents.len(), last + 1, "one cotangent per saved state");
        let forward = self.times[last] > self.times[0];
        let ends = starts.iter().skip(1).chain(&self.times[last..]);
        let steps: Vec<(f64, f64)> = starts.iter().copied().zip(ends.copied()).collect();
        let rebased = Rebased(self.field);
        let counted = Counted::new(&rebased);
        // The cotangents at the end of this segment, from the later ones.
        let mut at_x = cotangents[last].clone();
        let mut at_memory: Vec<Tensor<B, D>> = Vec::new();
        let mut found = GradientsParams::new();
        for (i, checkpoint) in checkpoints.iter().enumerate().rev() {
            let range = i * stride..((i + 1) * stride).min(steps.len());
            let cotangent = |t: f64| {
                let at = |time: &f64| {
                    if forward {
                        time.total_cmp(&t)
                    } else {
                        t.total_cmp(time)
                    }
                };
                let saved = self.times[..last].binary_search_by(at);
                saved.ok().map(|k| &cotangents[k])
            };
            let leaf = |x: &Tensor<B, D>| Tensor::from_inner(x.clone()).require_grad();
            let start = leaf(&checkpoint.x);
            let (memory, mut state) = match &checkpoint.memory {
                None => (Vec::new(), self.method.init(&counted, steps[0].0, &start)),
                Some(parts) => {
                    let memory: Vec<_> = parts.tensors.iter().map(leaf).collect();
                    let parts = Parts {
                        tensors: memory.clone(),
                        times: parts.times.clone(),
                        counts: parts.counts.clone(),
                    };
                    (memory, M::State::from_parts(parts))
                }
            };
            let mut x = start.clone();
            let mut seeds = Vec::new();
            for &(t, s) in &steps[range] {
                if let Some(cotangent) = cotangent(t) {
                    seeds.push((x.clone(), cotangent.clone()));
                }
                (x, state) = self.method.step(&counted, t, s, x, state);
            }
            let ends = state.into_parts().tensors;
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
            let mut found_at = (std::iter::once(&start).chain(&memory)).map(|leaf| {
                leaf.grad(&gradients)
                    .unwrap_or_else(|| checkpoint.x.zeros_like())
            });
            at_x = found_at.next().expect("the state comes first");
            at_memory = found_at.collect();
        }
        Ok(Gradients {
            x: at_x,
            parameters: found,
            evaluations: counted.evaluations(),
        })
    }
}
