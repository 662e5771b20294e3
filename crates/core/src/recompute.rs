//! Training in less memory: what a part of a network computes is computed again in the backward
//! pass, in place of being kept until then.
//!
//! A network runs its parts as [`stage`]s. Where nothing is [`recorded`], a stage is a call of a
//! function, and the tape keeps what its backward pass needs. Where a loss is recorded, a stage
//! keeps its inputs alone: a network of n stages needs the memory of n inputs and of one stage,
//! and each stage is computed twice.
//!
//! Source: Chen et al. 2016, "Training deep nets with sublinear memory cost", §4.
//!
//! A stage has a tape of its own, which is walked after that of what follows it: burn's backward
//! pass cannot start another one within itself.

use crate::noise::Draws;
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::ops::{FloatTensor, FloatTensorOps};
use burn::tensor::{Tensor, TensorMetadata, TensorPrimitive};
use pyroclast_kernels::{Precision, fork};
use std::any::Any;
use std::cell::RefCell;

thread_local! {
    /// The stages of the loss that is being recorded on this thread, a `Vec<Stage<B>>`.
    static STAGES: RefCell<Option<Box<dyn Any>>> = const { RefCell::new(None) };
}

/// Tensors that enter a stage: a tensor, or several.
pub trait Inputs<B: Backend>: Clone + 'static {
    /// The same with each tensor replaced.
    #[must_use]
    fn replaced(self, f: &mut dyn FnMut(FloatTensor<B>) -> FloatTensor<B>) -> Self;
}

impl<B: Backend> Inputs<B> for () {
    fn replaced(self, _: &mut dyn FnMut(FloatTensor<B>) -> FloatTensor<B>) -> Self {}
}

impl<B: Backend, const D: usize> Inputs<B> for Tensor<B, D> {
    fn replaced(self, f: &mut dyn FnMut(FloatTensor<B>) -> FloatTensor<B>) -> Self {
        of(f(primitive(self)))
    }
}

impl<B: Backend, I: Inputs<B>> Inputs<B> for Option<I> {
    fn replaced(self, f: &mut dyn FnMut(FloatTensor<B>) -> FloatTensor<B>) -> Self {
        self.map(|inputs| inputs.replaced(f))
    }
}

impl<B: Backend, I: Inputs<B>> Inputs<B> for Vec<I> {
    fn replaced(self, f: &mut dyn FnMut(FloatTensor<B>) -> FloatTensor<B>) -> Self {
        self.into_iter().map(|inputs| inputs.replaced(f)).collect()
    }
}

impl<B: Backend, I: Inputs<B>, J: Inputs<B>> Inputs<B> for (I, J) {
    fn replaced(self, f: &mut dyn FnMut(FloatTensor<B>) -> FloatTensor<B>) -> Self {
        (self.0.replaced(f), self.1.replaced(f))
    }
}

/// A part of a network: `run(module, inputs, dropout)`.
///
/// All parameters that it uses are those of `module`. While a loss is recorded:
///
/// - An input is what another stage returned, or a leaf of the tape, or nothing that a gradient is
///   asked for: a gradient of anything else would be lost.
/// - `run` is called twice, on clones of the module, and has to do the same both times. So its
///   randomness comes from `dropout`, and it changes no state, such as the running averages of a
///   batch normalisation.
pub fn stage<B, M, I, const D: usize>(
    module: &M,
    inputs: I,
    dropout: Option<&mut Draws>,
    run: impl Fn(&M, I, Option<&mut Draws>) -> Tensor<B, D> + 'static,
) -> Tensor<B, D>
where
    B: Backend,
    M: Module<B> + 'static,
    I: Inputs<B>,
{
    let Some(mut stages) = taken::<B>() else {
        // Nodes of their own, so that the gradient of an input is the sum over this stage plus what
        // others add to it, as it is where stages are walked one by one.
        return run(module, inputs.replaced(&mut node::<B>), dropout);
    };
    // Clones of a parameter that has no values yet would draw values of their own.
    module.visit(&mut Drawn);
    let before = dropout.as_deref().cloned();
    let still = inputs.clone().replaced(&mut untracked::<B>);
    let output = run(&module.clone().no_grad(), still, dropout);
    let output = output.detach().require_grad();
    let (module, precision) = (module.clone(), Precision::current());
    stages.push(Stage {
        output: primitive(output.clone()),
        replay: Box::new(move || {
            let mut leaves = Leaves::<B>(Vec::new());
            let module = module.map(&mut leaves);
            let inputs = inputs.replaced(&mut |input| leaves.leaf(input));
            let mut before = before;
            Replay {
                output: primitive(precision.within(|| run(&module, inputs, before.as_mut()))),
                leaves: leaves.0,
            }
        }),
    });
    STAGES.set(Some(Box::new(stages)));
    output
}

/// A tensor that one stage after another takes, for the next of them.
///
/// Its gradient is then a sum that grows from the last stage to the first, whichever order the tape
/// is walked in.
#[must_use]
pub fn passed_on<B: Backend, const D: usize>(x: Tensor<B, D>) -> Tensor<B, D> {
    match STAGES.with_borrow(Option::is_some) {
        true => x,
        false => of(node::<B>(primitive(x))),
    }
}

