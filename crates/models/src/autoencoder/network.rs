//! The network.

use super::config::AutoencoderConfig;
use super::posterior::Posterior;
use crate::attention::SelfAttention;
use crate::init::Init;
use crate::layer::{convolve, with_zeros_beyond};
use crate::norm::GroupNorm;
use crate::residual::ResidualBlock;
use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_kernels::doubled;

/// An autoencoder of images in [−1, 1].
///
/// # Shapes
/// - images: `[batch, channels, height, width]`, each side divisible by
///   [`AutoencoderConfig::factor`]
/// - latents: `[batch, latent_channels, height/factor, width/factor]`
#[derive(Module, Debug)]
pub struct Autoencoder<B: Backend> {
    encoder: Half<B>,
    quantise: Option<Conv2d<B>>,
    dequantise: Option<Conv2d<B>>,
    decoder: Half<B>,
    scale: f64,
    shift: f64,
}

/// The encoder or the decoder. The middle stands behind the levels of the one, and before those of
/// the other.
#[derive(Module, Debug)]
struct Half<B: Backend> {
    stem: Conv2d<B>,
    levels: Vec<Level<B>>,
    middle: Middle<B>,
    norm: GroupNorm<B>,
    head: Conv2d<B>,
}

/// The blocks at one size, and the convolution that leads to the next.
#[derive(Module, Debug)]
struct Level<B: Backend> {
    blocks: Vec<ResidualBlock<B>>,
    resize: Option<Conv2d<B>>,
}

#[derive(Module, Debug)]
struct Middle<B: Backend> {
    first: ResidualBlock<B>,
    attention: Option<SelfAttention<B>>,
    second: ResidualBlock<B>,
}

impl AutoencoderConfig {
    /// Builds the network. Its residual blocks start as their skip connections.
    ///
    /// # Panics
    /// If [`AutoencoderConfig::problem`] finds a problem, which is then the message.
    pub fn init<B: Backend>(&self, init: &mut Init<'_, B>) -> Autoencoder<B> {
        if let Some(problem) = self.problem() {
            panic!("{problem}");
        }
        let (finest, deepest) = (self.widths[0], self.widths[self.widths.len() - 1]);
        let (latent, moments) = (self.latent_channels, 2 * self.latent_channels);
        let stem = init.conv(self.image_channels, finest, 3, 1);
        let levels = self.levels(self.down(), init, |width, init| init.halving(width));
        let encoder = Half {
            stem,
            levels,
            middle: self.middle(deepest, init),
            norm: self.norm.init(deepest, init.device()),
            head: init.conv(deepest, moments, 3, 1),
        };
        let quantise = self.quantises.then(|| init.conv(moments, moments, 1, 1));
        let dequantise = self.dequantises.then(|| init.conv(latent, latent, 1, 1));
        let stem = init.conv(latent, deepest, 3, 1);
        let middle = self.middle(deepest, init);
        let double = |width, init: &mut Init<'_, B>| init.conv(width, width, 3, 1);
        let decoder = Half {
            stem,
            levels: self.levels(self.up(), init, double),
            middle,
            norm: self.norm.init(finest, init.device()),
            head: init.conv(finest, self.image_channels, 3, 1),
        };
        Autoencoder {
            encoder,
            quantise,
            dequantise,
            decoder,
            scale: self.scale,
            shift: self.shift,
        }
    }

