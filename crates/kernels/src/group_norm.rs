//! Group normalisation, with what usually stands around it in a diffusion network.

use crate::grouping::Grouping;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// Group normalisation with a gain and a bias per channel, and the SiLU after it if there is one.
///
/// `z = (x − mean_g)/√(var_g + ε)·gain + bias`, `y = z` or `SiLU(z)`, with the moments taken over
/// the channels and pixels of a group
///
/// Gain and bias may differ from sample to sample, so this includes the scale and shift by an
/// embedding (Dhariwal & Nichol 2021, §4): `norm(x)·(1 + a) + b` is a gain of `γ·(1 + a)` and a
/// bias of `β·(1 + a) + b`. These tensors are small, so no further pass over the image is needed.
///
/// Source: Wu & He 2018.
///
/// # Shapes
/// - x and output: `[batch, channels, …]`
/// - gain, bias: `[batch, channels]`, or `[1, channels]` where all samples share them
///
/// # Panics
/// If the groups do not divide the channels, or shapes do not match.
///
/// ```
/// use burn::tensor::{Tensor, TensorData, Tolerance};
/// use burn_flex::Flex;
/// use pyroclast_kernels::{Grouping, group_norm};
///
/// let device = Default::default();
/// // One sample of two channels, each a group of its own.
/// let x = Tensor::<Flex, 3>::from_floats([[[1.0, 3.0], [10.0, 30.0]]], &device);
/// let (gain, bias) = (Tensor::ones([1, 2], &device), Tensor::zeros([1, 2], &device));
/// let y = group_norm(x, gain, bias, Grouping { groups: 2, epsilon: 0.0, silu: false });
/// let expected = TensorData::from([[[-1.0_f32, 1.0], [-1.0, 1.0]]]);
/// y.into_data().assert_approx_eq::<f32>(&expected, Tolerance::absolute(1e-6));
/// ```
pub fn group_norm<B: Backend, const D: usize>(
    x: Tensor<B, D>,
    gain: Tensor<B, 2>,
    bias: Tensor<B, 2>,
    grouping: Grouping,
) -> Tensor<B, D> {
    let (batch, channels) = (x.dims()[0], x.dims()[1]);
    assert!(
        grouping.groups > 0 && channels.is_multiple_of(grouping.groups),
        "{} groups do not divide {channels} channels",
        grouping.groups
    );
    for [rows, columns] in [gain.dims(), bias.dims()] {
        assert!(
            (rows == batch || rows == 1) && columns == channels,
            "a gain or bias of {rows}×{columns} for {batch} samples of {channels} channels"
        );
    }
    #[cfg(feature = "flex")]
    if crate::flex::supports::<B>(x.dtype()) {
        return crate::flex::group_norm(x, gain, bias, grouping);
    }
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    if crate::cube::supports::<B>(&[x.dtype(), gain.dtype(), bias.dtype()])
        && x.shape().num_elements() > 0
    {
        return crate::cube::group_norm(x, gain, bias, grouping);
    }
    composed(x, gain, bias, grouping)
}

fn composed<B: Backend, const D: usize>(
    x: Tensor<B, D>,
    gain: Tensor<B, 2>,
    bias: Tensor<B, 2>,
    grouping: Grouping,
) -> Tensor<B, D> {
    let Grouping {
        groups,
        epsilon,
        silu,
    } = grouping;
    let shape = x.dims();
    let (batch, channels) = (shape[0], shape[1]);
    let pixels = shape[2..].iter().product::<usize>();
    if batch * channels * pixels == 0 {
        return x;
    }
    let rows = x.reshape([batch * groups, channels / groups * pixels]);
    let mean = rows.clone().mean_dim(1);
    let centred = rows - mean;
    let variance = centred.clone().square().mean_dim(1);
    let inverse = (variance + epsilon).sqrt().recip();
    let inverse = inverse
        .reshape([batch, groups, 1])
        .expand([batch, groups, channels / groups])
        .reshape([batch, channels]);
    // The factors of each channel are multiplied together first, so that the image takes one pass
    // for the product and one for the sum.
    let column = |v: Tensor<B, 2>| v.expand([batch, channels]).reshape([batch * channels, 1]);
    let normalised = centred.reshape([batch * channels, pixels]);
    let z = normalised * column(gain * inverse) + column(bias);
    let z = z.reshape(shape);
    if silu { crate::silu(z) } else { z }
}
