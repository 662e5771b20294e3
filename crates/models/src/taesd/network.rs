//! The network.

use super::config::{BLOCKS, POOL_GROUPS, TaesdConfig};
use crate::init::Init;
use crate::layer::convolve;
use crate::norm::GroupNorm;
use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::tensor::Tensor;
use burn::tensor::activation::tanh;
use burn::tensor::backend::Backend;
use pyroclast_kernels::{Activation, doubled};

/// Beyond ± this, a decoder does not tell numbers of a latent apart.
const MAGNITUDE: f64 = 3.0;
/// ε of a pool's normalisation.
const EPSILON: f64 = 1e-5;

/// A tiny autoencoder, or one half of it.
///
/// # Shapes
/// - images: `[batch, channels, height, width]`, each side divisible by 8
/// - latents: `[batch, latent_channels, height/8, width/8]`
#[derive(Module, Debug)]
pub struct Taesd<B: Backend> {
    encoder: Option<Half<B>>,
    decoder: Option<Half<B>>,
    signed: bool,
}

/// The encoder or the decoder.
#[derive(Module, Debug)]
struct Half<B: Backend> {
    stem: Conv2d<B>,
    levels: Vec<Level<B>>,
    head: Conv2d<B>,
}

/// The blocks at one size, and the convolution that leads to it in an encoder, or from it in a
/// decoder.
#[derive(Module, Debug)]
struct Level<B: Backend> {
    blocks: Vec<Block<B>>,
    resize: Option<Conv2d<B>>,
}

#[derive(Module, Debug)]
struct Block<B: Backend> {
    pool: Option<Pool<B>>,
    convs: Vec<Conv2d<B>>,
}

#[derive(Module, Debug)]
struct Pool<B: Backend> {
    wide: Conv2d<B>,
    norm: GroupNorm<B>,
    narrow: Conv2d<B>,
}

impl TaesdConfig {
    /// Builds the network.
    ///
    /// # Panics
    /// If [`TaesdConfig::problem`] finds a problem, which is then the message.
    pub fn init<B: Backend>(&self, init: &mut Init<'_, B>) -> Taesd<B> {
        if let Some(problem) = self.problem() {
            panic!("{problem}");
        }
        let width = self.width;
        let encoder = self.parts.encodes().then(|| Half {
            stem: init.conv(self.image_channels, width, 3, 1),
            levels: { BLOCKS.into_iter().enumerate() }
                .map(|(level, count)| self.level(level, count, 2, init))
                .collect(),
            head: init.conv(width, self.latent_channels, 3, 1),
        });
        let decoder = self.parts.decodes().then(|| Half {
            stem: init.conv(self.latent_channels, width, 3, 1),
            levels: { BLOCKS.into_iter().enumerate().rev() }
                .map(|(level, count)| self.level(level, count, 1, init))
                .collect(),
            head: init.conv(width, self.image_channels, 3, 1),
        });
        Taesd {
            encoder,
            decoder,
            signed: self.signed,
        }
    }

    fn level<B: Backend>(
        &self,
        level: usize,
        count: usize,
        stride: usize,
        init: &mut Init<'_, B>,
    ) -> Level<B> {
        let (width, wide) = (self.width, self.pool_width());
        let resize = (level > 0).then(|| init.conv_without_bias(width, width, 3, stride));
        let block = |_| Block {
            pool: (self.pools && level == BLOCKS.len() - 1).then(|| Pool {
                wide: init.conv_without_bias(width, wide, 1, 1),
                norm: GroupNorm::of(wide, POOL_GROUPS, EPSILON, init.device()),
                narrow: init.conv_without_bias(wide, width, 1, 1),
            }),
            convs: (0..3).map(|_| init.conv(width, width, 3, 1)).collect(),
        };
        Level {
            blocks: (0..count).map(block).collect(),
            resize,
        }
    }
}

impl<B: Backend> Block<B> {
    fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let x = match &self.pool {
            None => x,
            Some(pool) => {
                let h = pool.norm.forward(convolve(&pool.wide, x.clone()));
                x + convolve(&pool.narrow, Activation::Relu.forward(h))
            }
        };
        let mut h = x.clone();
        for (i, conv) in self.convs.iter().enumerate() {
            h = convolve(
                conv,
                if i == 0 {
                    h
                } else {
                    Activation::Relu.forward(h)
                },
            );
        }
        Activation::Relu.forward(x + h)
    }
}

