//! The shape of a diffusion transformer.

use crate::embedding::{NullClass, TimeFeatures};
use crate::size::Size;

/// The most numbers in a token, and the most blocks: beyond this, memory is what fails.
const MOST: usize = 1 << 28;
/// Sinusoids of the time.
pub(super) const SINUSOIDS: usize = 256;

/// What the last layer computes beside an output of the state's shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecondHalf {
    /// Nothing.
    Absent,
    /// A variance of each number, as further channels of the output.
    Variance,
    /// As many channels, which are dropped. SiT has them from DiT and does not use them.
    Dropped,
}

/// The shape of a [`DiT`](super::DiT).
#[derive(Debug, Clone, PartialEq)]
pub struct DiTConfig {
    /// Channels of an image.
    pub image_channels: usize,
    /// Height and width of an image, each divisible by the side of a patch.
    pub image_size: [usize; 2],
    /// The side of a patch, in pixels.
    pub patch: usize,
    /// Numbers in a token, divisible by 4 and by the number of heads.
    pub width: usize,
    /// Blocks.
    pub depth: usize,
    /// Attention heads.
    pub heads: usize,
    /// Units between the two layers of a block, as a multiple of `width`, rounded down.
    pub mlp_ratio: f64,
    /// The sinusoids of the time, of which there are 256.
    pub time: TimeFeatures,
    /// Classes to condition on; 0 for none.
    pub classes: usize,
    /// What stands for "no class".
    pub null_class: NullClass,
    /// Numbers in the vector of attributes to condition on; 0 for none.
    pub attributes: usize,
    /// Channels of an image to condition on, of the same height and width as the state; 0 for none.
    pub beside: usize,
    /// Numbers in each token of a sequence to attend to, such as encoded text; 0 for none.
    pub sequence: usize,
    /// What the last layer computes beside the output.
    pub second_half: SecondHalf,
    /// Whether the duration of a step enters beside its time, by sinusoids of its own.
    pub durations: bool,
}

impl DiTConfig {
    /// A small network for small images: patches of 2×2, tokens of 128 numbers, 4 blocks of 4
    /// heads.
    pub fn new(image_channels: usize, image_size: [usize; 2]) -> Self {
        Self {
            image_channels,
            image_size,
            patch: 2,
            width: 128,
            depth: 4,
            heads: 4,
            mlp_ratio: 4.0,
            time: TimeFeatures::default(),
            classes: 0,
            null_class: NullClass::Trained,
            attributes: 0,
            beside: 0,
            sequence: 0,
            second_half: SecondHalf::Absent,
            durations: false,
        }
    }

    /// DiT-S with patches of this side: 12 blocks of 6 heads, tokens of 384 numbers.
    pub fn small(image_channels: usize, image_size: [usize; 2], patch: usize) -> Self {
        Self::new(image_channels, image_size).of(patch, 384, 12, 6)
    }

    /// DiT-B: 12 blocks of 12 heads, tokens of 768 numbers.
    pub fn base(image_channels: usize, image_size: [usize; 2], patch: usize) -> Self {
        Self::new(image_channels, image_size).of(patch, 768, 12, 12)
    }

    /// DiT-L: 24 blocks of 16 heads, tokens of 1024 numbers.
    pub fn large(image_channels: usize, image_size: [usize; 2], patch: usize) -> Self {
        Self::new(image_channels, image_size).of(patch, 1024, 24, 16)
    }

    /// DiT-XL: 28 blocks of 16 heads, tokens of 1152 numbers.
    pub fn extra_large(image_channels: usize, image_size: [usize; 2], patch: usize) -> Self {
        Self::new(image_channels, image_size).of(patch, 1152, 28, 16)
    }

    fn of(self, patch: usize, width: usize, depth: usize, heads: usize) -> Self {
        Self {
            patch,
            width,
            depth,
            heads,
            ..self
        }
    }

    /// Patches along the height and the width.
    pub fn grid(&self) -> [usize; 2] {
        self.image_size.map(|side| side / self.patch.max(1))
    }

    /// Units between the two layers of a block.
    pub fn hidden(&self) -> usize {
        (self.mlp_ratio * self.width as f64) as usize
    }

    /// The channels of the output.
    pub fn outputs(&self) -> usize {
        let variance = usize::from(self.second_half == SecondHalf::Variance);
        self.image_channels.saturating_mul(1 + variance)
    }

    /// The channels that the last layer computes.
    pub fn computed(&self) -> usize {
        let second = usize::from(self.second_half != SecondHalf::Absent);
        self.image_channels.saturating_mul(1 + second)
    }

