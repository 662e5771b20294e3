//! The UNet of diffusion models.
//!
//! On the way down, residual blocks, and half the size after each level. In the middle, a block,
//! attention and a block. On the way up, residual blocks on the concatenated skips, and twice the
//! size after each level. Time, class and attributes scale and shift the channels of every block.
//! An image to condition on enters as more channels of the input.
//!
//! Source: Ronneberger et al. 2015; Ho et al. 2020, appendix B; Dhariwal & Nichol 2021, §3.

use crate::attention::{self, SelfAttention};
use crate::embedding::{ClassEmbedding, TimeEmbedding, VectorEmbedding};
use crate::init::Init;
use crate::layer::convolve;
use crate::norm::GroupNorm;
use crate::residual::{self, ResidualBlock};
use crate::size::Size;
use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use burn::tensor::module::interpolate;
use burn::tensor::ops::{InterpolateMode, InterpolateOptions};
use pyroclast_core::condition::{Images, Labels, Vectors};
use pyroclast_core::network::Network;
use pyroclast_core::noise::Draws;
use pyroclast_kernels::{concat, silu};

/// The most channels of a level, and the most blocks: beyond this, memory is what fails.
const MOST: usize = 1 << 28;
/// The most levels of a network. They halve a side of 32,768 pixels down to 1.
const LEVELS: usize = 16;

/// The shape of a [`UNet`].
#[derive(Debug, Clone, PartialEq)]
pub struct UNetConfig {
    /// Colour channels of an image.
    pub image_channels: usize,
    /// Height and width of an image, each divisible by `2^(levels − 1)`.
    pub image_size: [usize; 2],
    /// Channels at full resolution.
    pub channels: usize,
    /// Channels of each level as multiples of `channels`, one entry per level.
    pub multipliers: Vec<usize>,
    /// Residual blocks per level; on the way up there is one more.
    pub blocks: usize,
    /// Heights of the images whose pixels attend to each other. Unless this is empty, those
    /// in the middle always do.
    pub attention: Vec<usize>,
    /// Attention heads, a divisor of `channels`.
    pub heads: usize,
    /// Probability of dropping an element inside a residual block.
    pub dropout: f64,
    /// Classes to condition on; 0 for none.
    pub classes: usize,
    /// Numbers in the vector of attributes to condition on; 0 for none.
    pub attributes: usize,
    /// Channels of an image to condition on, of the same height and width as the state; 0 for none.
    pub beside: usize,
    /// Whether the network also predicts a variance, which doubles its output channels.
    pub learns_variance: bool,
}

impl UNetConfig {
    /// A small network for small images: 32 channels, two levels, one block
    /// per level, no attention.
    pub fn new(image_channels: usize, image_size: [usize; 2]) -> Self {
        Self {
            image_channels,
            image_size,
            channels: 32,
            multipliers: vec![1, 2],
            blocks: 1,
            attention: Vec::new(),
            heads: 1,
            dropout: 0.0,
            classes: 0,
            attributes: 0,
            beside: 0,
            learns_variance: false,
        }
    }

