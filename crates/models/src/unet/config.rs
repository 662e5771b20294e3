//! The shape of a UNet.

use crate::attention;
use crate::embedding::{NullClass, TimeFeatures};
use crate::norm::Normalisation;
use crate::residual::{Modulation, ResidualConfig, Resize};
use crate::sequence;
use crate::size::Size;
use pyroclast_core::named;

/// The most channels of a level, and the most blocks: beyond this, memory is what fails.
const MOST: usize = 1 << 28;
/// The most levels of a network. They halve a side of 32,768 pixels down to 1.
const LEVELS: usize = 16;

/// The number of attention heads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heads {
    /// This many.
    Count(usize),
    /// One per this many channels.
    OfChannels(usize),
}

impl Heads {
    /// The number of heads of this many channels; `None` if the channels cannot be split so.
    pub fn of(self, channels: usize) -> Option<usize> {
        let heads = match self {
            Self::Count(heads) => heads,
            Self::OfChannels(0) => 0,
            Self::OfChannels(each) if channels.is_multiple_of(each) => channels / each,
            Self::OfChannels(_) => 0,
        };
        (heads > 0 && channels.is_multiple_of(heads)).then_some(heads)
    }
}

named! {
    /// What halves the size of an image after a level, and doubles it on the way up.
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub enum Resample as "resampling" {
        /// A convolution of stride 2; on the way up, one after each pixel is repeated.
        "convolution" => Convolution,
        /// The same with the image padded on the right and below only, on the way down.
        "convolution-from-corner" => ConvolutionFromCorner,
        /// The mean of 2×2 pixels, and their repetition, without a convolution.
        "plain" => Plain,
        /// A residual block that resamples between its activation and its convolution.
        "blocks" => Blocks {
            /// Whether its skip connection has a convolution of 1×1.
            project: bool = false,
        },
    }
}

named! {
    /// The channels that the first convolution makes.
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub enum Stem as "stem" {
        /// `channels`.
        "channels" => Channels,
        /// Those of the first level.
        "first-level" => FirstLevel,
    }
}

named! {
    /// Whether the pixels in the middle attend to each other.
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub enum Middle as "middle" {
        /// If those of any level do.
        "with-levels" => WithLevels,
        /// Always.
        "attends" => Attends,
        /// Never.
        "plain" => Plain,
    }
}

named! {
    /// Which blocks of a level have attention on the way up. On the way down, all have it.
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub enum UpAttention as "attention on the way up" {
        /// All.
        "every" => Every,
        /// The last one.
        "last" => Last,
    }
}

named! {
    /// Where the class enters.
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub enum ClassInput as "place of the class" {
        /// A row of a table is added to the embedding of the time.
        "embedding" => Embedding,
        /// A linear layer on the label as a unit vector times √classes is added to the time's
        /// sinusoids, before they are embedded.
        "features" => Features,
    }
}

/// The shape of a [`UNet`](super::UNet).
#[derive(Debug, Clone, PartialEq)]
pub struct UNetConfig {
    /// Colour channels of an image.
    pub image_channels: usize,
    /// Height and width of an image, each divisible by `2^(levels − 1)`.
    pub image_size: [usize; 2],
    /// Channels at full resolution, where their multiplier is 1; also the number of sinusoids of
    /// the time, and a quarter of the numbers in its embedding.
    pub channels: usize,
    /// Channels of each level as multiples of `channels`, rounded down, one entry per level.
    pub multipliers: Vec<f64>,
    /// Residual blocks per level; on the way up there is one more.
    pub blocks: usize,
    /// Heights of the images whose pixels attend to each other.
    pub attention: Vec<usize>,
    /// Attention heads.
    pub heads: Heads,
    /// Attention heads on the way up, if they are others.
    pub heads_up: Option<Heads>,
    /// Attention in the middle.
    pub middle: Middle,
    /// Attention on the way up.
    pub up_attention: UpAttention,
    /// Probability of dropping an element inside a residual block.
    pub dropout: f64,
    /// The normalisations.
    pub norm: Normalisation,
    /// The sinusoids of the time.
    pub time: TimeFeatures,
    /// How time and class change the channels of a block.
    pub modulation: Modulation,
    /// How the size of an image changes between levels.
    pub resample: Resample,
    /// The channels after the first convolution.
    pub stem: Stem,
    /// What the sum of every residual connection is multiplied by.
    pub skip_scale: f64,
    /// Classes to condition on; 0 for none.
    pub classes: usize,
    /// Where the class enters.
    pub class_input: ClassInput,
    /// What stands for "no class".
    pub null_class: NullClass,
    /// Numbers that describe how a training image was augmented; 0 for none. They are zero in
    /// sampling.
    pub augmentation: usize,
    /// Numbers in the vector of attributes to condition on; 0 for none.
    pub attributes: usize,
    /// Channels of an image to condition on, of the same height and width as the state; 0 for none.
    pub beside: usize,
    /// Numbers in each token of a sequence that the pixels attend to, such as encoded text; 0 for
    /// none. They do where they attend to each other, and in the middle always.
    pub sequence: usize,
    /// Whether the network also predicts a variance, or the score of a bridge, which doubles its
    /// output channels.
    pub learns_variance: bool,
    /// Whether the duration of a step enters beside its time, by sinusoids of its own.
    pub durations: bool,
}

