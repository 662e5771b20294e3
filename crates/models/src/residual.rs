//! The residual block of a diffusion UNet.
//!
//! `h = conv(r(SiLU(norm(x))))`, `h ← norm(h)·(1 + a(e)) + b(e)` or `h ← norm(h + b(e))`,
//! `y = s·(skip(r(x)) + conv(dropout(SiLU(h))))`, where r halves or doubles the size, or neither;
//! without an embedding, `h ← norm(h)`
//!
//! Source: Ho et al. 2020, appendix B; scale and shift by the embedding, and blocks that resample:
//! Dhariwal & Nichol 2021, §4 and appendix; s: Song et al. 2021 (score SDE), appendix H.

use crate::dropout::dropout;
use crate::dual::Dual;
use crate::init::Init;
use crate::norm::{GroupNorm, Normalisation};
use crate::size::Size;
use burn::module::Module;
use burn::nn::Linear;
use burn::nn::conv::Conv2d;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::named;
use pyroclast_core::noise::Draws;
use pyroclast_kernels::{Activation, doubled, halved};

named! {
    /// How an embedding changes the channels of a block.
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub enum Modulation as "modulation" {
        /// After the second normalisation, `h·(1 + a) + b`.
        "scale-shift" => ScaleShift,
        /// Before it, `h + b`.
        "additive" => Additive,
    }
}

/// How a block changes the size of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resize {
    /// Not at all.
    Keep,
    /// By the mean of 2×2 pixels.
    Halve,
    /// By repeating each pixel.
    Double,
}

impl Resize {
    /// The image in its new size.
    pub(crate) fn apply<B: Backend>(self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        match self {
            Self::Keep => x,
            Self::Halve => halved(x),
            Self::Double => doubled(x),
        }
    }
}

/// The shape of a [`ResidualBlock`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ResidualConfig {
    /// Channels of the input.
    pub inputs: usize,
    /// Channels of the output.
    pub outputs: usize,
    /// Numbers in the embedding; 0 for a block without one.
    pub embedding: usize,
    /// How the embedding changes the channels.
    pub modulation: Modulation,
    /// Probability of dropping an element.
    pub dropout: f64,
    /// The two normalisations.
    pub norm: Normalisation,
    /// How the size of the image changes.
    pub resize: Resize,
    /// Whether the skip connection has a convolution of 1×1 even if the channels stay the same.
    pub projects: bool,
    /// What the sum of both branches is multiplied by.
    pub skip_scale: f64,
}

impl ResidualConfig {
    /// A block from `inputs` to `outputs` channels, modulated by scale and shift.
    pub fn new(inputs: usize, outputs: usize, embedding: usize) -> Self {
        Self {
            inputs,
            outputs,
            embedding,
            modulation: Modulation::ScaleShift,
            dropout: 0.0,
            norm: Normalisation::default(),
            resize: Resize::Keep,
            projects: false,
            skip_scale: 1.0,
        }
    }

    /// A block from `inputs` to `outputs` channels without an embedding, as in an autoencoder.
    pub fn plain(inputs: usize, outputs: usize) -> Self {
        Self::new(inputs, outputs, 0)
    }

    /// Whether the skip connection has a convolution.
    pub fn has_skip(&self) -> bool {
        self.projects || self.inputs != self.outputs
    }

    /// The rows of the layer that the embedding passes through.
    pub fn modulations(&self) -> usize {
        match self.modulation {
            Modulation::ScaleShift => self.outputs.saturating_mul(2),
            Modulation::Additive => self.outputs,
        }
    }

    /// The size of a block on images of this many pixels.
    pub(crate) fn size(&self, pixels: u64) -> Size {
        let [inputs, outputs, embedding, modulations] = [
            self.inputs,
            self.outputs,
            self.embedding,
            self.modulations(),
        ]
        .map(|n| n as u64);
        let size = Size::default()
            .norm(inputs, pixels)
            .conv(inputs, outputs, 3, pixels)
            .norm(outputs, pixels)
            .conv(outputs, outputs, 3, pixels);
        let size = match embedding {
            0 => size,
            _ => size.linear(embedding, modulations),
        };
        if self.has_skip() {
            size.conv(inputs, outputs, 1, pixels)
        } else {
            size
        }
    }

