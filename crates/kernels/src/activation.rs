//! The nonlinearities between layers.

use burn::tensor::Tensor;
use burn::tensor::activation::{relu, selu, tanh};
use burn::tensor::backend::Backend;
use serde::{Deserialize, Serialize};
use std::f64::consts::FRAC_1_SQRT_2;

/// A function of each number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Activation {
    /// `x`.
    Identity,
    /// `λ·x` above 0 and `λα·(eˣ − 1)` below (Klambauer et al. 2017); the 2-D benchmark's choice.
    #[default]
    Selu,
    /// `x·sigmoid(x)`.
    Silu,
    /// `x·Φ(x)`.
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

    /// The function of each number of a tensor.
    pub fn forward<B: Backend, const D: usize>(self, x: Tensor<B, D>) -> Tensor<B, D> {
        match self {
            Self::Identity => x,
            Self::Selu => selu(x),
            Self::Silu => crate::silu(x),
            // burn's own has the gradient of its tanh approximation, which is off by 1e-4.
            Self::Gelu => x.clone() * ((x * FRAC_1_SQRT_2).erf() + 1.0) * 0.5,
            Self::Relu => relu(x),
            Self::Tanh => tanh(x),
        }
    }
}
