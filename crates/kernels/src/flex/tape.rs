//! A fused operation as one node of the tape.

use super::Tracked;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn_flex::{Flex, FlexTensor};
use std::fmt::Debug;

/// An operation of N tensors with a backward of its own.
pub(super) trait Fused<const N: usize>: Debug + Clone + Send + 'static {
    /// What the backward needs besides the gradient.
    type Saved: Debug + Clone + Send + 'static;

    /// The value, and what the backward will need. It may be written over an input that is nobody else's, what the backward needs
    /// included.
    fn forward(&self, inputs: [FlexTensor; N]) -> (FlexTensor, Self::Saved);

    /// The value where no gradient will be asked for, so that nothing has to be kept.
    fn value(&self, inputs: [FlexTensor; N]) -> FlexTensor {
        self.forward(inputs).0
    }

    /// The gradients of the inputs that want one.
    fn backward(
        &self,
        saved: Self::Saved,
        gradient: FlexTensor,
        wanted: [bool; N],
    ) -> [Option<FlexTensor>; N];
}

#[derive(Debug)]
struct Node<O>(O);

impl<O: Fused<N>, const N: usize> Backward<Flex, N> for Node<O> {
    type State = O::Saved;

    fn backward(self, ops: Ops<O::Saved, N>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = gradients.consume::<Flex>(&ops.node);
        let wanted = ops.parents.each_ref().map(Option::is_some);
        let shares = self.0.backward(ops.state, gradient, wanted);
        for (parent, share) in ops.parents.into_iter().zip(shares) {
            if let (Some(parent), Some(share)) = (parent, share) {
                gradients.register::<Flex>(parent.id, share);
            }
        }
    }
}

/// The operation on tracked tensors.
pub(super) fn track<O: Fused<N>, const N: usize>(operation: O, inputs: [Tracked; N]) -> Tracked {
    let nodes = inputs.each_ref().map(|x| x.node.clone());
    let values = inputs.map(|x| x.primitive);
    let node = Backward::<Flex, N>::prepare::<NoCheckpointing>(Node(operation.clone()), nodes);
    match node.compute_bound().stateful() {
        OpsKind::Tracked(prepared) => {
            let (value, saved) = operation.forward(values);
            prepared.finish(saved, value)
        }
        OpsKind::UnTracked(prepared) => prepared.finish(operation.value(values)),
    }
}
