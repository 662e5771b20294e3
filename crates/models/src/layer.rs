//! burn's layers, computed by the kernels of Pyroclast.
//!
//! The parameters stay in burn's modules, so checkpoints are unaffected.

use crate::dual::Dual;
use burn::nn::conv::Conv2d;
use burn::nn::{Linear, PaddingConfig2d};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::condition::Images;
use pyroclast_kernels::{Activation, Window, concat, conv2d, linear};

/// `act(x·W + b)`, for a layer made by [`crate::Init`]; such a layer always has a bias.
pub(crate) fn dense<B: Backend, const D: usize>(
    layer: &Linear<B>,
    x: Tensor<B, D>,
    activation: Activation,
) -> Tensor<B, D> {
    let bias = layer.bias.as_ref().expect("a layer with a bias");
    linear(x, layer.weight.val(), bias.val(), activation)
}

/// A convolution made by [`crate::Init`]: square, with the same padding on every side.
pub(crate) fn convolve<B: Backend>(layer: &Conv2d<B>, x: Tensor<B, 4>) -> Tensor<B, 4> {
    with_bias(layer, x, layer.bias.as_ref().map(|bias| bias.val()))
}

/// The same without the bias.
pub(crate) fn convolve_linearly<B: Backend>(layer: &Conv2d<B>, x: Tensor<B, 4>) -> Tensor<B, 4> {
    with_bias(layer, x, None)
}

fn with_bias<B: Backend>(
    layer: &Conv2d<B>,
    x: Tensor<B, 4>,
    bias: Option<Tensor<B, 1>>,
) -> Tensor<B, 4> {
    let weight = layer.weight.val();
    let none = || Tensor::zeros([weight.dims()[0]], (&weight.device(), weight.dtype()));
    let bias = bias.unwrap_or_else(none);
    let padding = match &layer.padding {
        PaddingConfig2d::Explicit(top, ..) => *top,
        _ => 0,
    };
    let window = Window {
        stride: layer.stride[0],
        padding,
    };
    conv2d(x, weight, bias, window)
}

/// The state with an image to condition on as further channels: zeros where there is none.
pub(crate) fn with_image<B: Backend>(
    x: Dual<B, 4>,
    image: &Images<B>,
    channels: usize,
) -> Dual<B, 4> {
    if channels == 0 {
        return x;
    }
    let [batch, _, height, width] = x.dims();
    let image = image.or_zeros([batch, channels, height, width], &x.value.device());
    let image = image.cast(x.value.dtype());
    x.beside(image.into(), 1)
}

/// The image with a column of zeros on its right and a row of them below.
pub(crate) fn with_zeros_beyond<B: Backend>(x: Tensor<B, 4>) -> Tensor<B, 4> {
    let [batch, channels, height, width] = x.dims();
    let options = (&x.device(), x.dtype());
    let column = Tensor::zeros([batch, channels, height, 1], options);
    let row = Tensor::zeros([batch, channels, 1, width + 1], options);
    concat(concat(x, column, 3), row, 2)
}