/// The same tensor twice, for two stages. Where nothing is recorded, its gradients are added in the
/// order of memory ([`fork`]).
#[must_use]
pub fn taken_twice<B: Backend, const D: usize>(x: Tensor<B, D>) -> [Tensor<B, D>; 2] {
    match STAGES.with_borrow(Option::is_some) {
        true => [x.clone(), x],
        false => fork(x),
    }
}

/// Computes a loss whose stages keep their inputs alone. After its backward pass,
/// [`Stages::walk`] adds the gradients of the stages to those of the loss.
pub fn recorded<B: AutodiffBackend, T>(loss: impl FnOnce() -> T) -> (T, Stages<B>) {
    /// Ends the recording, also where the loss panics.
    struct End;
    impl Drop for End {
        fn drop(&mut self) {
            STAGES.set(None);
        }
    }
    let end = End;
    STAGES.set(Some(Box::new(Vec::<Stage<B>>::new())));
    let loss = loss();
    let stages = taken::<B>().unwrap_or_default();
    drop(end);
    (loss, Stages(stages))
}

/// The stages of a loss, in their order.
#[must_use = "without them the gradients of a loss are those of its last part"]
pub struct Stages<B: Backend>(Vec<Stage<B>>);

impl<B: Backend> Default for Stages<B> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<B: Backend> Stages<B> {
    /// The number of stages.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<B: AutodiffBackend> Stages<B> {
    /// Adds the gradients of what the stages depend on, from the last stage to the first.
    pub fn walk(self, gradients: &mut B::Gradients) {
        for stage in self.0.into_iter().rev() {
            let Some(gradient) = B::grad_remove(&stage.output, gradients) else {
                continue;
            };
            let replay = (stage.replay)();
            // The gradient of ⟨output, gradient⟩ by the output is the gradient. Beside it stands a
            // leaf, since a stage of which nothing is trained has no tape.
            let along = B::float_mul(replay.output, B::from_inner(gradient));
            let along = B::float_sum(along);
            let leaf = B::float_set_require_grad(untracked::<B>(along.clone()), true);
            let mut own = B::backward(B::float_add(along, leaf));
            for (original, leaf) in replay.leaves {
                let Some(share) = B::grad_remove(&leaf, &mut own) else {
                    continue;
                };
                let sum = match B::grad_remove(&original, gradients) {
                    Some(sum) => B::InnerBackend::float_add(sum, share),
                    None => share,
                };
                B::grad_replace(&original, gradients, sum);
            }
        }
    }
}

/// A stage that has run, and will run again.
struct Stage<B: Backend> {
    output: FloatTensor<B>,
    replay: Box<dyn FnOnce() -> Replay<B>>,
}

/// A stage on a tape of its own: its output, and the leaves in the places of its inputs and
/// parameters.
struct Replay<B: Backend> {
    output: FloatTensor<B>,
    leaves: Vec<(FloatTensor<B>, FloatTensor<B>)>,
}

/// Puts leaves in the places of the tensors that a gradient is asked for. Tapes that share leaves
/// are one tape to burn, with one lock.
struct Leaves<B: Backend>(Vec<(FloatTensor<B>, FloatTensor<B>)>);

impl<B: Backend> Leaves<B> {
    fn leaf(&mut self, original: FloatTensor<B>) -> FloatTensor<B> {
        if !B::float_is_require_grad(&original) {
            return original;
        }
        let leaf = B::float_set_require_grad(untracked::<B>(original.clone()), true);
        self.0.push((original, leaf.clone()));
        leaf
    }
}

impl<B: Backend> ModuleMapper<B> for Leaves<B> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        param.map(|value| of(self.leaf(primitive(value))))
    }
}

/// Gives values to parameters that have none yet.
struct Drawn;

impl<B: Backend> ModuleVisitor<B> for Drawn {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        let _ = param.val();
    }
}

/// The stages that are being recorded, if they are of this backend. Until they are put back, the
/// thread records nothing, so that a stage within a stage is a part of it.
fn taken<B: Backend>() -> Option<Vec<Stage<B>>> {
    let stages = STAGES.take()?;
    match stages.downcast::<Vec<Stage<B>>>() {
        Ok(stages) => Some(*stages),
        Err(others) => {
            STAGES.set(Some(others));
            None
        }
    }
}

/// The same numbers beside the tape: a detached leaf would still be a leaf.
fn untracked<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    B::float_set_require_grad(x, false)
}

/// The same numbers as a node of the tape.
fn node<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let shape = x.shape();
    B::float_reshape(x, shape)
}

fn primitive<B: Backend, const D: usize>(x: Tensor<B, D>) -> FloatTensor<B> {
    x.into_primitive().tensor()
}

fn of<B: Backend, const D: usize>(x: FloatTensor<B>) -> Tensor<B, D> {
    Tensor::from_primitive(TensorPrimitive::Float(x))
}
