//! A field whose parameters come after the state on the tape.
//!
//! `u_t(x; θ)` with θ one step of the tape after x
//!
//! An expression of parameters and time alone, such as a time embedding, lies at the bottom of the
//! tape whichever step it belongs to, and burn would add up its gradients in an order that depends
//! on the whole tape. Moved behind the state of their evaluation, the gradients of one evaluation
//! are added up together, and evaluations from the last to the first. The sum is then the same, to
//! the bit, on one tape and on segments.

use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorPrimitive};
use pyroclast_core::field::{Diffusion, Sde, VectorField};

/// The field, with its parameters moved at each evaluation.
#[derive(Debug)]
pub struct Rebased<'a, F>(pub(super) &'a F);

impl<F> Rebased<'_, F> {
    fn behind<B: Backend, const D: usize>(&self, x: &Tensor<Autodiff<B>, D>) -> F
    where
        F: Module<Autodiff<B>>,
    {
        self.0.clone().map(&mut Mover { behind: x })
    }
}

impl<B, F, const D: usize> VectorField<Autodiff<B>, D> for Rebased<'_, F>
where
    B: Backend,
    F: Module<Autodiff<B>> + VectorField<Autodiff<B>, D>,
{
    fn velocity(&self, t: f64, x: Tensor<Autodiff<B>, D>) -> Tensor<Autodiff<B>, D> {
        self.behind(&x).velocity(t, x)
    }
}

impl<B, F, const D: usize> Sde<Autodiff<B>, D> for Rebased<'_, F>
where
    B: Backend,
    F: Module<Autodiff<B>> + Sde<Autodiff<B>, D>,
{
    type Calculus = F::Calculus;

    fn drift(&self, t: f64, x: Tensor<Autodiff<B>, D>) -> Tensor<Autodiff<B>, D> {
        self.behind(&x).drift(t, x)
    }

    fn diffusion(&self, t: f64, x: &Tensor<Autodiff<B>, D>) -> Diffusion<Autodiff<B>, D> {
        self.behind(x).diffusion(t, x)
    }

    fn brownian_shape(&self, state: [usize; D]) -> [usize; D] {
        self.0.brownian_shape(state)
    }
}

struct Mover<'a, B: Backend, const D: usize> {
    behind: &'a Tensor<Autodiff<B>, D>,
}

impl<B: Backend, const D: usize> ModuleMapper<Autodiff<B>> for Mover<'_, B, D> {
    fn map_float<const N: usize>(
        &mut self,
        param: Param<Tensor<Autodiff<B>, N>>,
    ) -> Param<Tensor<Autodiff<B>, N>> {
        let (id, value, _) = param.consume();
        Param::initialized(id, moved(value, self.behind))
    }
}

#[derive(Debug)]
struct Rebase;

impl<B: Backend> Backward<B, 2> for Rebase {
    type State = ();

    fn backward(self, ops: Ops<(), 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = grads.consume::<B>(&ops.node);
        let [value, _] = ops.parents;
        if let Some(value) = value {
            grads.register::<B>(value.id, gradient);
        }
    }
}

/// The same values, one step of the tape after both tensors.
fn moved<B: Backend, const N: usize, const D: usize>(
    value: Tensor<Autodiff<B>, N>,
    behind: &Tensor<Autodiff<B>, D>,
) -> Tensor<Autodiff<B>, N> {
    if !value.is_require_grad() {
        return value;
    }
    let value = value.into_primitive().tensor();
    let behind = behind.clone().into_primitive().tensor();
    let same = value.primitive.clone();
    let operation = Backward::<B, 2>::prepare::<NoCheckpointing>(Rebase, [value.node, behind.node]);
    let moved = match operation.compute_bound().stateful() {
        OpsKind::Tracked(prepared) => prepared.finish((), same),
        OpsKind::UnTracked(prepared) => prepared.finish(same),
    };
    Tensor::from_primitive(TensorPrimitive::Float(moved))
}
