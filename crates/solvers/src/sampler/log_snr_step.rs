//! One step of a sampler, in the half log-SNR.
//!
//! `λ = ln(α/σ)`, `h = λ_s − λ_t`, and the factors that exponential integrators build from them
//!
//! Source: Lu et al. 2022 (DPM-Solver), proposition 3.1; Kingma et al. 2021 for the variances.

use crate::brownian::{BrownianMotion, Interval};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::schedule::{Coefficients, Schedule};

/// A step from t to s.
#[derive(Debug, Clone, Copy)]
pub(super) struct LogSnrStep {
    pub(super) t: f64,
    pub(super) s: f64,
    pub(super) from: Coefficients,
    pub(super) to: Coefficients,
    /// `λ_s − λ_t`: infinite if the step starts without signal or ends without noise.
    pub(super) h: f64,
}

impl LogSnrStep {
    pub(super) fn of(schedule: &dyn Schedule, t: f64, s: f64) -> Self {
        Self {
            t,
            s,
            from: schedule.at(t),
            to: schedule.at(s),
            h: 0.5 * (schedule.log_snr(s) - schedule.log_snr(t)),
        }
    }

    /// `σ_s/σ_t`.
    pub(super) fn decay(&self) -> f64 {
        self.to.sigma / self.from.sigma
    }

    /// `α_s·(1 − e^{−h})`, also at h = ∞.
    pub(super) fn gain(&self) -> f64 {
        -self.to.alpha * (-self.h).exp_m1()
    }

    /// `1 − e^{−2h}`: the share of the noise's power at s that is new since t.
    pub(super) fn renewed(&self) -> f64 {
        -(-2.0 * self.h).exp_m1()
    }

    /// `√(β̃)`, of the posterior `q(x_s | x_t, x1)`: `β̃ = σ_s²·(1 − e^{−2h})`.
    pub(super) fn posterior_std(&self) -> f64 {
        self.to.sigma * self.renewed().sqrt()
    }

    /// Whether the step ends at clean data, for which methods use their first-order form.
    pub(super) fn ends_clean(&self) -> bool {
        self.to.sigma == 0.0
    }

    /// z ~ N(0, I), the scaled increment of a Brownian motion over this step.
    pub(super) fn unit_noise<B: Backend, W: BrownianMotion<B, D>, const D: usize>(
        &self,
        brownian: &W,
        step: u64,
        like: &Tensor<B, D>,
    ) -> Tensor<B, D> {
        let (t, s) = (self.t, self.s);
        brownian.increment(Interval { t, s, step }, like.dims(), like) / (s - t).sqrt()
    }
}

/// `σ/α`, the noise level of the state `x/α`.
pub(super) fn level(c: Coefficients) -> f64 {
    c.sigma / c.alpha
}