    /// Builds the block.
    ///
    /// # Panics
    /// If the groups of the normalisation do not divide the channels.
    pub fn init<B: Backend>(&self, init: &mut Init<'_, B>) -> ResidualBlock<B> {
        let &Self {
            inputs, outputs, ..
        } = self;
        ResidualBlock {
            norm_in: self.norm.init(inputs, init.device()),
            conv_in: init.conv(inputs, outputs, 3, 1),
            modulation: (self.embedding > 0)
                .then(|| init.linear(self.embedding, self.modulations())),
            norm_out: self.norm.init(outputs, init.device()),
            conv_out: init.zero_conv(outputs, outputs, 3),
            skip: self.has_skip().then(|| init.conv(inputs, outputs, 1, 1)),
            dropout: self.dropout,
            skip_scale: self.skip_scale,
            mode: self.modulation,
            resize: self.resize,
        }
    }
}

/// Two convolutions, modulated by an embedding of time and class. At first it equals its skip
/// connection.
///
/// # Shapes
/// - x: `[batch, inputs, height, width]`, embedding: `[batch, embedding]`,
///   output: `[batch, outputs, height, width]`, half or twice the size if the block resizes
#[derive(Module, Debug)]
pub struct ResidualBlock<B: Backend> {
    norm_in: GroupNorm<B>,
    conv_in: Conv2d<B>,
    modulation: Option<Linear<B>>,
    norm_out: GroupNorm<B>,
    conv_out: Conv2d<B>,
    skip: Option<Conv2d<B>>,
    dropout: f64,
    skip_scale: f64,
    #[module(skip)]
    mode: Modulation,
    #[module(skip)]
    resize: Resize,
}

impl<B: Backend> ResidualBlock<B> {
    /// The block's output. A training pass gives `draws`, from which the dropout masks are drawn.
    ///
    /// `embedding` has already passed through the SiLU that all blocks share.
    ///
    /// # Panics
    /// If the block was built without an embedding.
    pub fn forward(
        &self,
        x: Tensor<B, 4>,
        embedding: Tensor<B, 2>,
        draws: Option<&mut Draws>,
    ) -> Tensor<B, 4> {
        self.carry(x.into(), embedding.into(), draws).value
    }

    pub(crate) fn carry(
        &self,
        x: Dual<B, 4>,
        embedding: Dual<B, 2>,
        draws: Option<&mut Draws>,
    ) -> Dual<B, 4> {
        let layer = self.modulation.as_ref();
        let layer = layer.expect("a block with an embedding");
        self.run(x, Some(embedding.dense(layer, Activation::Identity)), draws)
    }

    /// The output of a block without an embedding.
    ///
    /// # Panics
    /// If the block was built with one.
    pub fn forward_plain(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        assert!(
            self.modulation.is_none(),
            "this block is modulated by an embedding, which has to be given"
        );
        self.run(x.into(), None, None).value
    }

    fn run(
        &self,
        x: Dual<B, 4>,
        modulation: Option<Dual<B, 2>>,
        draws: Option<&mut Draws>,
    ) -> Dual<B, 4> {
        let resized = |x: Dual<B, 4>| x.linearly(|x| self.resize.apply(x));
        let [x, around] = x.fork();
        let h = resized(self.norm_in.carry(x, true)).convolve(&self.conv_in);
        let h = match (modulation, self.mode) {
            (None, _) => self.norm_out.carry(h, true),
            (Some(modulation), Modulation::ScaleShift) => {
                self.norm_out.carry_modulated(h, modulation)
            }
            (Some(modulation), Modulation::Additive) => {
                self.norm_out.carry(h.shift_channels(modulation), true)
            }
        };
        let h = dropout(h, self.dropout, draws).convolve(&self.conv_out);
        let around = resized(around);
        let skip = match &self.skip {
            Some(conv) => around.convolve(conv),
            None => around,
        };
        skip.plus(h).scaled(self.skip_scale)
    }
}