impl UNetConfig {
    /// A small network for small images: 32 channels, two levels, one block per level, no
    /// attention.
    pub fn new(image_channels: usize, image_size: [usize; 2]) -> Self {
        Self {
            image_channels,
            image_size,
            channels: 32,
            multipliers: vec![1.0, 2.0],
            blocks: 1,
            attention: Vec::new(),
            heads: Heads::Count(1),
            heads_up: None,
            middle: Middle::WithLevels,
            up_attention: UpAttention::Every,
            dropout: 0.0,
            norm: Normalisation::default(),
            time: TimeFeatures::default(),
            modulation: Modulation::ScaleShift,
            resample: Resample::Convolution,
            stem: Stem::Channels,
            skip_scale: 1.0,
            classes: 0,
            class_input: ClassInput::Embedding,
            null_class: NullClass::Trained,
            augmentation: 0,
            attributes: 0,
            beside: 0,
            sequence: 0,
            learns_variance: false,
            durations: false,
        }
    }

    /// The channels of each level, from the finest.
    pub fn widths(&self) -> Vec<usize> {
        let width = |multiplier: &f64| (multiplier * self.channels as f64) as usize;
        self.multipliers.iter().map(width).collect()
    }

    /// The channels after the first convolution.
    pub fn stem_width(&self) -> usize {
        match self.stem {
            Stem::Channels => self.channels,
            Stem::FirstLevel => self.widths().first().copied().unwrap_or(self.channels),
        }
    }

    /// Numbers in the embedding of the time.
    pub fn embedding(&self) -> usize {
        self.channels.saturating_mul(4)
    }

    /// The channels of the output.
    pub fn outputs(&self) -> usize {
        self.image_channels
            .saturating_mul(1 + usize::from(self.learns_variance))
    }

    /// Why this network cannot be built; `None` if it can.
    pub fn problem(&self) -> Option<String> {
        let levels = self.multipliers.len();
        if !(1..=LEVELS).contains(&levels)
            || self.multipliers.iter().any(|m| m.is_nan() || *m <= 0.0)
        {
            return Some(format!(
                "multipliers must be 1 to {LEVELS} positive numbers, one per level"
            ));
        }
        let factor = 1 << (levels - 1);
        let [height, width] = self.image_size;
        if self.channels == 0 || !self.channels.is_multiple_of(2) || self.blocks == 0 {
            return Some("channels must be a positive even number, and blocks at least 1".into());
        }
        if (self.channels / 2) as f64 <= self.time.shift {
            return Some(
                "2 channels have a single frequency; use more, or a time.shift of 0".into(),
            );
        }
        let widths = self.widths();
        if self.blocks > MOST || widths.iter().any(|&width| width > MOST) {
            return Some(format!(
                "a level has at most {MOST} channels, and as many blocks"
            ));
        }
        if widths.contains(&0) {
            return Some(format!(
                "a multiplier leaves none of {} channels; use larger ones",
                self.channels
            ));
        }
        if !height.is_multiple_of(factor) || !width.is_multiple_of(factor) {
            return Some(format!(
                "images of {height}×{width} cannot be halved {} times; use fewer multipliers",
                levels - 1
            ));
        }
        let heights: Vec<usize> = (0..levels).map(|level| height >> level).collect();
        if let Some(other) = self.attention.iter().find(|at| !heights.contains(at)) {
            return Some(format!(
                "no level has the height {other} for attention; images of {height}×{width} have \
                 {heights:?}"
            ));
        }
        self.indivisible(&widths).or_else(|| {
            (!(0.0..1.0).contains(&self.dropout))
                .then(|| format!("dropout {} is not in [0, 1)", self.dropout))
        })
    }

