//! Euler's method in EDM's variables.
//!
//! `y = x/α, ς = σ/α: y_s = y + (ς_s − ς)·(y − x̂1)/ς`
//!
//! Source: Karras et al. 2022, algorithm 2 without its correction.

use super::churn::Churn;
use super::log_snr_step::level;
use crate::brownian::{BrownianMotion, Interval};
use crate::method::Method;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::field::Denoiser;
use pyroclast_kernels::combine;

/// Euler's method for `x/α` with `σ/α` as its time, and with churn: order 1, one evaluation per
/// step. Without churn it is [`Ddim`](super::Ddim) with η = 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EulerEdm<W> {
    /// The noise that is added.
    pub churn: Churn,
    /// Its source; not used if γ = 0.
    pub brownian: W,
}

sampler! { EulerEdm<W>: "euler-edm", Signal, |euler| euler.churn.gamma != 0.0 }

impl<B, F, W, const D: usize> Method<B, F, D> for EulerEdm<W>
where
    B: Backend,
    F: Denoiser<B, D> + ?Sized,
    W: BrownianMotion<B, D>,
{
    type State = u64;

    fn step(&self, field: &F, t: f64, s: f64, x: Tensor<B, D>, step: u64) -> (Tensor<B, D>, u64) {
        let schedule = field.schedule();
        let interval = Interval { t, s, step };
        let (y, t, from) = self.churn.raise(schedule, &self.brownian, interval, x);
        let end = schedule.at(s);
        let x1 = field.denoise(t, y.clone() * schedule.at(t).alpha);
        let kept = level(end) / from;
        let y = combine(y * kept, &[(1.0 - kept, &x1)]);
        (y * end.alpha, step + 1)
    }
}
