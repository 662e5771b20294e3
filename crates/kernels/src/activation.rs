//! The nonlinearities between layers.

mod forward;

use serde::{Deserialize, Serialize};

/// A function that is applied to each number of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Activation {
    /// `x`.
    Identity,
    /// `λ·x` above 0 and `λα·(eˣ − 1)` below (Klambauer et al. 2017); the usual choice for data in
    /// the plane.
    #[default]
    Selu,
    /// `x·sigmoid(x)`.
    Silu,
    /// `x·Φ(x)`, with Φ the normal distribution function.
    Gelu,
    /// `max(x, 0)`.
    Relu,
    /// `tanh(x)`.
    Tanh,
}

impl Activation {
    /// Every activation, with its name.
    pub const ALL: [(&'static str, Self); 6] = [
        ("identity", Self::Identity),
        ("selu", Self::Selu),
        ("silu", Self::Silu),
        ("gelu", Self::Gelu),
        ("relu", Self::Relu),
        ("tanh", Self::Tanh),
    ];
}