    /// Heads or groups that do not divide the channels.
    fn indivisible(&self, widths: &[usize]) -> Option<String> {
        let attending = (0..widths.len()).filter(|&level| self.attends(level));
        let mut attending: Vec<usize> = attending.map(|level| widths[level]).collect();
        if self.middle_attends() || self.sequence > 0 {
            attending.extend(widths.last());
        }
        for heads in [self.heads, self.heads_up.unwrap_or(self.heads)] {
            let whole = match heads {
                Heads::Count(_) => Some(self.channels),
                Heads::OfChannels(_) => None,
            };
            for &channels in whole.iter().chain(&attending) {
                if heads.of(channels).is_none() {
                    return Some(match heads {
                        Heads::Count(n) => format!("{n} heads do not divide {channels} channels"),
                        Heads::OfChannels(each) => {
                            format!("{channels} channels cannot be split into heads of {each}")
                        }
                    });
                }
            }
        }
        // Every normalisation is of a level's channels, or of two numbers of them side by side.
        let stem = self.stem_width();
        let groups = |channels: usize| self.norm.groups.of(channels);
        let mut sums = widths.to_vec();
        sums.push(stem);
        for (level, &own) in widths.iter().enumerate() {
            let before = level.checked_sub(1).map_or(stem, |before| widths[before]);
            let below = widths.get(level + 1).copied().unwrap_or(own);
            sums.extend([below + own, 2 * own, own + before]);
        }
        let other = sums
            .into_iter()
            .find(|&channels| groups(channels).is_none())?;
        Some(format!(
            "{other} channels cannot be normalised in {:?} groups",
            self.norm.groups
        ))
    }

    /// The size of a network without a [problem](UNetConfig::problem), counted without building
    /// it.
    pub fn size(&self) -> Size {
        let [height, width] = self.image_size.map(|side| side as u64);
        let pixels = |level: usize| (height >> level).saturating_mul(width >> level);
        let stage = |inputs: usize, outputs: usize, level: usize, attends: bool| {
            let pixels = pixels(level);
            let block = self.block(inputs, outputs).size(pixels);
            if attends {
                block
                    .and(attention::size(outputs as u64, pixels))
                    .and(self.reading_size(outputs, pixels))
            } else {
                block
            }
        };
        let resized = |size: Size, channels: usize, to: usize| {
            let (own, to) = (channels as u64, pixels(to));
            match self.resample {
                Resample::Convolution | Resample::ConvolutionFromCorner => {
                    size.conv(own, own, 3, to)
                }
                Resample::Plain => size,
                Resample::Blocks { .. } => {
                    size.and(self.resizing(channels, Resize::Halve).size(to))
                }
            }
        };
        let (widths, stem) = (self.widths(), self.stem_width());
        let last = widths.len().saturating_sub(1);
        let mut size = self.embeddings_size();
        let inputs = (self.image_channels as u64).saturating_add(self.beside as u64);
        size = size.conv(inputs, stem as u64, 3, pixels(0));
        for (level, &own) in widths.iter().enumerate() {
            let attends = self.attends(level);
            let every = attends && self.up_attention == UpAttention::Every;
            let before = level.checked_sub(1).map_or(stem, |l| widths[l]);
            let further = (self.blocks as u64).saturating_sub(1);
            // Down: the first block comes from the level before, the others from this one.
            size = size
                .and(stage(before, own, level, attends))
                .and(stage(own, own, level, attends).times(further));
            // Up: the first block comes from the level below, and the last takes its skip from the
            // level before.
            let below = widths.get(level + 1).copied().unwrap_or(own);
            size = size
                .and(stage(below.saturating_add(own), own, level, every))
                .and(stage(own.saturating_mul(2), own, level, every).times(further))
                .and(stage(own.saturating_add(before), own, level, attends));
            if level < last {
                size = resized(size, own, level + 1);
            }
            if level > 0 {
                size = resized(size, own, level - 1);
            }
        }
        let middle = widths.last().copied().unwrap_or(self.channels);
        let first = widths.first().copied().unwrap_or(self.channels) as u64;
        if !self.middle_attends() {
            size = size.and(self.reading_size(middle, pixels(last)));
        }
        size.and(stage(middle, middle, last, self.middle_attends()))
            .and(stage(middle, middle, last, false))
            .norm(first, pixels(0))
            .conv(first, self.outputs() as u64, 3, pixels(0))
    }

