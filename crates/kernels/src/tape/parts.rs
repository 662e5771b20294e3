//! A fused operation with several values.
//!
//! On the tape it is one node, with a node behind it for each value. The backward pass reaches those
//! first: each leaves its gradient to the one node, which then has all of them.

use super::Tracked;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::tensor::backend::Backend;
use burn::tensor::ops::FloatTensor;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};

/// An operation of one tensor with several values.
pub(crate) trait Parted<I: Backend>: Debug + Clone + Send + 'static {
    /// The values.
    fn forward(&self, x: FloatTensor<I>) -> Vec<FloatTensor<I>>;

    /// The gradient of the input by those of the values, of which one at least has one.
    fn backward(&self, gradients: Vec<Option<FloatTensor<I>>>) -> FloatTensor<I>;
}

/// The gradients of the values, as far as they are known.
type Left<I> = Arc<Mutex<Vec<Option<FloatTensor<I>>>>>;

#[derive(Debug)]
struct Whole<O>(O);

impl<I: Backend, O: Parted<I>> Backward<I, 1> for Whole<O> {
    type State = Left<I>;

    fn backward(self, ops: Ops<Left<I>, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let mut left = ops.state.lock().unwrap_or_else(PoisonError::into_inner);
        let left = left.iter_mut().map(Option::take).collect();
        if let [Some(parent)] = ops.parents {
            gradients.register::<I>(parent.id, self.0.backward(left));
        }
    }
}

/// The value of this number.
#[derive(Debug)]
struct Part(usize);

impl<I: Backend> Backward<I, 1> for Part {
    type State = Left<I>;

    fn backward(self, ops: Ops<Left<I>, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = gradients.consume::<I>(&ops.node);
        ops.state.lock().unwrap_or_else(PoisonError::into_inner)[self.0] = Some(gradient);
    }
}

/// Runs the operation on a tracked tensor.
pub(crate) fn track_parts<I: Backend>(operation: impl Parted<I>, x: Tracked<I>) -> Vec<Tracked<I>> {
    let values = operation.forward(x.primitive);
    let left: Left<I> = Arc::new(Mutex::new(vec![None; values.len()]));
    let whole = Backward::<I, 1>::prepare::<NoCheckpointing>(Whole(operation), [x.node]);
    let whole = match whole.compute_bound().stateful() {
        OpsKind::Tracked(prepared) => prepared.finish(left.clone(), values[0].clone()),
        OpsKind::UnTracked(prepared) => prepared.finish(values[0].clone()),
    };
    let part = |(i, value)| {
        let nodes = [whole.node.clone()];
        let part = Backward::<I, 1>::prepare::<NoCheckpointing>(Part(i), nodes);
        match part.compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish(left.clone(), value),
            OpsKind::UnTracked(prepared) => prepared.finish(value),
        }
    };
    values.into_iter().enumerate().map(part).collect()
}
