//! ShARK, the shifted additive-noise Runge–Kutta method.
//!
//! `y = x + g(t)·H`, `k1 = f(t, y)`, `k2 = f(t + ⅚h, y + ⅚(h·k1 + g(t)·W))`,
//! `x_s = x + h·(⅖k1 + ⅗k2) + g(t)·W + (g(s) − g(t))·(½W − H)`
//!
//! Source: Foster, dos Reis & Strange 2023, eq. 6.1; the last term is the integral of a g that
//! changes linearly over the step.

use super::embedded::embedded_sde_method;
use crate::brownian::{BrownianMotion, Interval, shared};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::field::{Additive, Sde};
use pyroclast_kernels::combine;

/// ShARK, of strong order 1.5 for additive noise, with small error constants. Two evaluations per
/// step. With a [`BrownianTree`](crate::BrownianTree) it can choose its steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shark<W> {
    /// The Brownian motion.
    pub brownian: W,
}

impl<W> Shark<W> {
    /// The step, and its difference from one whose drift is `h·k1`.
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
        F: Sde<B, D, Calculus = Additive> + ?Sized,
        W: BrownianMotion<B, D>,
    {
        let h = s - t;
        let shape = field.brownian_shape(x.dims());
        let (w, area) = (self.brownian).increment_with_area(Interval { t, s, step }, shape, &x);
        let (w, area) = (shared(w, x.dims()), shared(area, x.dims()));
        let (g, g_end) = (field.diffusion(t, &x), field.diffusion(s, &x));
        let noise = g.times(w.clone());
        let shift = combine(w * 0.5, &[(-1.0, &area)]);
        let y = x.clone() + g.times(area);
        let k1 = field.drift(t, y.clone());
        let ahead = combine(y, &[(5.0 / 6.0 * h, &k1), (5.0 / 6.0, &noise)]);
        let k2 = field.drift(t + 5.0 / 6.0 * h, ahead);
        let change = g_end.times(shift.clone()) - g.times(shift);
        let next = combine(
            x,
            &[
                (0.4 * h, &k1),
                (0.6 * h, &k2),
                (1.0, &noise),
                (1.0, &change),
            ],
        );
        (next, (k2 - k1) * (0.6 * h))
    }
}

// The slopes differ by √h, since the states do.
embedded_sde_method!(
    Shark,
    error_order: 1.5,
    where F: Sde<B, D, Calculus = Additive> + ?Sized
);
