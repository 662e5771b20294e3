//! burn's layers, computed by the kernels of Pyroclast.
//!
//! The parameters stay in burn's modules, so checkpoints are unaffected.

use burn::nn::conv::Conv2d;
use burn::nn::{Linear, PaddingConfig2d};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_kernels::{Activation, Window, conv2d, linear};

/// `act(x·W + b)`, for a layer made by [`crate::Init`]; such a layer always has a bias.
pub(crate) fn dense<B: Backend, const D: usize>(
    layer: &Linear<B>,
    x: Tensor<B, D>,
    activation: Activation,
) -> Tensor<B, D> {
    let bias = layer.bias.as_ref().expect("a layer with a bias");
    linear(x, layer.weight.val(), bias.val(), activation)
}

/// A convolution made by [`crate::Init`]: square, with a bias and the same padding on every side.
pub(crate) fn convolve<B: Backend>(layer: &Conv2d<B>, x: Tensor<B, 4>) -> Tensor<B, 4> {
    let bias = layer.bias.as_ref().expect("a layer with a bias");
    let padding = match &layer.padding {
        PaddingConfig2d::Explicit(top, ..) => *top,
        _ => 0,
    };
    let window = Window {
        stride: layer.stride[0],
        padding,
    };
    conv2d(x, layer.weight.val(), bias.val(), window)
}
