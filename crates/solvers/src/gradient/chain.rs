//! A backward pass that starts from given cotangents.
//!
//! `carrier → carrier`, and backward `tensor.grad += cotangent`
//!
//! burn's `backward` starts from ones at one tensor. A seed is a step on the tape that passes its
//! carrier through, and in the backward pass gives its tensor a cotangent. A chain that begins at
//! the last tensor is deeper than any other step, so all cotangents are in place before anything
//! else is added to them. Sums over segments are then the same as on one tape, to the bit.

use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::tensor::backend::Backend;
use burn::tensor::ops::FloatTensor;
use burn::tensor::{Tensor, TensorPrimitive};

/// The end of a chain of seeds.
pub(super) struct Chain<B: Backend>(Tensor<Autodiff<B>, 1>);

#[derive(Debug)]
struct Seed;

impl<B: Backend> Backward<B, 2> for Seed {
    type State = FloatTensor<B>;

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let carried = grads.consume::<B>(&ops.node);
        let [carrier, tensor] = ops.parents;
        if let Some(carrier) = carrier {
            grads.register::<B>(carrier.id, carried);
        }
        if let Some(tensor) = tensor {
            grads.register::<B>(tensor.id, ops.state);
        }
    }
}

impl<B: Backend> Chain<B> {
    pub(super) fn new(device: &B::Device) -> Self {
        Self(Tensor::zeros([1], device).require_grad())
    }

    /// Gives `tensor` a cotangent in the backward pass, before all that were added earlier.
    pub(super) fn add<const D: usize>(
        self,
        tensor: &Tensor<Autodiff<B>, D>,
        cotangent: Tensor<B, D>,
    ) -> Self {
        let carrier = self.0.into_primitive().tensor();
        let tensor = tensor.clone().into_primitive().tensor();
        let value = carrier.primitive.clone();
        let operation = Backward::<B, 2>::prepare::<NoCheckpointing>(
            Seed,
            [carrier.node.clone(), tensor.node.clone()],
        );
        let next = match operation.compute_bound().stateful() {
            OpsKind::Tracked(prepared) => {
                prepared.finish(cotangent.into_primitive().tensor(), value)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(value),
        };
        Self(Tensor::from_primitive(TensorPrimitive::Float(next)))
    }

    pub(super) fn backward(self) -> Gradients {
        self.0.backward()
    }
}
