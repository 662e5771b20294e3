//! How strongly an entropic coupling is smoothed: `ε > 0`, or a share of the mean cost.

use crate::named;
use crate::named::POSITIVE;

/// The share of the mean cost that stands for ε where nothing else is known.
const SHARE: f64 = 0.05;
/// The largest ε: the plan is independent long before, and sums of larger ones would overflow.
const LARGEST: f64 = 1e300;

named! {
    /// The regularisation of entropic optimal transport.
    #[derive(Clone, Copy, PartialEq)]
    pub enum Regularisation as "regularisation" {
        /// That of the path's bridge, `ε = 2s²`; on a path without one, a twentieth of the mean
        /// cost.
        "auto" => Auto,
        /// `ε`, in units of the cost: squared distance.
        "fixed" => Fixed(epsilon: f64 = 1.0 => POSITIVE),
        /// `ε = r·mean(c)`, which does not depend on the unit of length.
        "of-mean-cost" => OfMeanCost(share: f64 = SHARE => POSITIVE),
    }
}

impl Regularisation {
    /// `ε = 2s²`: the plan is the joint distribution of the endpoints of the Schrödinger bridge
    /// with diffusion `s`.
    ///
    /// The Brownian kernel from x0 to x1 in unit time is `exp(−‖x0 − x1‖²/2s²)` up to a constant.
    ///
    /// Source: Tong et al. 2024 (Schrödinger-bridge CFM), after Föllmer 1988.
    ///
    /// Range: s > 0.
    pub fn of_bridge(s: f64) -> Self {
        Self::Fixed(2.0 * s * s)
    }

    /// The ε for these costs.
    pub(super) fn epsilon(self, cost: &[f64]) -> f64 {
        let epsilon = match self {
            Self::Fixed(epsilon) => epsilon,
            Self::Auto => Self::OfMeanCost(SHARE).epsilon(cost),
            Self::OfMeanCost(share) => {
                assert!(
                    share > 0.0 && share.is_finite(),
                    "ε of {share} mean costs; give a positive share"
                );
                let mean = cost.iter().sum::<f64>() / cost.len().max(1) as f64;
                // Where all points coincide there is nothing to choose between, and any ε says so.
                (share * mean).max(f64::MIN_POSITIVE)
            }
        };
        epsilon.min(LARGEST)
    }
}
