//! Group normalisation with the modulation folded in.
//!
//! `y = (x − mean_g)/√(var_g + ε)·γ·(1 + a) + β·(1 + a) + b`, with the mean and variance of each
//! group's channels and pixels
//!
//! Source: Wu & He 2018; a and b are the scale and shift of Dhariwal & Nichol 2021.

use crate::dual::Dual;
use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::named;
use pyroclast_core::named::COUNT;
use pyroclast_kernels::Grouping;

/// ε, added to the variance.
const EPSILON: f64 = 1e-5;

named! {
    /// How many groups the channels form.
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub enum Groups as "number of groups" {
        /// The largest divisor of the channels up to 32 that leaves at least 4 channels per group,
        /// or 1 for fewer than 4 channels.
        "divisor" => Divisor,
        /// This many.
        "fixed" => Fixed(groups: usize = 32 => COUNT),
        /// One per 4 channels, at most 32.
        "of-four" => OfFour,
    }
}

impl Groups {
    /// The number of groups of this many channels; `None` if they do not divide them.
    pub fn of(self, channels: usize) -> Option<usize> {
        let most = (channels / 4).clamp(1, 32);
        let groups = match self {
            Self::Divisor => (1..=most).rev().find(|g| channels.is_multiple_of(*g))?,
            Self::Fixed(groups) => groups,
            Self::OfFour => most,
        };
        (groups > 0 && channels.is_multiple_of(groups)).then_some(groups)
    }
}

/// Which group normalisation a network uses.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Normalisation {
    /// The number of groups.
    pub groups: Groups,
    /// ε, added to the variance.
    pub epsilon: f64,
}

impl Default for Normalisation {
    fn default() -> Self {
        Self {
            groups: Groups::Divisor,
            epsilon: EPSILON,
        }
    }
}

impl Normalisation {
    /// Its layer for this many channels.
    ///
    /// # Panics
    /// If the groups do not divide the channels.
    pub fn init<B: Backend>(self, channels: usize, device: &B::Device) -> GroupNorm<B> {
        let Some(groups) = self.groups.of(channels) else {
            panic!("{:?} groups do not divide {channels} channels", self.groups);
        };
        GroupNorm::of(channels, groups, self.epsilon, device)
    }
}

/// Group normalisation of `[batch, channels, height, width]`.
#[derive(Module, Debug)]
pub struct GroupNorm<B: Backend> {
    gamma: Param<Tensor<B, 1>>,
    beta: Param<Tensor<B, 1>>,
    groups: usize,
    epsilon: f64,
}

impl<B: Backend> GroupNorm<B> {
    /// Starts with gain 1 and shift 0, in as many groups as [`Groups::Divisor`] says.
    pub fn new(channels: usize, device: &B::Device) -> Self {
        Normalisation::default().init(channels, device)
    }

    /// The same with this many groups and this ε.
    ///
    /// # Panics
    /// If the groups do not divide the channels.
    pub fn of(channels: usize, groups: usize, epsilon: f64, device: &B::Device) -> Self {
        assert!(
            groups > 0 && channels.is_multiple_of(groups),
            "{groups} groups do not divide {channels} channels"
        );
        Self {
            gamma: Param::from_tensor(Tensor::ones([channels], device)),
            beta: Param::from_tensor(Tensor::zeros([channels], device)),
            groups,
            epsilon,
        }
    }

    /// The normalised x.
    pub fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        self.carry(x.into(), false).value
    }

    /// The SiLU of the normalised x.
    pub fn forward_silu(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        self.carry(x.into(), true).value
    }

    /// The normalised x, or the SiLU of it.
    pub(crate) fn carry(&self, x: Dual<B, 4>, silu: bool) -> Dual<B, 4> {
        let [gain, bias] = [&self.gamma, &self.beta].map(|v| v.val().unsqueeze());
        x.group_norm(gain.into(), bias.into(), self.grouping(silu))
    }

    /// The SiLU of the normalised x scaled by `1 + a` and shifted by `b`.
    ///
    /// # Shapes
    /// - modulation: a and b side by side, `[batch, 2·channels]`
    pub(crate) fn carry_modulated(&self, x: Dual<B, 4>, modulation: Dual<B, 2>) -> Dual<B, 4> {
        let [gamma, beta] = [&self.gamma, &self.beta].map(|v| v.val().unsqueeze());
        x.modulated_group_norm(gamma, beta, modulation, self.grouping(true))
    }

    fn grouping(&self, silu: bool) -> Grouping {
        Grouping {
            groups: self.groups,
            epsilon: self.epsilon,
            silu,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::activation::silu;
    use burn_ndarray::NdArray;
    use pyroclast_core::noise::{Noise, Stream};

    type B = NdArray<f32>;

    fn noise<const D: usize>(shape: [usize; D], step: u64) -> Tensor<B, D> {
        let mut draws = Noise::new(3).draws(Stream::Source, step);
        draws.normal_tensor(shape, &Default::default(), burn::tensor::DType::F32)
    }

    #[test]
    fn it_is_group_normalisation_then_scale_shift_and_silu() {
        let device = Default::default();
        let x = noise([2, 8, 3, 5], 0) * 3.0 + 1.0;
        let (a, b) = (noise([2, 8], 1), noise([2, 8], 2));
        let norm = GroupNorm::<B>::new(8, &device);
        assert_eq!(norm.groups, 2);
        let theirs = burn::nn::GroupNormConfig::new(2, 8)
            .init::<B>(&device)
            .forward(x.clone());
        let [scale, shift] = [a.clone() + 1.0, b.clone()].map(|v| v.reshape([2, 8, 1, 1]));
        let expected = silu(theirs.clone() * scale + shift);
        let modulation = Tensor::cat(vec![a, b], 1);
        norm.carry_modulated(x.clone().into(), modulation.into())
            .value
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
