//! Group normalisation with the modulation folded in.
//!
//! `y = (x − mean_g)/√(var_g + ε)·γ·(1 + a) + β·(1 + a) + b`, the moments over a group's channels and pixels
//!
//! Source: Wu & He 2018; a and b are the scale and shift of Dhariwal & Nichol 2021. The factors are multiplied together a
//! channel at a time, so the image itself is passed over once for the product and once for the sum.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// Added to the variance.
const EPSILON: f64 = 1e-5;

/// Group normalisation of `[batch, channels, height, width]`.
#[derive(Module, Debug)]
pub struct GroupNorm<B: Backend> {
    gamma: Param<Tensor<B, 1>>,
    beta: Param<Tensor<B, 1>>,
    groups: usize,
}

impl<B: Backend> GroupNorm<B> {
    /// The identity on normalised inputs, with as many groups as divide the channels, 32 at most, of 4 channels at least where
    /// possible.
    pub fn new(channels: usize, device: &B::Device) -> Self {
        let most = (channels / 4).clamp(1, 32);
        let groups = (1..=most)
            .rev()
            .find(|g| channels.is_multiple_of(*g))
            .unwrap_or(1);
        Self {
            gamma: Param::from_tensor(Tensor::ones([channels], device)),
            beta: Param::from_tensor(Tensor::zeros([channels], device)),
            groups,
        }
    }

    /// The normalised x.
    pub fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let [batch, channels, _, _] = x.dims();
        let across = |v: Tensor<B, 1>| v.unsqueeze::<2>().expand([batch, channels]);
        self.apply(x, across(self.gamma.val()), across(self.beta.val()))
    }

    /// The normalised x, scaled by `1 + a` and shifted by `b`.
    ///
    /// # Shapes
    /// - a, b: `[batch, channels]`
    pub fn forward_modulated(
        &self,
        x: Tensor<B, 4>,
        a: Tensor<B, 2>,
        b: Tensor<B, 2>,
    ) -> Tensor<B, 4> {
        let scale = a + 1.0;
        let gain = scale.clone() * self.gamma.val().unsqueeze();
        let bias = scale * self.beta.val().unsqueeze() + b;
        self.apply(x, gain, bias)
    }

    fn apply(&self, x: Tensor<B, 4>, gain: Tensor<B, 2>, bias: Tensor<B, 2>) -> Tensor<B, 4> {
        let [batch, channels, height, width] = x.dims();
        let (groups, pixels) = (self.groups, height * width);
        let rows = x.reshape([batch * groups, channels / groups * pixels]);
        let mean = rows.clone().mean_dim(1);
        let centred = rows - mean;
        let variance = centred.clone().square().mean_dim(1);
        let inverse = (variance + EPSILON).sqrt().recip();
        let inverse = inverse
            .reshape([batch, groups, 1])
            .expand([batch, groups, channels / groups])
            .reshape([batch, channels]);
        let column = |v: Tensor<B, 2>| v.reshape([batch * channels, 1]);
        let normalised = centred.reshape([batch * channels, pixels]);
        (normalised * column(gain * inverse) + column(bias))
            .reshape([batch, channels, height, width])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn_ndarray::NdArray;
    use pyroclast_core::noise::{Noise, Stream};

    type B = NdArray<f32>;

    fn noise<const D: usize>(shape: [usize; D], step: u64) -> Tensor<B, D> {
        let mut draws = Noise::new(3).draws(Stream::Noise, step);
        draws.normal_tensor(shape, &Default::default(), burn::tensor::DType::F32)
    }

    #[test]
    fn it_is_group_normalisation_then_scale_and_shift() {
        let device = Default::default();
        let x = noise([2, 8, 3, 5], 0) * 3.0 + 1.0;
        let (a, b) = (noise([2, 8], 1), noise([2, 8], 2));
        let norm = GroupNorm::<B>::new(8, &device);
        assert_eq!(norm.groups, 2);
        let theirs = burn::nn::GroupNormConfig::new(2, 8)
            .init::<B>(&device)
            .forward(x.clone());
        let [scale, shift] = [a.clone() + 1.0, b.clone()].map(|v| v.reshape([2, 8, 1, 1]));
        let expected = theirs.clone() * scale + shift;
        norm.forward_modulated(x.clone(), a, b)
            .into_data()
            .assert_approx_eq::<f32>(
                &expected.into_data(),
                burn::tensor::Tolerance::absolute(1e-4),
            );
        norm.forward(x)
            .into_data()
            .assert_approx_eq::<f32>(&theirs.into_data(), burn::tensor::Tolerance::absolute(1e-4));
    }
}
