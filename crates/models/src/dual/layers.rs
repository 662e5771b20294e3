//! Layers that carry a tangent along.
//!
//! `W·x + b → W·ẋ`, `act(z) → act'(z)·ż`, `x + g·y → ẋ + ġ·y + g·ẏ`

use super::{Dual, sum};
use crate::layer;
use burn::nn::Linear;
use burn::nn::conv::Conv2d;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_kernels::{self as kernels, Activation, linear};

impl<B: Backend, const D: usize> Dual<B, D> {
    /// `act(x·W + b)`.
    pub(crate) fn dense(self, layer: &Linear<B>, activation: Activation) -> Self {
        let Some(tangent) = self.tangent else {
            return layer::dense(layer, self.value, activation).into();
        };
        let weight = layer.weight.val();
        let none = Tensor::zeros([weight.dims()[1]], (&weight.device(), weight.dtype()));
        let tangent = linear(tangent, weight, none, Activation::Identity);
        let value = layer::dense(layer, self.value, Activation::Identity);
        Self::moving(value, tangent).activated(activation)
    }

    /// An activation of each number.
    pub(crate) fn activated(self, activation: Activation) -> Self {
        if activation == Activation::Identity {
            return self;
        }
        let tangent = self
            .tangent
            .map(|v| v * activation.slope(self.value.clone()));
        Self {
            value: activation.forward(self.value),
            tangent,
        }
    }
}

impl<B: Backend> Dual<B, 4> {
    /// A convolution.
    pub(crate) fn convolve(self, layer: &Conv2d<B>) -> Self {
        let tangent = self.tangent.map(|v| layer::convolve_linearly(layer, v));
        Self {
            value: layer::convolve(layer, self.value),
            tangent,
        }
    }

    /// `x + b`, with a number per channel: b is `[batch, channels]`.
    pub(crate) fn shift_channels(self, b: Dual<B, 2>) -> Self {
        let dims = self.dims();
        let [batch, channels, ..] = dims;
        let along = |v: Tensor<B, 2>| v.reshape([batch, channels, 1, 1]).expand(dims);
        Self {
            value: kernels::shift_channels(self.value, b.value),
            tangent: sum([self.tangent, b.tangent.map(along)]),
        }
    }
}

impl<B: Backend> Dual<B, 3> {
    /// `x + gate·y`, with a gate per number, alike for all tokens of a sample.
    pub(crate) fn gated_sum(self, y: Self, gate: Dual<B, 2>) -> Self {
        let through = y.tangent.map(|v| v * gate.value.clone().unsqueeze_dim(1));
        let opening = gate.tangent.map(|v| y.value.clone() * v.unsqueeze_dim(1));
        Self {
            value: kernels::gated_sum(self.value, y.value, gate.value),
            tangent: sum([self.tangent, through, opening]),
        }
    }
}