impl<B: Backend> Level<B> {
    fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        { self.blocks.iter() }.fold(x, |x, block| block.forward(x))
    }
}

impl<B: Backend> Taesd<B> {
    /// The network with this one's encoder and the other's decoder.
    ///
    /// # Panics
    /// If this one has no encoder, or the other no decoder, or they take other pixels.
    #[must_use]
    pub fn with_decoder_of(self, other: Self) -> Self {
        assert!(
            self.encoder.is_some() && other.decoder.is_some() && self.signed == other.signed,
            "an encoder and a decoder of the same pixels make an autoencoder"
        );
        Self {
            decoder: other.decoder,
            ..self
        }
    }

    /// The latents of these images.
    ///
    /// # Panics
    /// If the network has no encoder.
    pub fn encode(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let encoder = self.encoder.as_ref().expect("a network with an encoder");
        let x = if self.signed { (x + 1.0) * 0.5 } else { x };
        let mut h = convolve(&encoder.stem, x);
        for level in &encoder.levels {
            if let Some(resize) = &level.resize {
                h = convolve(resize, h);
            }
            h = level.forward(h);
        }
        convolve(&encoder.head, h)
    }

    /// The images of these latents, not clamped.
    ///
    /// # Panics
    /// If the network has no decoder.
    pub fn decode(&self, z: Tensor<B, 4>) -> Tensor<B, 4> {
        let decoder = self.decoder.as_ref().expect("a network with a decoder");
        let z = tanh(z / MAGNITUDE) * MAGNITUDE;
        let mut h = Activation::Relu.forward(convolve(&decoder.stem, z));
        for level in &decoder.levels {
            h = level.forward(h);
            if let Some(resize) = &level.resize {
                h = convolve(resize, doubled(h));
            }
        }
        let x = convolve(&decoder.head, h);
        if self.signed { x * 2.0 - 1.0 } else { x }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::taesd::TaesdParts;
    use burn::tensor::DType;
    use burn_ndarray::NdArray;
    use pyroclast_core::noise::{Noise, Stream};

    #[test]
    fn halves_that_are_joined_are_the_whole() {
        let device = Default::default();
        let whole = TaesdConfig {
            width: 4,
            pools: true,
            signed: true,
            ..TaesdConfig::new()
        };
        let build = |parts, seed| -> Taesd<NdArray> {
            let config = TaesdConfig { parts, ..whole };
            config.init(&mut Init::new(Noise::new(seed), &device))
        };
        let (encoder, decoder) = (build(TaesdParts::Encoder, 1), build(TaesdParts::Decoder, 2));
        let mut draws = Noise::new(3).draws(Stream::Source, 0);
        let x = draws.normal_tensor([2, 3, 8, 16], &device, DType::F32);
        let z = encoder.encode(x.clone());
        assert_eq!(z.dims(), [2, 4, 1, 2]);
        let y = decoder.decode(z.clone());
        assert_eq!(y.dims(), x.dims());
        let joined = encoder.with_decoder_of(decoder);
        assert_eq!(joined.encode(x).into_data(), z.to_data());
        assert_eq!(joined.decode(z).into_data(), y.into_data());
    }

    #[test]
    fn signed_pixels_are_moved_on_both_sides() {
        let device = Default::default();
        let build = |signed| -> Taesd<NdArray> {
            let config = TaesdConfig {
                width: 4,
                signed,
                ..TaesdConfig::new()
            };
            config.init(&mut Init::new(Noise::new(1), &device))
        };
        let mut draws = Noise::new(3).draws(Stream::Source, 0);
        let x: Tensor<NdArray, 4> = draws.normal_tensor([1, 3, 8, 8], &device, DType::F32);
        let (plain, signed) = (build(false), build(true));
        let z = plain.encode(x.clone());
        let apart = (signed.encode(x * 2.0 - 1.0) - z.clone()).abs().max();
        assert!(apart.into_scalar() < 1e-6);
        let y = plain.decode(z.clone()) * 2.0 - 1.0;
        assert_eq!(signed.decode(z).into_data(), y.into_data());
    }
}
