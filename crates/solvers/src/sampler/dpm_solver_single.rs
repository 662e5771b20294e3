//! DPM-Solver++, singlestep.
//!
//! `u = (σ_r/σ_t)·x_t + α_r(1 − e^{−h/2})·m(t)`, `x_s = (σ_s/σ_t)·x_t + α_s(1 − e^{−h})·m(r, u)`,
//! with r halfway in λ
//!
//! Source: Lu et al. 2022 (DPM-Solver++), algorithm 1 (2S) with r₁ = ½.

use super::log_snr_step::LogSnrStep;
use crate::method::Method;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::field::Denoiser;
use pyroclast_kernels::combine;

/// DPM-Solver++(2S): order 2, two evaluations per step. A step to σ = 0 or from α = 0, which has no
/// midpoint in λ, takes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DpmSolverSingle;

sampler! { DpmSolverSingle: "dpmpp-2s", Signal, |_| false }

impl<B, F, const D: usize> Method<B, F, D> for DpmSolverSingle
where
    B: Backend,
    F: Denoiser<B, D> + ?Sized,
{
    type State = ();

    fn step(&self, field: &F, t: f64, s: f64, x: Tensor<B, D>, (): ()) -> (Tensor<B, D>, ()) {
        let schedule = field.schedule();
        let change = LogSnrStep::of(schedule, t, s);
        let mut m = field.denoise(t, x.clone());
        if change.h.is_finite() {
            let middle = schedule.time_at_log_snr(schedule.log_snr(t) + change.h);
            let half = LogSnrStep::of(schedule, t, middle);
            let u = combine(x.clone() * half.decay(), &[(half.gain(), &m)]);
            m = field.denoise(middle, u);
        }
        (combine(x * change.decay(), &[(change.gain(), &m)]), ())
    }
}
