//! EDM's sampler.
//!
//! `y = x/α, ς = σ/α, d = (y − x̂1)/ς: y' = y + (ς_s − ς)·d`, then `y_s = y + (ς_s − ς)·½(d + d')`
//! unless ς_s = 0
//!
//! Source: Karras et al. 2022, algorithms 1 and 2, on any schedule with signal at the start of the
//! grid.

use super::churn::Churn;
use super::log_snr_step::level;
use crate::brownian::{BrownianMotion, Interval};
use crate::method::Method;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::field::Denoiser;
use pyroclast_kernels::combine;

/// Heun's method for `x/α` with `σ/α` as its time, and with churn; without churn it has order 2.
/// Two evaluations per step, and one on the step to σ = 0: 2N − 1 in all.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HeunEdm<W> {
    /// The noise that is added.
    pub churn: Churn,
    /// Its source; not used if γ = 0.
    pub brownian: W,
}

sampler! { HeunEdm<W>: "heun-edm", Signal, |heun| heun.churn.gamma != 0.0 }

impl<B, F, W, const D: usize> Method<B, F, D> for HeunEdm<W>
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
        let (alpha, end) = (schedule.at(t).alpha, schedule.at(s));
        let to = level(end);
        // The slope (y − x̂1)/ς.
        let slope = |t: f64, alpha: f64, level: f64, y: &Tensor<B, D>| {
            let x1 = field.denoise(t, y.clone() * alpha);
            (y.clone() - x1) * level.recip()
        };
        let d = slope(t, alpha, from, &y);
        let euler = combine(y.clone(), &[(to - from, &d)]);
        if to == 0.0 {
            return (euler * end.alpha, step + 1);
        }
        let d_next = slope(s, end.alpha, to, &euler);
        let half = 0.5 * (to - from);
        let y = combine(y, &[(half, &d), (half, &d_next)]);
        (y * end.alpha, step + 1)
    }
}
