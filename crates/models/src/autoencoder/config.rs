//! The shape of an autoencoder.

use crate::attention;
use crate::norm::{Groups, Normalisation};
use crate::residual::ResidualConfig;
use crate::size::Size;

/// The most channels of a level, and the most blocks: beyond this, memory is what fails.
const MOST: usize = 1 << 28;
/// The most levels of a network.
const LEVELS: usize = 16;

/// The shape of an [`Autoencoder`](super::Autoencoder).
#[derive(Debug, Clone, PartialEq)]
pub struct AutoencoderConfig {
    /// Channels of an image.
    pub image_channels: usize,
    /// Channels of a latent.
    pub latent_channels: usize,
    /// Channels of each level, from the finest. Each level after the first has half the size of the
    /// one before.
    pub widths: Vec<usize>,
    /// Residual blocks per level of the encoder; the decoder has one more.
    pub blocks: usize,
    /// Whether pixels in the middle attend to each other.
    pub attention: bool,
    /// The normalisations.
    pub norm: Normalisation,
    /// Whether a convolution of 1×1 makes the moments from the encoder's output.
    pub quantises: bool,
    /// Whether a convolution of 1×1 stands before the decoder.
    pub dequantises: bool,
    /// What a latent is multiplied by to become a flow's state of about unit deviation.
    pub scale: f64,
    /// What is subtracted from it before.
    pub shift: f64,
}

impl AutoencoderConfig {
    /// A small network for small images: 32 and 64 channels, one block per level, latents of 4
    /// channels at half the size, not scaled.
    pub fn new(image_channels: usize) -> Self {
        Self {
            image_channels,
            latent_channels: 4,
            widths: vec![32, 64],
            blocks: 1,
            attention: true,
            norm: Normalisation {
                groups: Groups::Divisor,
                epsilon: 1e-6,
            },
            quantises: true,
            dequantises: true,
            scale: 1.0,
            shift: 0.0,
        }
    }

    /// That of Stable Diffusion 1 and 2: images of 3 channels in [−1, 1] to latents of 4 channels
    /// at an eighth of the size.
    pub fn stable_diffusion() -> Self {
        Self {
            widths: vec![128, 256, 512, 512],
            blocks: 2,
            norm: Normalisation {
                groups: Groups::Fixed(32),
                epsilon: 1e-6,
            },
            scale: 0.18215,
            ..Self::new(3)
        }
    }

    /// How many pixels along an axis become one of a latent.
    pub fn factor(&self) -> usize {
        1 << self.widths.len().saturating_sub(1).min(LEVELS)
    }

    /// Why this network cannot be built; `None` if it can.
    pub fn problem(&self) -> Option<String> {
        if !(1..=LEVELS).contains(&self.widths.len()) {
            return Some(format!(
                "widths must be 1 to {LEVELS} numbers, one per level"
            ));
        }
        let counts = [
            ("image_channels", self.image_channels),
            ("latent_channels", self.latent_channels),
            ("blocks", self.blocks),
        ];
        let widths = self.widths.iter().map(|&width| ("widths", width));
        let mut counts = counts.into_iter().chain(widths);
        if let Some((name, value)) = counts.find(|(_, n)| !(1..=MOST).contains(n)) {
            return Some(format!("{name} = {value} must be 1 to {MOST}"));
        }
        let groups = |width: &&usize| self.norm.groups.of(**width).is_none();
        if let Some(width) = self.widths.iter().find(groups) {
            return Some(format!(
                "{width} channels cannot be normalised in {:?} groups",
                self.norm.groups
            ));
        }
        if !self.scale.is_finite() || self.scale == 0.0 || !self.shift.is_finite() {
            return Some(format!(
                "a latent cannot be scaled by {} after a shift of {}",
                self.scale, self.shift
            ));
        }
        None
    }

    /// A residual block.
    pub fn block(&self, inputs: usize, outputs: usize) -> ResidualConfig {
        ResidualConfig {
            norm: self.norm,
            ..ResidualConfig::plain(inputs, outputs)
        }
    }

    /// Inputs and outputs of the blocks of each level of the encoder, from the finest.
    pub fn down(&self) -> Vec<Vec<[usize; 2]>> {
        let before = |level: usize| {
            level
                .checked_sub(1)
                .map_or(self.widths[0], |l| self.widths[l])
        };
        let levels = self.widths.iter().enumerate();
        levels
            .map(|(level, &width)| pairs(before(level), width, self.blocks))
            .collect()
    }

