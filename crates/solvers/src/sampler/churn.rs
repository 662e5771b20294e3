//! Churn: noise that is added before a step, and that the step removes.
//!
//! `ς̂ = (1 + γ)·ς where ς ∈ [low, high], y ← y + √(ς̂² − ς²)·S·z`
//!
//! Source: Karras et al. 2022, algorithm 2, lines 4–6.

use super::log_snr_step::level;
use crate::brownian::{BrownianMotion, Interval};
use crate::entry::Settings;
use crate::entry::option::CHURN;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::schedule::Schedule;
use pyroclast_kernels::combine;

/// How much noise is added, and at which levels. The default adds none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Churn {
    /// γ ≥ 0, the relative growth of the noise level.
    pub gamma: f64,
    /// S_noise: the standard deviation of the added noise, relative to the one that the level
    /// requires.
    pub scale: f64,
    /// S_tmin: no noise is added below this level σ/α.
    pub low: f64,
    /// S_tmax: no noise is added above this level.
    pub high: f64,
}

impl Default for Churn {
    fn default() -> Self {
        Self {
            gamma: 0.0,
            scale: 1.0,
            low: 0.0,
            high: f64::INFINITY,
        }
    }
}

impl Churn {
    /// The churn that settings ask for, over their steps.
    pub(super) fn with_settings(settings: &Settings<'_>) -> Self {
        Self::spread(settings.number(&CHURN), settings.steps)
    }

    /// The amount S_churn spread over a number of steps: `γ = min(S_churn/N, √2 − 1)`.
    pub fn spread(amount: f64, steps: usize) -> Self {
        Self {
            gamma: (amount / steps as f64).min(std::f64::consts::SQRT_2 - 1.0),
            ..Self::default()
        }
    }

    /// The state y = x/α at its raised level: y, the time, and the level. The level never exceeds
    /// the schedule's highest.
    pub(super) fn raise<B: Backend, W: BrownianMotion<B, D>, const D: usize>(
        &self,
        schedule: &dyn Schedule,
        brownian: &W,
        interval: Interval,
        x: Tensor<B, D>,
    ) -> (Tensor<B, D>, f64, f64) {
        let c = schedule.at(interval.t);
        let (y, before) = (x * c.alpha.recip(), level(c));
        let raised = ((1.0 + self.gamma) * before).min(level(schedule.at(0.0)));
        if !(self.low..=self.high).contains(&before) || raised <= before {
            return (y, interval.t, before);
        }
        let z = brownian.increment(interval, y.dims(), &y);
        let std = self.scale * (raised * raised - before * before).sqrt();
        let std = std / (interval.s - interval.t).sqrt();
        let t = schedule.time_at_log_snr(-2.0 * raised.ln());
        (combine(y, &[(std, &z)]), t, raised)
    }
}