    /// Why this network cannot be built; `None` if it can.
    pub fn problem(&self) -> Option<String> {
        let levels = self.multipliers.len();
        if !(1..=LEVELS).contains(&levels) || self.multipliers.contains(&0) {
            return Some(format!(
                "multipliers must be 1 to {LEVELS} positive numbers, one per level"
            ));
        }
        let factor = 1 << (levels - 1);
        let [height, width] = self.image_size;
        if self.channels == 0 || !self.channels.is_multiple_of(2) || self.blocks == 0 {
            return Some("channels must be a positive even number, and blocks at least 1".into());
        }
        let channels = |multiplier: &usize| self.channels.saturating_mul(*multiplier);
        if self.blocks > MOST || self.multipliers.iter().any(|m| channels(m) > MOST) {
            return Some(format!(
                "a level has at most {MOST} channels, and as many blocks"
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
        if self.heads == 0 || !self.channels.is_multiple_of(self.heads) {
            return Some(format!(
                "{} heads do not divide {} channels",
                self.heads, self.channels
            ));
        }
        if !(0.0..1.0).contains(&self.dropout) {
            return Some(format!("dropout {} is not in [0, 1)", self.dropout));
        }
        None
    }

    /// The size of a network without a [problem](UNetConfig::problem), counted without building
    /// it.
    pub fn size(&self) -> Size {
        let channels = self.channels as u64;
        let embedding = channels.saturating_mul(4);
        let [height, width] = self.image_size.map(|side| side as u64);
        let pixels = |level: usize| (height >> level).saturating_mul(width >> level);
        let stage = |inputs: u64, outputs: u64, level: usize, attends: bool| {
            let pixels = pixels(level);
            let block = residual::size(inputs, outputs, embedding, pixels);
            if attends {
                block.and(attention::size(outputs, pixels))
            } else {
                block
            }
        };
        let widths: Vec<u64> = (self.multipliers.iter())
            .map(|&multiplier| channels.saturating_mul(multiplier as u64))
            .collect();
        let (last, blocks) = (widths.len().saturating_sub(1), self.blocks as u64);
        let mut size = Size::default()
            .linear(channels, embedding)
            .linear(embedding, embedding);
        if self.classes > 0 {
            size = size.table((self.classes as u64).saturating_add(1), embedding);
        }
        if self.attributes > 0 {
            size = size
                .linear((self.attributes as u64).saturating_add(1), embedding)
                .linear(embedding, embedding);
        }
        let inputs = (self.image_channels as u64).saturating_add(self.beside as u64);
        size = size.conv(inputs, channels, 3, pixels(0));
        for (level, &own) in widths.iter().enumerate() {
            let attends = self.attends(level);
            let before = level.checked_sub(1).map_or(channels, |l| widths[l]);
            // Down: the first block comes from the level before, the others from this one.
            size = size
                .and(stage(before, own, level, attends))
                .and(stage(own, own, level, attends).times(blocks.saturating_sub(1)));
            // Up: the first block comes from the level below, and the last takes its skip from the
            // level before.
            let below = widths.get(level + 1).copied().unwrap_or(own);
            size = size
                .and(stage(below.saturating_add(own), own, level, attends))
                .and(
                    stage(own.saturating_mul(2), own, level, attends)
                        .times(blocks.saturating_sub(1)),
                )
                .and(stage(own.saturating_add(before), own, level, attends));
            if level < last {
                size = size.conv(own, own, 3, pixels(level + 1));
            }
            if level > 0 {
                size = size.conv(own, own, 3, pixels(level - 1));
            }
        }
        let (middle, first) = (
            widths.last().copied().unwrap_or(channels),
            widths.first().copied().unwrap_or(channels),
        );
        let outputs =
            (self.image_channels as u64).saturating_mul(1 + u64::from(self.learns_variance));
        size.and(stage(middle, middle, last, !self.attention.is_empty()))
            .and(stage(middle, middle, last, false))
            .norm(first, pixels(0))
            .conv(first, outputs, 3, pixels(0))
    }

    /// Builds the network. The output convolution starts at zero.
    ///
    /// # Panics
    /// If [`UNetConfig::problem`] finds a problem, which is then the message.
    pub fn init<B: Backend>(&self, init: &mut Init<'_, B>) -> UNet<B> {
        if let Some(problem) = self.problem() {
            panic!("{problem}");
        }
        let embedding = 4 * self.channels;
        let time = TimeEmbedding::new(self.channels, embedding, init);
        let classes =
            (self.classes > 0).then(|| ClassEmbedding::new(self.classes, embedding, init));
        let attributes =
            (self.attributes > 0).then(|| VectorEmbedding::new(self.attributes, embedding, init));
        let stem = init.conv(self.image_channels + self.beside, self.channels, 3, 1);
        let stage = |inputs: usize, outputs: usize, attends: bool, init: &mut Init<'_, B>| Stage {
            block: ResidualBlock::new(inputs, outputs, embedding, self.dropout, init),
            attention: attends.then(|| SelfAttention::new(outputs, self.heads, init)),
        };

        let mut skips = vec![self.channels];
        let mut current = self.channels;
        let mut down = Vec::new();
        for (level, multiplier) in self.multipliers.iter().enumerate() {
            let outputs = self.channels * multiplier;
            let attends = self.attends(level);
            let mut stages = Vec::new();
            for _ in 0..self.blocks {
                stages.push(stage(current, outputs, attends, init));
                current = outputs;
                skips.push(current);
            }
            let last = level + 1 == self.multipliers.len();
            let resize = (!last).then(|| init.conv(current, current, 3, 2));
            if !last {
                skips.push(current);
            }
            down.push(Level { stages, resize });
        }
        let attends = !self.attention.is_empty();
        let middle = vec![
            stage(current, current, attends, init),
            stage(current, current, false, init),
        ];
        let mut up = Vec::new();
        for (level, multiplier) in self.multipliers.iter().enumerate().rev() {
            let outputs = self.channels * multiplier;
            let attends = self.attends(level);
            let mut stages = Vec::new();
            for _ in 0..=self.blocks {
                let skip = skips
                    .pop()
                    .expect("the way down left one skip for each block on the way up");
                stages.push(stage(current + skip, outputs, attends, init));
                current = outputs;
            }
            let resize = (level > 0).then(|| init.conv(current, current, 3, 1));
            up.push(Level { stages, resize });
        }
        let outputs = self.image_channels * if self.learns_variance { 2 } else { 1 };
        UNet {
            time,
            classes,
            attributes,
            beside: self.beside,
            stem,
            down,
            middle,
            up,
            norm: init.norm(current),
            head: init.zero_conv(current, outputs, 3),
        }
    }

    fn attends(&self, level: usize) -> bool {
        self.attention.contains(&(self.image_size[0] >> level))
    }
}

/// A residual block, with or without attention after it.
#[derive(Module, Debug)]
struct Stage<B: Backend> {
    block: ResidualBlock<B>,
    attention: Option<SelfAttention<B>>,
}

impl<B: Backend> Stage<B> {
    fn forward(
        &self,
        x: Tensor<B, 4>,
        embedding: &Tensor<B, 2>,
        draws: Option<&mut Draws>,
    ) -> Tensor<B, 4> {
        let h = self.block.forward(x, embedding.clone(), draws);
        match &self.attention {
            Some(attention) => attention.forward(h),
            None => h,
        }
    }
}

/// The stages at one resolution, and the convolution that leads to the next.
#[derive(Module, Debug)]
struct Level<B: Backend> {
    stages: Vec<Stage<B>>,
    resize: Option<Conv2d<B>>,
}

/// A UNet for images, `[batch, channels, height, width]`, conditioned on any of a class, attributes
/// and an image. If it learns a variance, its output has twice the channels.
#[derive(Module, Debug)]
pub struct UNet<B: Backend> {
    time: TimeEmbedding<B>,
    classes: Option<ClassEmbedding<B>>,
    attributes: Option<VectorEmbedding<B>>,
    beside: usize,
    stem: Conv2d<B>,
    down: Vec<Level<B>>,
    middle: Vec<Stage<B>>,
    up: Vec<Level<B>>,
    norm: GroupNorm<B>,
    head: Conv2d<B>,
}

impl<B: Backend> UNet<B> {
    fn run(
        &self,
        x: Tensor<B, 4>,
        t: Tensor<B, 1>,
        (labels, (attributes, beside)): &Condition<B>,
        mut draws: Option<&mut Draws>,
    ) -> Tensor<B, 4> {
        let [batch, _, height, width] = x.dims();
        let mut embedding = self.time.forward(t);
        if let Some(classes) = &self.classes {
            embedding = embedding + classes.forward(labels, batch);
        }
        if let Some(embed) = &self.attributes {
            embedding = embedding + embed.forward(attributes, batch);
        }
        let embedding = silu(embedding);

        let x = match self.beside {
            0 => x,
            channels => {
                let image = beside.or_zeros([batch, channels, height, width], &x.device());
                let image = image.cast(x.dtype());
                concat(x, image, 1)
            }
        };
        let mut h = convolve(&self.stem, x);
        let mut skips = vec![h.clone()];
        for level in &self.down {
            for stage in &level.stages {
                h = stage.forward(h, &embedding, draws.as_deref_mut());
                skips.push(h.clone());
            }
            if let Some(halve) = &level.resize {
                h = convolve(halve, h);
                skips.push(h.clone());
            }
        }
        for stage in &self.middle {
            h = stage.forward(h, &embedding, draws.as_deref_mut());
        }
        for level in &self.up {
            for stage in &level.stages {
                let skip = skips
                    .pop()
                    .expect("each stage on the way up was built for one skip");
                h = stage.forward(concat(h, skip, 1), &embedding, draws.as_deref_mut());
            }
            if let Some(conv) = &level.resize {
                h = convolve(conv, double(h));
            }
        }
        convolve(&self.head, self.norm.forward_silu(h))
    }
}

/// Twice the height and width, each pixel repeated.
fn double<B: Backend>(x: Tensor<B, 4>) -> Tensor<B, 4> {
    let [_, _, height, width] = x.dims();
    interpolate(
        x,
        [2 * height, 2 * width],
        InterpolateOptions::new(InterpolateMode::Nearest),
    )
}

/// A class, attributes, and an image of the size of the state.
type Condition<B> = (Labels<B>, (Vectors<B>, Images<B>));

impl<B: Backend> Network<B, 4> for UNet<B> {
    type Condition = Condition<B>;

    fn forward(
        &self,
        x: Tensor<B, 4>,
        t: Tensor<B, 1>,
        condition: &Self::Condition,
    ) -> Tensor<B, 4> {
        self.run(x, t, condition, None)
    }

    fn forward_training(
        &self,
        x: Tensor<B, 4>,
        t: Tensor<B, 1>,
        condition: &Self::Condition,
        dropout: &mut Draws,
    ) -> Tensor<B, 4> {
        self.run(x, t, condition, Some(dropout))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn_ndarray::NdArray;
    use pyroclast_core::condition::{Condition as _, Given};
    use pyroclast_core::noise::Noise;

    #[test]
    fn an_image_conditions_the_network_and_is_zero_where_dropped() {
        let device = Default::default();
        let config = UNetConfig {
            channels: 4,
            beside: 1,
            ..UNetConfig::new(1, [2, 2])
        };
        let mut init = Init::new(Noise::new(0), &device);
        let mut network: UNet<NdArray> = config.init(&mut init);
        // The last convolution starts at zero, which would hide everything before it.
        network.head = init.conv(4, 1, 3, 1);
        let output = |given: &Given| -> Vec<f32> {
            let x = Tensor::from_data([[[[0.1, 0.2], [0.3, 0.4]]]], &device);
            let t = Tensor::from_data([0.4], &device);
            let y = network.forward(x, t, &super::Condition::upload(given, &device));
            y.into_data().to_vec().expect("single precision")
        };
        let image = Given::images(&[1.0, 2.0, 3.0, 4.0], [1, 2, 2]);
        assert_ne!(output(&image), output(&Given::nothing()));
        assert_eq!(output(&image.dropped(&[true])), output(&Given::nothing()));
    }

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
}
