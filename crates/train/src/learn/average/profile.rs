//! The weights of a power-function average over the steps of a training.
//!
//! `p_{γ,t}(τ) = (γ + 1)/t·(τ/t)^γ, 0 ≤ τ ≤ t`
//!
//! The recursion θ̄ ← θ̄ + (1 − (1 − 1/t)^{γ+1})·(θ − θ̄) gives θ_k the weight
//! `(k/t)^{γ+1} − ((k − 1)/t)^{γ+1}`, which is the integral of p over (k − 1, k]: the average over
//! the steps is exactly the average of parameters that stay constant between them.
//!
//! Source: Karras et al. 2024, equation 6 and appendix C.

use super::width::gamma_of_width;

/// The weights of the power γ after t steps, as a density over the time τ.
///
/// `p_{γ,t}(τ) = (γ + 1)/t·(τ/t)^γ, 0 ≤ τ ≤ t`
///
/// Source: Karras et al. 2024, equation 6.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Profile {
    /// The power, above −1/2, so that the density is square-integrable.
    pub gamma: f64,
    /// Steps taken, at least 1.
    pub t: u64,
}

impl Profile {
    /// The profile of this relative width after t steps.
    ///
    /// # Panics
    /// If the width is not in (0, 0.3].
    pub fn of_width(sigma_rel: f64, t: u64) -> Self {
        Self {
            gamma: gamma_of_width(sigma_rel),
            t,
        }
    }

    /// The weight of the parameters after step k, counted from 1 to t.
    ///
    /// `∫_{k−1}^{k} p(τ) dτ = (k/t)^{γ+1} − ((k − 1)/t)^{γ+1}`
    pub fn weight(&self, k: u64) -> f64 {
        let until = |k: u64| (k as f64 / self.t as f64).powf(self.gamma + 1.0);
        until(k) - until(k - 1)
    }

    /// The inner product of two profiles.
    ///
    /// `⟨p, q⟩ = ∫ p·q dτ = (γ₁ + 1)(γ₂ + 1)/(γ₁ + γ₂ + 1)·(m/t₁)^{γ₁}·(m/t₂)^{γ₂}/max(t₁, t₂), m =
    /// min(t₁, t₂)`
    ///
    /// Both are powers of τ up to m, beyond which one of them is zero: with τ = m·u,
    /// `∫₀^m (τ/t₁)^{γ₁}(τ/t₂)^{γ₂} dτ = (m/t₁)^{γ₁}(m/t₂)^{γ₂}·m·∫₀¹ u^{γ₁+γ₂} du`, and
    /// m/(t₁t₂) = 1/max(t₁, t₂).
    pub fn inner(&self, other: &Self) -> f64 {
        let (t1, t2) = (self.t as f64, other.t as f64);
        let m = t1.min(t2);
        let factor = (self.gamma + 1.0) * (other.gamma + 1.0) / (self.gamma + other.gamma + 1.0);
        let at_m = (m / t1).powf(self.gamma) * (m / t2).powf(other.gamma);
        factor * at_m / t1.max(t2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inner_product_is_the_integral() {
        // The midpoint rule on cells of h = 1/400; its error is h²/24 times the change of the
        // derivative, below 1e-6 here.
        for (w1, t1) in [(0.05, 20), (0.1, 7), (0.2, 20)] {
            for (w2, t2) in [(0.05, 20), (0.1, 13), (0.15, 7)] {
                let (p, q) = (Profile::of_width(w1, t1), Profile::of_width(w2, t2));
                let at = |p: &Profile, tau: f64| {
                    let u = tau / p.t as f64;
                    (p.gamma + 1.0) / p.t as f64 * u.powf(p.gamma)
                };
                let until = t1.min(t2) * 400;
                let taus = (0..until).map(|i| (i as f64 + 0.5) / 400.0);
                let integral: f64 = taus.map(|tau| at(&p, tau) * at(&q, tau) / 400.0).sum();
                assert!(
                    (p.inner(&q) - integral).abs() < 1e-5 * integral,
                    "{p:?} {q:?}"
                );
                assert_eq!(p.inner(&q), q.inner(&p));
            }
        }
    }
}