    fn levels<B: Backend>(
        &self,
        levels: Vec<Vec<[usize; 2]>>,
        init: &mut Init<'_, B>,
        resize: impl Fn(usize, &mut Init<'_, B>) -> Conv2d<B>,
    ) -> Vec<Level<B>> {
        let last = levels.len() - 1;
        let level = |(i, pairs): (usize, Vec<[usize; 2]>)| {
            let width = pairs[0][1];
            let blocks = { pairs.iter() }
                .map(|&[inputs, outputs]| self.block(inputs, outputs).init(init))
                .collect();
            Level {
                blocks,
                resize: (i < last).then(|| resize(width, init)),
            }
        };
        levels.into_iter().enumerate().map(level).collect()
    }

    fn middle<B: Backend>(&self, width: usize, init: &mut Init<'_, B>) -> Middle<B> {
        let block = self.block(width, width);
        Middle {
            first: block.init(init),
            attention: self.attention.then(|| {
                let norm = self.norm.init(width, init.device());
                SelfAttention::after(norm, width, 1, init)
            }),
            second: block.init(init),
        }
    }
}

impl<B: Backend> Level<B> {
    fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        { self.blocks.iter() }.fold(x, |x, block| block.forward_plain(x))
    }
}

impl<B: Backend> Middle<B> {
    fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let h = self.first.forward_plain(x);
        let h = match &self.attention {
            Some(attention) => attention.forward(h),
            None => h,
        };
        self.second.forward_plain(h)
    }
}

impl<B: Backend> Autoencoder<B> {
    /// The distribution of the latents of these images.
    pub fn encode(&self, x: Tensor<B, 4>) -> Posterior<B> {
        Posterior::of(self.moments(x))
    }

    /// Its mean and its log-variance, not held to any bounds, as one tensor of
    /// `2·latent_channels` channels.
    pub fn moments(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let encoder = &self.encoder;
        let mut h = convolve(&encoder.stem, x);
        for level in &encoder.levels {
            h = level.forward(h);
            if let Some(resize) = &level.resize {
                h = convolve(resize, with_zeros_beyond(h));
            }
        }
        h = encoder.finished(encoder.middle.forward(h));
        match &self.quantise {
            Some(conv) => convolve(conv, h),
            None => h,
        }
    }

    /// The images of these latents, in about [−1, 1].
    pub fn decode(&self, z: Tensor<B, 4>) -> Tensor<B, 4> {
        let z = match &self.dequantise {
            Some(conv) => convolve(conv, z),
            None => z,
        };
        let decoder = &self.decoder;
        let mut h = decoder.middle.forward(convolve(&decoder.stem, z));
        for level in &decoder.levels {
            h = level.forward(h);
            if let Some(resize) = &level.resize {
                h = convolve(resize, doubled(h));
            }
        }
        decoder.finished(h)
    }

    /// The state of a flow for a latent, `(z − shift)·scale`.
    pub fn to_state(&self, z: Tensor<B, 4>) -> Tensor<B, 4> {
        (z - self.shift) * self.scale
    }

    /// The latent of a flow's state, `x/scale + shift`.
    pub fn from_state(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        x / self.scale + self.shift
    }
}

impl<B: Backend> Half<B> {
    fn finished(&self, h: Tensor<B, 4>) -> Tensor<B, 4> {
        convolve(&self.head, self.norm.forward_silu(h))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::DType;
    use burn_ndarray::NdArray;
    use pyroclast_core::noise::{Noise, Stream};

    #[test]
    fn latents_and_images_have_their_sizes_and_states_return() {
        let device = Default::default();
        let config = AutoencoderConfig {
            widths: vec![4, 8, 8],
            latent_channels: 2,
            quantises: false,
            scale: 0.5,
            shift: 0.25,
            ..AutoencoderConfig::new(1)
        };
        let network: Autoencoder<NdArray> = config.init(&mut Init::new(Noise::new(0), &device));
        let mut draws = Noise::new(1).draws(Stream::Source, 0);
        let x = draws.normal_tensor([2, 1, 8, 12], &device, DType::F32);
        let posterior = network.encode(x);
        assert_eq!(posterior.mean.dims(), [2, 2, 2, 3]);
        let z = posterior.mode();
        let state = network.to_state(z.clone());
        let by_hand = (z.clone() - 0.25) * 0.5;
        assert_eq!(state.to_data(), by_hand.to_data());
        let back = (network.from_state(state) - z.clone()).abs().max();
        assert!(back.into_scalar() < 1e-6);
        assert_eq!(network.decode(z).dims(), [2, 1, 8, 12]);
    }
}
