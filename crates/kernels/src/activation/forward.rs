//! An activation alone, without the linear layer before it.

use super::gelu_tanh::{CUBE, SLOPE};
use crate::activation::Activation;
use burn::tensor::Tensor;
use burn::tensor::activation::{relu, selu, tanh};
use burn::tensor::backend::Backend;
use std::f64::consts::FRAC_1_SQRT_2;

impl Activation {
    /// Applies the function to each number of a tensor.
    ///
    /// After a linear layer, [`linear`](crate::linear()) does both in one pass.
    pub fn forward<B: Backend, const D: usize>(self, x: Tensor<B, D>) -> Tensor<B, D> {
        match self {
            Self::Identity => x,
            Self::Selu => selu(x),
            Self::Silu => crate::silu(x),
            // The gradient of burn's own is that of the tanh approximation, off by 1e-4.
            Self::Gelu => x.clone() * ((x * FRAC_1_SQRT_2).erf() + 1.0) * 0.5,
            Self::GeluTanh => {
                let cube = x.clone() * x.clone() * x.clone();
                let inner = (cube * CUBE + x.clone()) * SLOPE;
                x * (tanh(inner) + 1.0) * 0.5
            }
            Self::Relu => relu(x),
            Self::Tanh => tanh(x),
        }
    }
}
