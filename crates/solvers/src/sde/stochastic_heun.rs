//! Heun's method for Stratonovich equations.
//!
//! `x̂ = x + h·f + g·W`, `x_s = x + ½h·(f + f̂) + ½(g + ĝ)·W`
//!
//! Source: Rümelin 1982; Kloeden & Platen 1992, §15.4.

use super::embedded::embedded_sde_method;
use crate::brownian::{BrownianMotion, Interval, shared};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::field::{AsStratonovich, Sde};
use pyroclast_kernels::combine;

/// Heun's method for Stratonovich's calculus: strong order 1 for diagonal, scalar and additive
/// noise. Two evaluations per step. It also runs backward, and with a
/// [`BrownianTree`](crate::BrownianTree) it can choose its steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StochasticHeun<W> {
    /// The Brownian motion.
    pub brownian: W,
}

impl<W> StochasticHeun<W> {
    /// The step, and its difference from Euler's.
    fn attempt<B, F, const D: usize>(
        &self,
        field: &F,
        t: f64,
        s: f64,
        x: Tensor<B, D>,
        step: u64,
    ) -> (Tensor<B, D>, Tensor<B, D>)
    where
        B: Backend,
        F: Sde<B, D> + ?Sized,
        W: BrownianMotion<B, D>,
    {
        let h = s - t;
        let shape = field.brownian_shape(x.dims());
        let w = (self.brownian).increment(Interval { t, s, step }, shape, &x);
        let w = shared(w, x.dims());
        let drift = field.drift(t, x.clone());
        let noise = field.diffusion(t, &x).times(w.clone());
        let euler = combine(x, &[(h, &drift), (1.0, &noise)]);
        let drift_there = field.drift(s, euler.clone());
        let noise_there = field.diffusion(s, &euler).times(w);
        let change = combine(
            (noise_there - noise) * 0.5,
            &[(0.5 * h, &drift_there), (-0.5 * h, &drift)],
        );
        (euler + change.clone(), change)
    }
}

// The difference is of the order of g·g'·W².
embedded_sde_method!(
    StochasticHeun,
    error_order: 1.0,
    where F: Sde<B, D> + ?Sized, F::Calculus: AsStratonovich
);
