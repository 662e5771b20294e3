//! A fused operation as one node of the tape.

#[cfg(any(feature = "wgpu", feature = "cuda"))]
pub(crate) mod parts;

use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::tensor::backend::{Backend, BackendTypes};
use burn::tensor::ops::FloatTensor;
use std::fmt::Debug;

/// The primitive of a tensor on the tape over this backend.
pub(crate) type Tracked<I> = <Autodiff<I> as BackendTypes>::FloatTensorPrimitive;

/// An operation of N tensors with a backward of its own.
pub(crate) trait Fused<I: Backend, const N: usize>: Debug + Clone + Send + 'static {
    /// What the backward needs besides the gradient.
    type Saved: Debug + Clone + Send + 'static;

    /// The value, and what the backward will need. Both may be written over an input that nothing
    /// else holds.
    fn forward(&self, inputs: [FloatTensor<I>; N]) -> (FloatTensor<I>, Self::Saved);

    /// The value where no gradient will be asked for, so that nothing need be kept.
    fn value(&self, inputs: [FloatTensor<I>; N]) -> FloatTensor<I> {
        self.forward(inputs).0
    }

    /// The gradients of the inputs that want one.
    fn backward(
        &self,
        saved: Self::Saved,
        gradient: FloatTensor<I>,
        wanted: [bool; N],
    ) -> [Option<FloatTensor<I>>; N];
}

#[derive(Debug)]
struct Node<O>(O);

impl<I: Backend, O: Fused<I, N>, const N: usize> Backward<I, N> for Node<O> {
    type State = O::Saved;

    fn backward(self, ops: Ops<O::Saved, N>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = gradients.consume::<I>(&ops.node);
        let wanted = ops.parents.each_ref().map(Option::is_some);
        let shares = self.0.backward(ops.state, gradient, wanted);
        for (parent, share) in ops.parents.into_iter().zip(shares) {
            if let (Some(parent), Some(share)) = (parent, share) {
                gradients.register::<I>(parent.id, share);
            }
        }
    }
}

/// Runs the operation on tracked tensors.
pub(crate) fn track<I: Backend, O: Fused<I, N>, const N: usize>(
    operation: O,
    inputs: [Tracked<I>; N],
) -> Tracked<I> {
    let nodes = inputs.each_ref().map(|x| x.node.clone());
    // Until the operation is on the tape: where another thread ends a backward pass, burn frees the
    // nodes that no tensor holds.
    let _held = inputs.each_ref().map(|x| x.rc.clone());
    let values = inputs.map(|x| x.primitive);
    let node = Backward::<I, N>::prepare::<NoCheckpointing>(Node(operation.clone()), nodes);
    match node.compute_bound().stateful() {
        OpsKind::Tracked(prepared) => {
            let (value, saved) = operation.forward(values);
            prepared.finish(saved, value)
        }
        OpsKind::UnTracked(prepared) => prepared.finish(operation.value(values)),
    }
}