    /// Why this network cannot be built; `None` if it can.
    pub fn problem(&self) -> Option<String> {
        let Self {
            patch,
            width,
            depth,
            heads,
            ..
        } = *self;
        let [rows, columns] = self.image_size;
        if self.image_channels == 0 || rows == 0 || columns == 0 {
            return Some("images must have at least one channel and one pixel".into());
        }
        if patch == 0 || !rows.is_multiple_of(patch) || !columns.is_multiple_of(patch) {
            return Some(format!(
                "images of {rows}×{columns} cannot be taken apart into patches of {patch}×{patch}"
            ));
        }
        if width == 0 || !width.is_multiple_of(4) || width > MOST {
            return Some(format!(
                "width {width} must be a positive multiple of 4 up to {MOST}"
            ));
        }
        if depth == 0 || depth > MOST {
            return Some(format!("depth {depth} must be 1 to {MOST} blocks"));
        }
        if heads == 0 || !width.is_multiple_of(heads) {
            return Some(format!("{heads} heads do not divide a width of {width}"));
        }
        if !(1..=MOST).contains(&self.hidden()) {
            return Some(format!(
                "an mlp_ratio of {} leaves {} units in a block",
                self.mlp_ratio,
                self.hidden()
            ));
        }
        None
    }

    /// The size of a network without a [problem](DiTConfig::problem), counted without building it.
    pub fn size(&self) -> Size {
        let [rows, columns] = self.grid().map(|side| side as u64);
        let tokens = rows.saturating_mul(columns);
        let [width, hidden, depth, pixels] = [
            self.width,
            self.hidden(),
            self.depth,
            self.patch.saturating_mul(self.patch),
        ]
        .map(|n| n as u64);
        // A layer on each token is a convolution of 1×1.
        let layer = |size: Size, inputs: u64, outputs: u64| size.conv(inputs, outputs, 1, tokens);
        let normalised = |size: Size| {
            size.and(Size {
                activations: width.saturating_mul(tokens),
                ..Size::default()
            })
        };
        let time = Size::default()
            .linear(SINUSOIDS as u64, width)
            .linear(width, width);
        let mut size = time.times(1 + u64::from(self.durations));
        if self.classes > 0 {
            let trained = u64::from(self.null_class == NullClass::Trained);
            size = size.table((self.classes as u64).saturating_add(trained), width);
        }
        if self.attributes > 0 {
            size = size
                .linear((self.attributes as u64).saturating_add(1), width)
                .linear(width, width);
        }
        if self.sequence > 0 {
            size = size
                .linear(self.sequence as u64, width)
                .linear(width, width)
                .table(1, width);
        }
        let inputs = (self.image_channels as u64).saturating_add(self.beside as u64);
        size = layer(size, inputs.saturating_mul(pixels), width);
        let mut block = Size::default().linear(width, width.saturating_mul(6));
        block = layer(normalised(block), width, width.saturating_mul(3));
        block = layer(block, width, width);
        if self.sequence > 0 {
            // Queries and outputs of every token, keys and values of those of the sequence.
            block = layer(layer(block, width, width), width, width);
            block = block.linear(width, width.saturating_mul(2));
        }
        block = layer(layer(normalised(block), width, hidden), hidden, width);
        size = size.and(block.times(depth));
        size = normalised(size.linear(width, width.saturating_mul(2)));
        layer(size, width, pixels.saturating_mul(self.computed() as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_sizes_have_their_numbers_of_parameters() {
        let latents = |config: DiTConfig| DiTConfig {
            classes: 1000,
            second_half: SecondHalf::Variance,
            ..config
        };
        // Counted in the published code, which counts the table of sines too.
        let small = latents(DiTConfig::small(4, [32, 32], 2));
        assert_eq!(small.size().parameters + 256 * 384, 32_963_360);
        // 132 tensors with the table of sines.
        assert_eq!(small.size().tensors, 131);
        let base = latents(DiTConfig::base(4, [32, 32], 2));
        assert_eq!(base.size().parameters + 256 * 768, 130_512_416);
        let millions = |config: DiTConfig| latents(config).size().parameters as f64 / 1e6;
        // Peebles & Xie 2023, table 4.
        assert_eq!(millions(DiTConfig::large(4, [32, 32], 2)).round(), 458.0);
        let largest = DiTConfig::extra_large(4, [32, 32], 2);
        assert_eq!(millions(largest).round(), 675.0);
        assert_eq!(DiTConfig::extra_large(4, [32, 32], 8).grid(), [4, 4]);
    }

    #[test]
    fn what_cannot_be_built_is_said() {
        let fits = DiTConfig::new(3, [8, 12]);
        assert_eq!(fits.problem(), None);
        let with = |change: &dyn Fn(&mut DiTConfig)| {
            let mut config = fits.clone();
            change(&mut config);
            config.problem().expect("it cannot be built")
        };
        for (problem, part) in [
            (with(&|c| c.patch = 8), "8×12"),
            (with(&|c| c.heads = 5), "5 heads do not divide"),
            (with(&|c| c.width = 6), "multiple of 4"),
            (with(&|c| c.depth = 0), "depth 0"),
            (with(&|c| c.mlp_ratio = f64::NAN), "NaN"),
            (with(&|c| c.image_channels = 0), "one channel"),
        ] {
            assert!(problem.contains(part), "{problem}");
        }
    }
}
