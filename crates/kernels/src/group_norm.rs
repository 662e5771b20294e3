//! Group normalisation, with what usually stands around it in a diffusion network.

use crate::combine::combine;
use crate::grouping::Grouping;
use crate::split::split;
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
    check(batch, channels, [&gain, &bias], grouping);
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

/// [`group_norm`] whose channels are scaled and shifted besides, each sample by numbers of its own.
///
/// `z = (x − mean_g)/√(var_g + ε)·gain·(1 + a) + bias·(1 + a) + b`, `y = z` or `SiLU(z)`
///
/// On GPUs it takes as many launches as without.
///
/// Source: Dhariwal & Nichol 2021, §4.
///
/// # Shapes
/// - x and output: `[batch, channels, …]`
/// - gain, bias: `[1, channels]`
/// - modulation: a and b side by side, `[batch, 2·channels]`
///
/// # Panics
/// If the groups do not divide the channels, or shapes do not match.
///
/// ```
/// use burn::tensor::{Tensor, TensorData, Tolerance};
/// use burn_flex::Flex;
/// use pyroclast_kernels::{Grouping, modulated_group_norm};
///
/// let device = Default::default();
/// let x = Tensor::<Flex, 3>::from_floats([[[1.0, 3.0]]], &device);
/// let (gain, bias) = (Tensor::ones([1, 1], &device), Tensor::zeros([1, 1], &device));
/// let modulation = Tensor::from_floats([[1.0, 5.0]], &device);
/// let grouping = Grouping { groups: 1, epsilon: 0.0, silu: false };
/// let y = modulated_group_norm(x, gain, bias, modulation, grouping);
/// let expected = TensorData::from([[[3.0_f32, 7.0]]]);
/// y.into_data().assert_approx_eq::<f32>(&expected, Tolerance::absolute(1e-6));
/// ```
pub fn modulated_group_norm<B: Backend, const D: usize>(
    x: Tensor<B, D>,
    gain: Tensor<B, 2>,
    bias: Tensor<B, 2>,
    modulation: Tensor<B, 2>,
    grouping: Grouping,
) -> Tensor<B, D> {
    let (batch, channels) = (x.dims()[0], x.dims()[1]);
    assert!(
        modulation.dims() == [batch, 2 * channels],
        "{:?} numbers modulate {batch} samples of {channels} channels",
        modulation.dims()
    );
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    {
        let dtypes = [x.dtype(), gain.dtype(), bias.dtype(), modulation.dtype()];
        if crate::cube::supports::<B>(&dtypes) && x.shape().num_elements() > 0 {
            check(batch, channels, [&gain, &bias], grouping);
            return crate::cube::modulated_group_norm(x, gain, bias, modulation, grouping);
        }
    }
    let [scale, shift] = split(modulation, 2).try_into().expect("two parts");
    let scale = scale + 1.0;
    let bias = combine(scale.clone() * bias, &[(1.0, &shift)]);
    group_norm(x, scale * gain, bias, grouping)
}

fn check<B: Backend>(
    batch: usize,
    channels: usize,
    rows: [&Tensor<B, 2>; 2],
    Grouping { groups, .. }: Grouping,
) {
    assert!(
        groups > 0 && channels.is_multiple_of(groups),
        "{groups} groups do not divide {channels} channels"
    );
    for [rows, columns] in rows.map(Tensor::dims) {
        assert!(
            (rows == batch || rows == 1) && columns == channels,
            "a gain or bias of {rows}×{columns} for {batch} samples of {channels} channels"
        );
    }
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
