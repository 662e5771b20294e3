//! A model under another schedule than the one it was trained on.
//!
//! `X̄_r = s(r)·X_{t(r)}`, where `SNR(t(r)) = SNR̄(r)`
//!
//! Source: Lipman et al. 2024, §4.6.2; Pokle et al. 2023; Karras et al. 2022, appendix B.

use crate::endpoints::Endpoints;
use crate::field::{Denoiser, LearnedVariance, VectorField};
use crate::schedule::{Change, Schedule, change};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// A field of one schedule, run under another.
///
/// `ū_r(x̄) = (ṡ/s)·x̄ + s·ṫ·u_t(x̄/s)`, and the denoiser is `x̂1(x̄/s, t)`.
///
/// A network trained under `F`'s schedule samples under `S` without being trained again.
#[derive(Debug, Clone)]
pub struct Rescheduled<F, S> {
    /// The field on its own schedule.
    pub field: F,
    /// The schedule to run it under.
    pub schedule: S,
}

impl<B, F, S, const D: usize> VectorField<B, D> for Rescheduled<F, S>
where
    B: Backend,
    F: VectorField<B, D> + Denoiser<B, D>,
    S: Schedule,
{
    fn velocity(&self, r: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        let Change {
            t,
            scale,
            d_t,
            d_scale,
        } = change(self.field.schedule(), &self.schedule, r);
        let u = self.field.velocity(t, x.clone() * scale.recip());
        x * (d_scale / scale) + u * (scale * d_t)
    }
}

impl<B, F, S, const D: usize> Denoiser<B, D> for Rescheduled<F, S>
where
    B: Backend,
    F: Denoiser<B, D>,
    S: Schedule,
{
    fn schedule(&self) -> &dyn Schedule {
        &self.schedule
    }

    fn denoise(&self, r: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        let Change { t, scale, .. } = change(self.field.schedule(), &self.schedule, r);
        self.field.denoise(t, x * scale.recip())
    }

    fn is_defined(&self, r: f64) -> bool {
        let Change { t, .. } = change(self.field.schedule(), &self.schedule, r);
        self.field.is_defined(t)
    }

    fn endpoints(&self, r: f64, x: Tensor<B, D>) -> Endpoints<B, D> {
        let Change { t, scale, .. } = change(self.field.schedule(), &self.schedule, r);
        self.field.endpoints(t, x * scale.recip())
    }
}

impl<B, F, S, const D: usize> LearnedVariance<B, D> for Rescheduled<F, S>
where
    B: Backend,
    F: LearnedVariance<B, D>,
    S: Schedule,
{
    fn endpoints_and_variance(&self, r: f64, x: Tensor<B, D>) -> (Endpoints<B, D>, Tensor<B, D>) {
        let Change { t, scale, .. } = change(self.field.schedule(), &self.schedule, r);
        self.field.endpoints_and_variance(t, x * scale.recip())
    }
}
