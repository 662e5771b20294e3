//! Group normalisation, with what stands around it in a diffusion network.
//!
//! `z = (x − mean_g)/√(var_g + ε)·gain + bias`, `y = z` or `SiLU(z)`, the moments over a group's channels and pixels
//!
//! Source: Wu & He 2018. Scale and shift by an embedding (Dhariwal & Nichol 2021, §4), `norm(x)·(1 + a) + b`, are a gain `γ·(1 + a)` and a
//! bias `β·(1 + a) + b` of each sample: small tensors, so the image itself is passed over no more often for it.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// What is normalised together, and what follows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Grouping {
    /// Groups of channels.
    pub groups: usize,
    /// Added to the variance.
    pub epsilon: f64,
    /// A SiLU after it.
    pub silu: bool,
}

/// The normalised x, scaled and shifted.
///
/// # Shapes
/// - x and output: `[batch, channels, …]`
/// - gain, bias: `[batch, channels]`, or `[1, channels]` for all samples alike
///
/// # Panics
/// If the groups do not divide the channels, or a shape is another.
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
    if crate::flex::takes::<B>(x.dtype()) {
        return crate::flex::group_norm(x, gain, bias, grouping);
    }
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    if crate::cube::takes::<B>(&[x.dtype(), gain.dtype(), bias.dtype()])
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
    // The factors are multiplied together a channel at a time: one pass over the image for the product and one for the sum.
    let column = |v: Tensor<B, 2>| v.expand([batch, channels]).reshape([batch * channels, 1]);
    let normalised = centred.reshape([batch * channels, pixels]);
    let z = normalised * column(gain * inverse) + column(bias);
    let z = z.reshape(shape);
    if silu { crate::silu(z) } else { z }
}
