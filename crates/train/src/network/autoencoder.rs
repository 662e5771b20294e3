//! The autoencoders of a configuration: all values but those that follow from the data.

use pyroclast_core::named::{COUNT, FINITE, NOT_NEGATIVE, POSITIVE, Range};
use pyroclast_core::settings;
use pyroclast_models::{
    AutoencoderConfig, Groups, Normalisation, Reconstruction, TaesdConfig, TaesdParts,
};

settings! {
    /// An autoencoder of images, whose latents another model can learn: `[data] latents`. It has no
    /// time, and draws nothing by itself.
    #[derive(Clone, PartialEq)]
    pub struct AutoencoderSize {
        /// Channels of a latent.
        latent_channels: usize = 4 => COUNT,
        /// Channels of each level, from the finest; each level has half the size of the one before.
        widths: Vec<usize> = vec![32, 64],
        /// Residual blocks per level of the encoder; the decoder has one more.
        blocks: usize = 1 => COUNT,
        /// Whether pixels in the middle attend to each other.
        attention: bool = true,
        /// The groups of the normalisations.
        groups: Groups = Groups::Divisor,
        /// ε of the normalisations.
        epsilon: f64 = 1e-6 => POSITIVE,
        /// Whether a convolution of 1×1 makes the moments from the encoder's output.
        quantises: bool = true,
        /// Whether a convolution of 1×1 stands before the decoder.
        dequantises: bool = true,
        /// What a latent is multiplied by in the project that it was trained in. Latents that are
        /// trained on are brought to unit size by what is measured on them.
        scale: f64 = 1.0 => Range {
            holds: |scale| scale.is_finite() && *scale != 0.0,
            remedy: "give a finite number other than 0",
        },
        /// What is subtracted from it before.
        shift: f64 = 0.0 => FINITE,
        /// The weight of the differences of neighbouring pixels in the loss, beside the absolute
        /// error of pixels.
        gradient: f64 = 1.0 => NOT_NEGATIVE,
        /// The weight of KL(q ‖ N(0, I)) in the loss, in nats per image, beside the error summed
        /// over an image.
        kl: f64 = 1e-4 => NOT_NEGATIVE,
    }
}

settings! {
    /// A tiny autoencoder, TAESD, as it is imported.
    #[derive(Clone, PartialEq)]
    pub struct TaesdSize {
        /// Channels of a latent.
        latent_channels: usize = 4 => COUNT,
        /// Channels in between.
        width: usize = 64 => COUNT,
        /// Whether the blocks at the size of a latent have a pool, as in the variant for latents of
        /// 32 channels.
        pools: bool = false,
        /// Whether pixels are in [-1, 1], as in diffusers, and not in [0, 1].
        signed: bool = false,
    }
}

impl AutoencoderSize {
    /// The values of an autoencoder.
    pub fn of(config: &AutoencoderConfig) -> Self {
        Self {
            latent_channels: config.latent_channels,
            widths: config.widths.clone(),
            blocks: config.blocks,
            attention: config.attention,
            groups: config.norm.groups,
            epsilon: config.norm.epsilon,
            quantises: config.quantises,
            dequantises: config.dequantises,
            scale: config.scale,
            shift: config.shift,
            ..Self::default()
        }
    }

    /// The autoencoder for images of these colour channels.
    pub(crate) fn config(&self, image_channels: usize) -> AutoencoderConfig {
        AutoencoderConfig {
            image_channels,
            latent_channels: self.latent_channels,
            widths: self.widths.clone(),
            blocks: self.blocks,
            attention: self.attention,
            norm: Normalisation {
                groups: self.groups,
                epsilon: self.epsilon,
            },
            quantises: self.quantises,
            dequantises: self.dequantises,
            scale: self.scale,
            shift: self.shift,
        }
    }

    /// The loss that it is trained with.
    pub fn loss(&self) -> Reconstruction {
        Reconstruction {
            gradient: self.gradient,
            kl: self.kl,
        }
    }
}

impl TaesdSize {
    /// The values of a tiny autoencoder.
    pub fn of(config: &TaesdConfig) -> Self {
        Self {
            latent_channels: config.latent_channels,
            width: config.width,
            pools: config.pools,
            signed: config.signed,
        }
    }

    /// The autoencoder, with both halves, for images of these colour channels.
    pub(crate) fn config(&self, image_channels: usize) -> TaesdConfig {
        TaesdConfig {
            image_channels,
            latent_channels: self.latent_channels,
            width: self.width,
            pools: self.pools,
            parts: TaesdParts::Both,
            signed: self.signed,
        }
    }
}
