//! From one schedule to another by a change of time and scale.
//!
//! `X̄_r = s(r)·X_{t(r)}`, where `SNR(t(r)) = SNR̄(r)` and `s(r) = σ̄(r)/σ(t(r)) = ᾱ(r)/α(t(r))`
//!
//! Source: Lipman et al. 2024, §4.6.2; Pokle et al. 2023; Karras et al. 2022, appendix B.

use super::{Coefficients, Schedule};

/// Where a time r of the new schedule lies on the old one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change {
    /// The old time t.
    pub t: f64,
    /// The scale s, so that `x̄ = s·x`.
    pub scale: f64,
    /// dt/dr.
    pub d_t: f64,
    /// ds/dr.
    pub d_scale: f64,
}

/// The change of time and scale that turns the path of `from` at `t` into the path of `to` at `r`.
///
/// ```
/// use pyroclast_core::schedule::{Linear, Schedule, Trigonometric, change};
///
/// let (from, to) = (Linear::default(), Trigonometric);
/// let change = change(&from, &to, 0.3);
/// let c = change.apply(from.at(change.t));
/// assert!((c.alpha - to.at(0.3).alpha).abs() < 1e-12);
/// ```
///
/// `SNR(t) = SNR̄(r)`, `s = σ̄/σ`, `ṫ = (Δ̄/Δ)/s²`, `ṡ = (dσ̄/dr − s·σ̇·ṫ)/σ`
///
/// Where the signal is larger than the noise, α takes the place of σ, so neither end of a regular
/// schedule divides by zero; where σ̇ is infinite (the data end of VP) so is the change. Where
/// `from` never reaches the SNR of `to`, t stays at its nearest end.
pub fn change(from: &(impl Schedule + ?Sized), to: &(impl Schedule + ?Sized), r: f64) -> Change {
    let t = from.time_at_log_snr(to.log_snr(r));
    let (old, new) = (from.at(t), to.at(r));
    let by_noise = new.alpha < new.sigma;
    let scale = if by_noise {
        new.sigma / old.sigma
    } else {
        new.alpha / old.alpha
    };
    let d_t = new.delta() / old.delta() / (scale * scale);
    let slope = |value: f64, d_old: f64, d_new: f64| (d_new - scale * d_old * d_t) / value;
    let d_scale = if by_noise {
        slope(old.sigma, old.d_sigma, new.d_sigma)
    } else {
        slope(old.alpha, old.d_alpha, new.d_alpha)
    };
    Change {
        t,
        scale,
        d_t,
        d_scale,
    }
}

impl Change {
    /// `s·(α, σ)` at the old time: the new schedule's coefficients, derivatives by r included.
    pub fn apply(&self, old: Coefficients) -> Coefficients {
        Coefficients {
            alpha: self.scale * old.alpha,
            sigma: self.scale * old.sigma,
            d_alpha: self.d_scale * old.alpha + self.scale * old.d_alpha * self.d_t,
            d_sigma: self.d_scale * old.sigma + self.scale * old.d_sigma * self.d_t,
        }
    }
}
