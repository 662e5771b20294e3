//! Schedules: how much signal and how much noise a path holds at a time.
//!
//! `x_t = α(t)·x1 + σ(t)·x0`, `t = 0` noise, `t = 1` data, and `log-SNR = ln(α²/σ²)`, which grows
//! with t.
//!
//! A schedule is a pure function of a host `f64`. Each lives in a file of its own; to add one,
//! write its file and name it in the list of [`AnySchedule`].

#[macro_use]
mod any;
mod change;

pub use beta_table::{Betas, Chain, ChainError, TableError};
pub use change::{Change, change};

use std::fmt::Debug;

schedules! {
    /// The straight path, `α = t, σ = 1 − (1 − σ_min)t`.
    "linear" => linear::Linear,
    /// `α = tⁿ, σ = 1 − tⁿ`.
    "polynomial" => polynomial::Polynomial,
    /// `α = sin(πt/2), σ = cos(πt/2)`.
    "trigonometric" => trigonometric::Trigonometric,
    /// Variance preserving, β linear (Song et al. 2021).
    "vp" => variance_preserving::VariancePreserving,
    /// Variance preserving, α a cosine (Nichol & Dhariwal 2021).
    "cosine" => cosine::Cosine,
    /// Sub-VP: the signal of vp with less noise (Song et al. 2021).
    "sub-vp" => sub_variance_preserving::SubVariancePreserving,
    /// Variance exploding, σ geometric (Song et al. 2021).
    "ve" => variance_exploding::VarianceExploding,
    /// EDM's, `α = 1`, σ linear in t (Karras et al. 2022).
    "edm" => edm::Edm,
    /// A chain of discrete steps, trained at the times of its indices (Ho et al. 2020).
    "ddpm" => beta_table::BetaTable,
}

/// The coefficients of a path at one time, with their derivatives by t.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Coefficients {
    /// Signal scale α.
    pub alpha: f64,
    /// Noise scale σ.
    pub sigma: f64,
    /// dα/dt.
    pub d_alpha: f64,
    /// dσ/dt.
    pub d_sigma: f64,
}

impl Coefficients {
    /// `Δ = α̇σ − σ̇α`, positive wherever the SNR grows; it divides every conversion from a
    /// velocity.
    pub fn delta(&self) -> f64 {
        self.d_alpha * self.sigma - self.d_sigma * self.alpha
    }

    /// `N = √(σ² + α²σ_data²)`: the standard deviation of x_t, where that of the data is σ_data.
    pub fn std(&self, sigma_data: f64) -> f64 {
        self.sigma.hypot(self.alpha * sigma_data)
    }

    /// `g² = σ²·d(log-SNR)/dt = 2σΔ/α`: the squared diffusion of the noising process that has this
    /// schedule's marginals.
    ///
    /// Source: Kingma et al. 2021 (VDM), eq. 24, in this library's clock. Infinite where α = 0.
    pub fn diffusion_squared(&self) -> f64 {
        2.0 * self.sigma * self.delta() / self.alpha
    }
}

/// A pair (α, σ) over time `t ∈ [0, 1]` whose signal-to-noise ratio grows.
pub trait Schedule: Debug + Send + Sync {
    /// α, σ and their derivatives at t.
    fn at(&self, t: f64) -> Coefficients;

    /// `ln(α²/σ²)`; −∞ where α = 0 and +∞ where σ = 0.
    fn log_snr(&self, t: f64) -> f64 {
        let Coefficients { alpha, sigma, .. } = self.at(t);
        2.0 * (alpha.ln() - sigma.ln())
    }

    /// The time at which the log-SNR is `l`; clamped to [0, 1] where the schedule never reaches it.
    fn time_at_log_snr(&self, l: f64) -> f64;
}

/// The noise level `ς = σ/α` at a time.
pub fn noise_at(schedule: &(impl Schedule + ?Sized), t: f64) -> f64 {
    (-0.5 * schedule.log_snr(t)).exp()
}

/// The noise level that counts as none: that at t = 1, or 0.002 where it is less (Karras et al.
/// 2022, table 1).
pub fn least_noise(schedule: &(impl Schedule + ?Sized)) -> f64 {
    noise_at(schedule, 1.0).max(0.002)
}

impl<S: Schedule + ?Sized> Schedule for std::sync::Arc<S> {
    fn at(&self, t: f64) -> Coefficients {
        (**self).at(t)
    }

    fn log_snr(&self, t: f64) -> f64 {
        (**self).log_snr(t)
    }

    fn time_at_log_snr(&self, l: f64) -> f64 {
        (**self).time_at_log_snr(l)
    }
}

impl<S: Schedule + ?Sized> Schedule for &S {
    fn at(&self, t: f64) -> Coefficients {
        (**self).at(t)
    }

    fn log_snr(&self, t: f64) -> f64 {
        (**self).log_snr(t)
    }

    fn time_at_log_snr(&self, l: f64) -> f64 {
        (**self).time_at_log_snr(l)
    }
}
