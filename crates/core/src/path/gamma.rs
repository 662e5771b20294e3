//! The noise that a path carries between its endpoints: `γ(t)·z, z ~ N(0, I)`

use crate::named;
use crate::named::NOT_NEGATIVE;

named! {
    /// The noise that a path carries between its endpoints.
    #[derive(Clone, Copy, PartialEq)]
    pub enum Gamma as "noise between the endpoints" {
        /// `γ = 0`: the endpoints fix the path.
        "none" => None,
        /// `γ = s`, the Gaussian smoothing of Tong et al. 2024 (CFM), proposition 3.4.
        "constant" => Constant(scale: f64 = 0.1 => NOT_NEGATIVE),
        /// `γ = s·√(t(1 − t))`, the Brownian bridge (Schrödinger-bridge CFM; Tong et al. 2024, eq.
        /// 8).
        "bridge" => Bridge(scale: f64 = 0.1 => NOT_NEGATIVE),
    }
}

/// A path that its endpoints fix.
impl Default for Gamma {
    fn default() -> Self {
        Self::None
    }
}

impl Gamma {
    /// s, the scale of the noise; 0 for none.
    pub fn scale(self) -> f64 {
        match self {
            Self::None => 0.0,
            Self::Constant(s) | Self::Bridge(s) => s,
        }
    }

    /// `(γ, γ̇)` at t. The bridge's derivative is ∞ at t = 0 and −∞ at t = 1.
    pub fn at(self, t: f64) -> (f64, f64) {
        match self {
            Self::None => (0.0, 0.0),
            Self::Constant(s) => (s, 0.0),
            Self::Bridge(s) => {
                let root = (t * (1.0 - t)).max(0.0).sqrt();
                (s * root, s * (0.5 - t) / root)
            }
        }
    }
}
