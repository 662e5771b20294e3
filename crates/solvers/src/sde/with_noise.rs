//! An SDE method for a model.
//!
//! `dX = [u_t + ½g_t²·∇log p_t] dt + g_t dW`, `g_t = c·σ_t`, or `c·s` for a bridge of diffusion s,
//! which has the marginals of `dX = u_t dt`

use crate::entry::option::NOISE_LEVEL;
use crate::entry::{ByReference, Settings};
use crate::method::{Memory, Method};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::field::{Denoiser, VectorField};
use pyroclast_core::reverse_sde::{NoiseLevel, ReverseSde};

/// Turns a method for SDEs into a method for a field with a score: it integrates the SDE with the
/// marginals of the field.
///
/// `dX = [u_t + ½g_t²·∇log p_t] dt + g_t dW`, `g_t = c·σ_t`; for a field that has learned the score
/// of bridges of diffusion s, `g_t = c·s`, so that c = 1 is the Schrödinger bridge's own SDE
///
/// Source: Song et al. 2021, §4.3; Albergo et al. 2023, theorem 2.8.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WithNoise<M> {
    /// The SDE method.
    pub method: M,
    /// The factor c in `g_t = c·σ_t` or `c·s`, 0 or more.
    pub noise_level: f64,
}

impl<M> WithNoise<M> {
    pub(super) fn of(settings: &Settings<'_>, method: M) -> Self {
        Self {
            method,
            noise_level: settings.number(&NOISE_LEVEL),
        }
    }

    fn sde<'a, B: Backend, F, const D: usize>(&self, field: &'a F) -> ReverseSde<ByReference<'a, F>>
    where
        F: Denoiser<B, D>,
    {
        ReverseSde {
            field: ByReference(field),
            noise_level: match field.bridge_diffusion() {
                Some(s) => NoiseLevel::Constant(self.noise_level * s),
                None => NoiseLevel::Sigma(self.noise_level),
            },
        }
    }
}

impl<B, F, M, S, const D: usize> Method<B, F, D> for WithNoise<M>
where
    B: Backend,
    F: VectorField<B, D> + Denoiser<B, D>,
    M: for<'a> Method<B, ReverseSde<ByReference<'a, F>>, D, State = S>,
    S: Memory<B, D>,
{
    type State = S;

    fn init(&self, field: &F, t: f64, x: &Tensor<B, D>) -> S {
        self.method.init(&self.sde(field), t, x)
    }

    fn step(&self, field: &F, t: f64, s: f64, x: Tensor<B, D>, state: S) -> (Tensor<B, D>, S) {
        self.method.step(&self.sde(field), t, s, x, state)
    }
}
