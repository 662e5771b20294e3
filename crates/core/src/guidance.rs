//! Classifier-free guidance.
//!
//! `û = u + w·(c − u)`: w = 1 is the conditional model, w = 0 the unconditional one, w > 1 overshoots towards the condition
//!
//! Source: Ho & Salimans 2022. Their guidance strength is w − 1.

use crate::field::{Denoiser, VectorField};
use crate::prediction::Endpoints;
use crate::schedule::Schedule;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// A conditional and an unconditional field, combined. It is a field itself, so every solver takes it.
///
/// An evaluation costs one of each, except at w = 0 and w = 1, where the field that does not count is not run.
#[derive(Debug, Clone, Copy)]
pub struct Guided<C, U> {
    /// The field under the condition.
    pub conditional: C,
    /// The field under none.
    pub unconditional: U,
    /// w.
    pub weight: f64,
}

impl<C, U> Guided<C, U> {
    fn combine<B: Backend, const D: usize>(
        &self,
        x: Tensor<B, D>,
        conditional: impl FnOnce(&C, Tensor<B, D>) -> Tensor<B, D>,
        unconditional: impl FnOnce(&U, Tensor<B, D>) -> Tensor<B, D>,
    ) -> Tensor<B, D> {
        if self.weight == 1.0 {
            conditional(&self.conditional, x)
        } else if self.weight == 0.0 {
            unconditional(&self.unconditional, x)
        } else {
            let u = unconditional(&self.unconditional, x.clone());
            let c = conditional(&self.conditional, x);
            u * (1.0 - self.weight) + c * self.weight
        }
    }
}

impl<B, C, U, const D: usize> VectorField<B, D> for Guided<C, U>
where
    B: Backend,
    C: VectorField<B, D>,
    U: VectorField<B, D>,
{
    fn velocity(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        self.combine(x, |c, x| c.velocity(t, x), |u, x| u.velocity(t, x))
    }
}

impl<B, C, U, const D: usize> Denoiser<B, D> for Guided<C, U>
where
    B: Backend,
    C: Denoiser<B, D>,
    U: Denoiser<B, D>,
{
    fn schedule(&self) -> &dyn Schedule {
        self.conditional.schedule()
    }

    fn denoise(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        self.combine(x, |c, x| c.denoise(t, x), |u, x| u.denoise(t, x))
    }

    fn endpoints(&self, t: f64, x: Tensor<B, D>) -> Endpoints<B, D> {
        let x1 = self.denoise(t, x.clone());
        Endpoints::of_data(self.schedule().at(t), x, x1)
    }

    fn noise(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        self.combine(x, |c, x| c.noise(t, x), |u, x| u.noise(t, x))
    }
}
