//! The shape of a tiny autoencoder.

use crate::size::Size;

/// The most channels: beyond this, memory is what fails.
const MOST: usize = 1 << 28;
/// Groups of the normalisation in a pool.
pub(super) const POOL_GROUPS: usize = 4;
/// Blocks at each size of the encoder, from the finest; those of the decoder are the same from the
/// deepest on.
pub(super) const BLOCKS: [usize; 4] = [1, 3, 3, 3];

/// Which of its halves a tiny autoencoder has. They are published as separate files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaesdParts {
    /// Encoder and decoder.
    Both,
    /// The encoder alone.
    Encoder,
    /// The decoder alone.
    Decoder,
}

impl TaesdParts {
    /// Whether there is an encoder.
    pub fn encodes(self) -> bool {
        self != Self::Decoder
    }

    /// Whether there is a decoder.
    pub fn decodes(self) -> bool {
        self != Self::Encoder
    }
}

/// The shape of a [`Taesd`](super::Taesd).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TaesdConfig {
    /// Channels of an image.
    pub image_channels: usize,
    /// Channels of a latent.
    pub latent_channels: usize,
    /// Channels in between.
    pub width: usize,
    /// Whether the blocks at the size of a latent have a pool, as in the variant for latents of 32
    /// channels.
    pub pools: bool,
    /// Its halves.
    pub parts: TaesdParts,
    /// Whether pixels are in [−1, 1], as in diffusers, and not in [0, 1].
    pub signed: bool,
}

impl TaesdConfig {
    /// The network of the published files: 3 channels of pixels in [0, 1], 64 in between, latents
    /// of 4.
    pub fn new() -> Self {
        Self {
            image_channels: 3,
            latent_channels: 4,
            width: 64,
            pools: false,
            parts: TaesdParts::Both,
            signed: false,
        }
    }

    /// The variant for latents of 32 channels, `taef2`.
    pub fn pooled() -> Self {
        Self {
            latent_channels: 32,
            pools: true,
            ..Self::new()
        }
    }

    /// Why this network cannot be built; `None` if it can.
    pub fn problem(&self) -> Option<String> {
        let counts = [
            ("image_channels", self.image_channels),
            ("latent_channels", self.latent_channels),
            ("width", self.width),
        ];
        let other = counts.into_iter().find(|(_, n)| !(1..=MOST).contains(n));
        other.map(|(name, value)| format!("{name} = {value} must be 1 to {MOST}"))
    }

    /// Channels within a pool.
    pub fn pool_width(&self) -> usize {
        self.width.saturating_mul(4)
    }

    /// The size of a network on images of this height and width, counted without building it.
    pub fn size(&self, image_size: [usize; 2]) -> Size {
        let pixels = |level: usize| {
            let [height, width] = image_size.map(|side| side as u64 >> level);
            height.saturating_mul(width)
        };
        let [image, latent, width, wide] = [
            self.image_channels,
            self.latent_channels,
            self.width,
            self.pool_width(),
        ]
        .map(|n| n as u64);
        let without_bias = |size: Size, inputs: u64, outputs: u64, kernel: u64, pixels: u64| {
            let weight = inputs.saturating_mul(kernel * kernel);
            size.and(Size {
                tensors: 1,
                parameters: weight.saturating_mul(outputs),
                activations: outputs.saturating_mul(pixels),
            })
        };
        let block = |level: usize| {
            let pixels = pixels(level);
            let conv = Size::default().conv(width, width, 3, pixels);
            let convs = conv.times(3);
            if self.pools && level == 3 {
                let pool = without_bias(Size::default(), width, wide, 1, pixels);
                convs.and(without_bias(
                    pool.norm(wide, pixels),
                    wide,
                    width,
                    1,
                    pixels,
                ))
            } else {
                convs
            }
        };
        let mut size = Size::default();
        for parts in [TaesdParts::Encoder, TaesdParts::Decoder] {
            let present = match parts {
                TaesdParts::Encoder => self.parts.encodes(),
                _ => self.parts.decodes(),
            };
            if !present {
                continue;
            }
            for (level, count) in BLOCKS.into_iter().enumerate() {
                size = size.and(block(level).times(count as u64));
                if level > 0 {
                    let made = match parts {
                        TaesdParts::Encoder => level,
                        _ => level - 1,
                    };
                    size = without_bias(size, width, width, 3, pixels(made));
                }
            }
            size = match parts {
                TaesdParts::Encoder => {
                    let first = size.conv(image, width, 3, pixels(0));
                    first.conv(width, latent, 3, pixels(3))
                }
                _ => {
                    let first = size.conv(latent, width, 3, pixels(3));
                    first.conv(width, image, 3, pixels(0))
                }
            };
        }
        size
    }
}

impl Default for TaesdConfig {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_networks_have_their_numbers_of_parameters() {
        let of = |config: TaesdConfig, parts| TaesdConfig { parts, ..config }.size([64, 64]);
        // diffusers' AutoencoderTiny, whose 134 tensors are these.
        let both = of(TaesdConfig::new(), TaesdParts::Both);
        assert_eq!((both.parameters, both.tensors), (2_445_063, 134));
        let pooled = TaesdConfig::pooled();
        assert_eq!(of(pooled, TaesdParts::Encoder).parameters, 1_338_528);
        assert_eq!(of(pooled, TaesdParts::Decoder).parameters, 1_338_499);
        let none = TaesdConfig {
            width: 0,
            ..TaesdConfig::new()
        };
        assert!(none.problem().expect("no channels").contains("width = 0"));
    }
}
