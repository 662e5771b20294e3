//! Milstein's method without derivatives.
//!
//! `x_s = x + h·f + g·W + (g(x + √h·g) − g)/(2√h)·(W² − c·h)`, with c = 1 for Itô's calculus and 0
//! for Stratonovich's
//!
//! Source: Milstein 1974; Kloeden & Platen 1992, eq. 11.1.3 (the difference in place of `g·g'`).

use crate::brownian::{BrownianMotion, Interval};
use crate::method::Method;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::field::{Calculus, Diffusion, Sde};
use pyroclast_kernels::combine;

/// Milstein's method, of strong order 1 for diagonal, scalar and additive noise, in either
/// calculus. A step takes one evaluation of the drift and two of the diffusion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Milstein<W> {
    /// The Brownian motion.
    pub brownian: W,
}

impl<B, F, W, const D: usize> Method<B, F, D> for Milstein<W>
where
    B: Backend,
    F: Sde<B, D> + ?Sized,
    W: BrownianMotion<B, D>,
{
    type State = u64;

    /// # Panics
    /// If `s < t`.
    fn step(&self, field: &F, t: f64, s: f64, x: Tensor<B, D>, step: u64) -> (Tensor<B, D>, u64) {
        assert!(
            s >= t,
            "Milstein's method runs forward in time, not from {t} to {s}"
        );
        let h = s - t;
        if h == 0.0 {
            return (x, step + 1);
        }
        let root = h.sqrt();
        let shape = field.brownian_shape(x.dims());
        let w = (self.brownian).increment(Interval { t, s, step }, shape, &x);
        let drift = field.drift(t, x.clone());
        let g = field.diffusion(t, &x);
        let noise = g.times(w.clone());
        let Diffusion::Diagonal(g) = g else {
            let next = x.clone() + noise;
            return (combine(next, &[(h, &drift)]), step + 1);
        };
        let beside = combine(x.clone(), &[(root, &g)]);
        let next = combine(x, &[(h, &drift), (1.0, &noise)]);
        let next = match field.diffusion(t, &beside) {
            // A level that does not depend on the state has no slope.
            Diffusion::Level(_) => next,
            Diffusion::Diagonal(there) => {
                let square = w.square() - h * F::Calculus::CORRECTION;
                combine(next, &[(0.5 / root, &((there - g) * square))])
            }
        };
        (next, step + 1)
    }
}
