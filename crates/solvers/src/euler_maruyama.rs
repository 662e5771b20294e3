//! The Euler–Maruyama method.
//!
//! `x_s = x_t + h·f(t, x_t) + g(t)·√h·ξ, ξ ~ N(0, I), h = s − t`
//!
//! Source: Maruyama 1955. Strong order 1 for additive noise, weak order 1.

use crate::method::Method;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::field::Sde;
use pyroclast_core::noise::{Noise, Stream};

/// Steps of Euler with a Brownian increment, drawn from the sampler's stream: step i of a solve uses draws `first + i`.
///
/// Times must increase: an SDE is not solved backward by a negative step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EulerMaruyama {
    /// The source of the increments.
    pub noise: Noise,
    /// The stream's step that the first increment is drawn from.
    pub first: u64,
}

impl<B: Backend, F: Sde<B, D> + ?Sized, const D: usize> Method<B, F, D> for EulerMaruyama {
    /// How many increments have been drawn.
    type State = u64;

    fn init(&self, _: &F, _: f64, _: &Tensor<B, D>) -> u64 {
        0
    }

    /// # Panics
    /// If `s < t`.
    fn step(&self, field: &F, t: f64, s: f64, x: Tensor<B, D>, drawn: u64) -> (Tensor<B, D>, u64) {
        let h = s - t;
        assert!(
            h >= 0.0,
            "an SDE is solved forward in time, not from {t} to {s}"
        );
        let g = field.diffusion(t) * h.sqrt();
        let moved = x.clone() + field.drift(t, x.clone()) * h;
        if g == 0.0 {
            return (moved, drawn + 1);
        }
        let mut draws = self.noise.draws(Stream::Sampler, self.first + drawn);
        let xi = draws.normal_tensor(x.dims(), &x.device(), x.dtype());
        (moved + xi * g, drawn + 1)
    }
}
