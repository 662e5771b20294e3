//! The Euler–Maruyama method.
//!
//! `x_s = x_t + h·f_t(x_t) + g_t(x_t)·W, h = s − t`
//!
//! Source: Maruyama 1955.

use crate::brownian::{BrownianMotion, Interval, shared};
use crate::method::Method;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::field::{AsIto, Diffusion, Sde};
use pyroclast_kernels::combine;

/// Euler's method with a Brownian increment, for Itô's calculus: strong order ½, and 1 for additive
/// noise; weak order 1. One evaluation per step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EulerMaruyama<W> {
    /// The Brownian motion.
    pub brownian: W,
}

impl<B, F, W, const D: usize> Method<B, F, D> for EulerMaruyama<W>
where
    B: Backend,
    F: Sde<B, D> + ?Sized,
    F::Calculus: AsIto,
    W: BrownianMotion<B, D>,
{
    type State = u64;

    /// # Panics
    /// If `s < t`, since Itô's integral runs forward.
    fn step(&self, field: &F, t: f64, s: f64, x: Tensor<B, D>, step: u64) -> (Tensor<B, D>, u64) {
        assert!(
            s >= t,
            "an Itô equation is solved forward in time, not from {t} to {s}"
        );
        let h = s - t;
        let drift = field.drift(t, x.clone());
        let g = field.diffusion(t, &x);
        if matches!(g, Diffusion::Level(0.0)) {
            return (combine(x, &[(h, &drift)]), step + 1);
        }
        let shape = field.brownian_shape(x.dims());
        let w = (self.brownian).increment(Interval { t, s, step }, shape, &x);
        let w = shared(w, x.dims());
        let next = match g {
            Diffusion::Level(g) => combine(x, &[(h, &drift), (g, &w)]),
            g => combine(x, &[(h, &drift), (1.0, &g.times(w))]),
        };
        (next, step + 1)
    }
}
