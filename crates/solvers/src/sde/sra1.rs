//! Rößler's SRA1.
//!
//! With `A = H + ½W = (1/h)·∫(W_r − W_t)dr`: `k1 = f(t, x)`,
//! `k2 = f(t + ¾h, x + ¾h·k1 + ³⁄₂g(s)·A)`, `x_s = x + h·(⅓k1 + ⅔k2) + g(t)·A + g(s)·(W − A)`
//!
//! Source: Rößler 2010, table 6.3.

use crate::brownian::{BrownianMotion, Interval, shared};
use crate::method::Method;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::field::{Additive, Sde};
use pyroclast_kernels::combine;

/// SRA1, of strong order 1.5 for additive noise. Two evaluations per step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sra1<W> {
    /// The Brownian motion.
    pub brownian: W,
}

impl<B, F, W, const D: usize> Method<B, F, D> for Sra1<W>
where
    B: Backend,
    F: Sde<B, D, Calculus = Additive> + ?Sized,
    W: BrownianMotion<B, D>,
{
    type State = u64;

    fn step(&self, field: &F, t: f64, s: f64, x: Tensor<B, D>, step: u64) -> (Tensor<B, D>, u64) {
        let h = s - t;
        let shape = field.brownian_shape(x.dims());
        let (w, area) = (self.brownian).increment_with_area(Interval { t, s, step }, shape, &x);
        let (w, area) = (shared(w, x.dims()), shared(area, x.dims()));
        let mean = combine(area, &[(0.5, &w)]);
        let (g, g_end) = (field.diffusion(t, &x), field.diffusion(s, &x));
        let k1 = field.drift(t, x.clone());
        let shift = g_end.times(mean.clone());
        let k2 = field.drift(
            t + 0.75 * h,
            combine(x.clone(), &[(0.75 * h, &k1), (1.5, &shift)]),
        );
        let noise = g.times(mean) - shift;
        let next = combine(
            x,
            &[
                (h / 3.0, &k1),
                (2.0 * h / 3.0, &k2),
                (1.0, &noise),
                (1.0, &g_end.times(w)),
            ],
        );
        (next, step + 1)
    }
}