    /// The same of the decoder, from the deepest.
    pub fn up(&self) -> Vec<Vec<[usize; 2]>> {
        let deepest = self.widths.len() - 1;
        let before = |level: usize| self.widths[(level + 1).min(deepest)];
        let levels = self.widths.iter().enumerate().rev();
        levels
            .map(|(level, &width)| pairs(before(level), width, self.blocks + 1))
            .collect()
    }

    /// The size of a network without a [problem](AutoencoderConfig::problem) on images of this
    /// height and width, counted without building it.
    pub fn size(&self, image_size: [usize; 2]) -> Size {
        let (finest, deepest) = (self.widths[0], self.widths.len() - 1);
        let middle = self.widths[deepest];
        let pixels = |level: usize| {
            let [height, width] = image_size.map(|side| side as u64 >> level);
            height.saturating_mul(width)
        };
        let conv = |size: Size, inputs: usize, outputs: usize, kernel: u64, level: usize| {
            size.conv(inputs as u64, outputs as u64, kernel, pixels(level))
        };
        let blocks = |size: Size, blocks: &[[usize; 2]], level: usize| {
            let block =
                |&[inputs, outputs]: &[usize; 2]| self.block(inputs, outputs).size(pixels(level));
            blocks.iter().map(block).fold(size, Size::and)
        };
        let in_middle = |size: Size| {
            let size = blocks(size, &[[middle; 2]; 2], deepest);
            if self.attention {
                size.and(attention::size(middle as u64, pixels(deepest)))
            } else {
                size
            }
        };
        let mut size = conv(Size::default(), self.image_channels, finest, 3, 0);
        for (level, own) in self.down().iter().enumerate() {
            size = blocks(size, own, level);
            if level < deepest {
                size = conv(size, self.widths[level], self.widths[level], 3, level + 1);
            }
        }
        let (latent, moments) = (self.latent_channels, self.latent_channels.saturating_mul(2));
        size = in_middle(size).norm(middle as u64, pixels(deepest));
        size = conv(size, middle, moments, 3, deepest);
        if self.quantises {
            size = conv(size, moments, moments, 1, deepest);
        }
        if self.dequantises {
            size = conv(size, latent, latent, 1, deepest);
        }
        size = in_middle(conv(size, latent, middle, 3, deepest));
        for (own, level) in self.up().iter().zip((0..=deepest).rev()) {
            size = blocks(size, own, level);
            if level > 0 {
                size = conv(size, self.widths[level], self.widths[level], 3, level - 1);
            }
        }
        conv(
            size.norm(finest as u64, pixels(0)),
            finest,
            self.image_channels,
            3,
            0,
        )
    }
}

/// `count` blocks from `before` to `own` channels.
fn pairs(before: usize, own: usize, count: usize) -> Vec<[usize; 2]> {
    let first = [before, own];
    let rest = std::iter::repeat_n([own; 2], count.saturating_sub(1));
    std::iter::once(first).chain(rest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn that_of_stable_diffusion_has_its_number_of_parameters() {
        let config = AutoencoderConfig::stable_diffusion();
        let size = config.size([256, 256]);
        assert_eq!(size.parameters, 83_653_863);
        // Of the 248, queries, keys and values are one tensor here and three there, twice over.
        assert_eq!(size.tensors, 248 - 2 * 2 * 2);
        assert_eq!(config.factor(), 8);
    }

    #[test]
    fn what_cannot_be_built_is_said() {
        let fits = AutoencoderConfig::new(3);
        assert_eq!(fits.problem(), None);
        let with = |change: &dyn Fn(&mut AutoencoderConfig)| {
            let mut config = fits.clone();
            change(&mut config);
            config.problem().expect("it cannot be built")
        };
        for (problem, part) in [
            (with(&|c| c.widths = Vec::new()), "widths must be"),
            (with(&|c| c.widths[1] = 0), "widths = 0"),
            (with(&|c| c.latent_channels = 0), "latent_channels = 0"),
            (with(&|c| c.norm.groups = Groups::Fixed(48)), "32 channels"),
            (with(&|c| c.scale = 0.0), "scaled by 0"),
        ] {
            assert!(problem.contains(part), "{problem}");
        }
    }
}
