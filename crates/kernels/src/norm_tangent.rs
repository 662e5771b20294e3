//! Normalisations with the tangents of all that enters them.
//!
//! `n = (x − mean)/s`, `s = √(var + ε)` → `ṅ = (ẋ − mean(ẋ) − n·mean(n·ẋ))/s`;
//! `z = n·gain + bias` → `ż = ṅ·gain + n·gain' + bias'`

use crate::activation::Activation;
use crate::grouping::Grouping;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// A value, and its derivative along a direction.
pub type Moving<B, const D: usize> = [Tensor<B, D>; 2];

/// [`group_norm`](crate::group_norm()) and its derivative along a direction in which the image, the
/// gain and the bias may all move.
///
/// On flex without a tape, two passes over a group.
///
/// # Shapes
/// - x and output: `[batch, channels, …]`
/// - gain, bias: `[batch, channels]`, or `[1, channels]` where all samples share them
///
/// # Panics
/// If the groups do not divide the channels.
///
/// ```
/// use burn::tensor::{Tensor, TensorData, Tolerance};
/// use burn_flex::Flex;
/// use pyroclast_kernels::{Grouping, group_norm_tangent};
///
/// let device = Default::default();
/// let of = |x: [f32; 2]| Tensor::<Flex, 3>::from_floats([[x]], &device);
/// let number = |x: f32| Tensor::<Flex, 2>::from_floats([[x]], &device);
/// let grouping = Grouping { groups: 1, epsilon: 0.0, silu: false };
/// // To add to all numbers of a group, or to stretch them, changes nothing but by gain and bias.
/// let x = [of([1.0, 3.0]), of([4.0, 8.0])];
/// let (gain, bias) = ([number(1.0), number(2.0)], [number(0.0), number(5.0)]);
/// let [z, along] = group_norm_tangent(x, gain, bias, grouping);
/// for (got, expected) in [(z, [-1.0_f32, 1.0]), (along, [3.0, 7.0])] {
///     let expected = TensorData::from([[expected]]);
///     got.into_data().assert_approx_eq::<f32>(&expected, Tolerance::absolute(1e-5));
/// }
/// ```
pub fn group_norm_tangent<B: Backend, const D: usize>(
    x: Moving<B, D>,
    gain: Moving<B, 2>,
    bias: Moving<B, 2>,
    grouping: Grouping,
) -> Moving<B, D> {
    let shape = x[0].dims();
    let (batch, channels) = (shape[0], shape[1]);
    let Grouping {
        groups,
        epsilon,
        silu,
    } = grouping;
    assert!(
        groups > 0 && channels.is_multiple_of(groups),
        "{groups} groups do not divide {channels} channels"
    );
    let numbers: usize = shape.iter().product();
    if numbers == 0 {
        return x;
    }
    let [gain, bias] = [gain, bias].map(|pair| pair.map(|v| v.expand([batch, channels])));
    #[cfg(feature = "flex")]
    if crate::flex::supports_untracked::<B>(x[0].dtype()) {
        return crate::flex::group_norm_tangent(x, gain, bias, grouping);
    }
    let rows = |x: Tensor<B, D>| x.reshape([batch * groups, numbers / (batch * groups)]);
    let channel = |x: Tensor<B, 2>| x.reshape([batch * channels, numbers / (batch * channels)]);
    let column = |v: Tensor<B, 2>| v.reshape([batch * channels, 1]);
    let normal = normalised(x.map(rows), epsilon).map(channel);
    let [z, along] = modulated(normal, gain.map(column), bias.map(column));
    let [z, along] = match silu {
        true => {
            let slope = Activation::Silu.slope(z.clone());
            [crate::silu(z), along * slope]
        }
        false => [z, along],
    };
    [z, along].map(|z| z.reshape(shape))
}

/// [`layer_norm`](crate::layer_norm()) and its derivative along a direction in which the tokens,
/// the scale and the shift may all move.
///
/// # Shapes
/// - x and output: `[batch, tokens, width]`
/// - scale, shift: `[batch, width]`, or `[1, width]` where all samples share them
pub fn layer_norm_tangent<B: Backend>(
    x: Moving<B, 3>,
    [scale, scale_along]: Moving<B, 2>,
    shift: Moving<B, 2>,
    epsilon: f64,
) -> Moving<B, 3> {
    let shape = x[0].dims();
    let [batch, tokens, width] = shape;
    if batch * tokens * width == 0 {
        return x;
    }
    let rows = |x: Tensor<B, 3>| x.reshape([batch * tokens, width]);
    let token = |v: Tensor<B, 2>| v.unsqueeze_dim::<3>(1);
    let normal = normalised(x.map(rows), epsilon).map(|x| x.reshape(shape));
    let gain = [scale + 1.0, scale_along];
    modulated(normal, gain.map(token), shift.map(token))
}

/// Each row with mean 0 and variance 1.
fn normalised<B: Backend>([x, v]: Moving<B, 2>, epsilon: f64) -> Moving<B, 2> {
    let mean = x.clone().mean_dim(1);
    let centred = x - mean;
    let variance = centred.clone().square().mean_dim(1);
    let inverse = (variance + epsilon).sqrt().recip();
    let normal = centred * inverse.clone();
    let mean = v.clone().mean_dim(1);
    let stretch = (normal.clone() * v.clone()).mean_dim(1);
    let along = (v - mean - normal.clone() * stretch) * inverse;
    [normal, along]
}

/// `n·gain + bias`, where gain and bias have an axis of 1 for each that they do not vary along.
fn modulated<B: Backend, const D: usize>(
    [n, n_along]: Moving<B, D>,
    [gain, gain_along]: Moving<B, D>,
    [bias, bias_along]: Moving<B, D>,
) -> Moving<B, D> {
    let along = n_along * gain.clone() + n.clone() * gain_along + bias_along;
    [n * gain + bias, along]
}
