//! The noise that a path carries between its endpoints: `γ(t)·z, z ~ N(0, I)`

/// The noise that a path carries between its endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub enum Gamma {
    /// `γ = 0`: the endpoints fix the path.
    #[default]
    None,
    /// `γ = s`, the Gaussian smoothing of Tong et al. 2024 (CFM), proposition 3.4.
    Constant(f64),
    /// `γ = s·√(t(1 − t))`, the Brownian bridge (Schrödinger-bridge CFM; Tong et al. 2024, eq. 8).
    Bridge(f64),
}

impl Gamma {
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
