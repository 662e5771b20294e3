//! The nonlinearities between layers.

mod forward;
pub(crate) mod gelu_tanh;
pub(crate) mod selu;
mod slope;

use serde::{Deserialize, Serialize};

/// A function that is applied to each number of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
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
    /// `½x·(1 + tanh(√(2/π)·(x + 0.044715·x³)))`, the form of [`Activation::Gelu`] that many
    /// transformers use; the two differ by up to 5e-4 (Hendrycks & Gimpel 2016).
    #[serde(rename = "gelu-tanh")]
    GeluTanh,
    /// `max(x, 0)`.
    Relu,
    /// `tanh(x)`.
    Tanh,
}

impl Activation {
    /// Every activation, with its name.
    pub const ALL: [(&'static str, Self); 7] = [
        ("identity", Self::Identity),
        ("selu", Self::Selu),
        ("silu", Self::Silu),
        ("gelu", Self::Gelu),
        ("gelu-tanh", Self::GeluTanh),
        ("relu", Self::Relu),
        ("tanh", Self::Tanh),
    ];
}