    fn embeddings_size(&self) -> Size {
        let (channels, embedding) = (self.channels as u64, self.embedding() as u64);
        let time = Size::default()
            .linear(channels, embedding)
            .linear(embedding, embedding);
        let mut size = time.times(1 + u64::from(self.durations));
        if self.classes > 0 {
            let trained = u64::from(self.null_class == NullClass::Trained);
            let rows = (self.classes as u64).saturating_add(trained);
            size = match self.class_input {
                ClassInput::Embedding => size.table(rows, embedding),
                ClassInput::Features => size.linear(rows, channels),
            };
        }
        if self.augmentation > 0 {
            size = size.table(self.augmentation as u64, channels);
        }
        if self.attributes > 0 {
            size = size
                .linear((self.attributes as u64).saturating_add(1), embedding)
                .linear(embedding, embedding);
        }
        if self.sequence > 0 {
            size = size
                .linear(self.sequence as u64, embedding)
                .linear(embedding, embedding)
                .table(1, embedding);
        }
        size
    }

    /// The size of what reads a sequence, if there is one, on images of this many pixels.
    fn reading_size(&self, channels: usize, pixels: u64) -> Size {
        match self.sequence {
            0 => Size::default(),
            _ => sequence::size([channels, self.embedding()].map(|n| n as u64), pixels),
        }
    }

    /// A block at one size.
    pub(super) fn block(&self, inputs: usize, outputs: usize) -> ResidualConfig {
        ResidualConfig {
            modulation: self.modulation,
            dropout: self.dropout,
            norm: self.norm,
            skip_scale: self.skip_scale,
            ..ResidualConfig::new(inputs, outputs, self.embedding())
        }
    }

    /// A block between two sizes.
    pub(super) fn resizing(&self, channels: usize, resize: Resize) -> ResidualConfig {
        ResidualConfig {
            resize,
            projects: self.resample == Resample::Blocks { project: true },
            ..self.block(channels, channels)
        }
    }

    /// Whether the pixels of images that were halved `level` times attend to each other.
    pub fn attends(&self, level: usize) -> bool {
        self.attention.contains(&(self.image_size[0] >> level))
    }

    pub(super) fn middle_attends(&self) -> bool {
        match self.middle {
            Middle::WithLevels => !self.attention.is_empty(),
            Middle::Attends => true,
            Middle::Plain => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::norm::Groups;

    #[test]
    fn attention_at_a_height_that_no_level_has_is_a_problem() {
        let config = |attention| UNetConfig {
            attention,
            ..UNetConfig::new(1, [8, 32])
        };
        assert_eq!(config(vec![8, 4]).problem(), None);
        let problem = config(vec![5]).problem().expect("no level of 5");
        assert!(problem.contains("[8, 4]"), "{problem}");
    }

    #[test]
    fn heads_and_groups_must_divide_the_channels() {
        let config = |channels, heads, groups| UNetConfig {
            channels,
            heads,
            attention: vec![8],
            norm: Normalisation {
                groups,
                epsilon: 1e-6,
            },
            ..UNetConfig::new(1, [8, 8])
        };
        let fits = config(64, Heads::OfChannels(32), Groups::Fixed(32));
        assert_eq!(fits.problem(), None);
        for (config, part) in [
            (
                config(64, Heads::OfChannels(48), Groups::Divisor),
                "64 channels cannot be split into heads of 48",
            ),
            (
                config(64, Heads::Count(3), Groups::Divisor),
                "3 heads do not divide 64 channels",
            ),
            (
                config(48, Heads::Count(1), Groups::Fixed(32)),
                "48 channels cannot be normalised in Fixed(32) groups",
            ),
        ] {
            let problem = config.problem().expect(part);
            assert!(problem.contains(part), "{problem}");
        }
    }
}
