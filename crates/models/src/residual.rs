//! The residual block of a diffusion UNet.
//!
//! `h = conv(SiLU(norm(x)))`, `h ← norm(h)·(1 + a(e)) + b(e)`,
//! `y = skip(x) + conv(dropout(SiLU(h)))`
//!
//! Source: Ho et al. 2020, appendix B; scale and shift by the embedding:
//! Dhariwal & Nichol 2021, §4.

use crate::dropout::dropout;
use crate::init::Init;
use crate::layer::{convolve, dense};
use crate::norm::GroupNorm;
use crate::size::Size;
use burn::module::Module;
use burn::nn::Linear;
use burn::nn::conv::Conv2d;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::noise::Draws;
use pyroclast_kernels::Activation;

/// Two convolutions, modulated by an embedding of time and class. At first it
/// equals its skip connection.
///
/// # Shapes
/// - x: `[batch, inputs, height, width]`, embedding: `[batch, embedding]`,
///   output: `[batch, outputs, height, width]`
#[derive(Module, Debug)]
pub struct ResidualBlock<B: Backend> {
    norm_in: GroupNorm<B>,
    conv_in: Conv2d<B>,
    modulation: Linear<B>,
    norm_out: GroupNorm<B>,
    conv_out: Conv2d<B>,
    skip: Option<Conv2d<B>>,
    dropout: f64,
}

/// The size of a block on images of this many pixels.
pub(crate) fn size(inputs: u64, outputs: u64, embedding: u64, pixels: u64) -> Size {
    let size = Size::default()
        .norm(inputs, pixels)
        .conv(inputs, outputs, 3, pixels)
        .linear(embedding, outputs.saturating_mul(2))
        .norm(outputs, pixels)
        .conv(outputs, outputs, 3, pixels);
    if inputs == outputs {
        size
    } else {
        size.conv(inputs, outputs, 1, pixels)
    }
}

impl<B: Backend> ResidualBlock<B> {
    /// A block from `inputs` to `outputs` channels, modulated by an embedding of this many numbers.
    pub fn new(
        inputs: usize,
        outputs: usize,
        embedding: usize,
        dropout: f64,
        init: &mut Init<'_, B>,
    ) -> Self {
        Self {
            norm_in: init.norm(inputs),
            conv_in: init.conv(inputs, outputs, 3, 1),
            modulation: init.linear(embedding, 2 * outputs),
            norm_out: init.norm(outputs),
            conv_out: init.zero_conv(outputs, outputs, 3),
            skip: (inputs != outputs).then(|| init.conv(inputs, outputs, 1, 1)),
            dropout,
        }
    }

    /// The block's output. A training pass gives `draws`, from which the dropout masks are drawn.
    ///
    /// `embedding` has already passed through the SiLU that all blocks share.
    pub fn forward(
        &self,
        x: Tensor<B, 4>,
        embedding: Tensor<B, 2>,
        draws: Option<&mut Draws>,
    ) -> Tensor<B, 4> {
        let h = convolve(&self.conv_in, self.norm_in.forward_silu(x.clone()));
        let channels = h.dims()[1];
        let modulation = dense(&self.modulation, embedding, Activation::Identity);
        let scale = modulation.clone().narrow(1, 0, channels);
        let shift = modulation.narrow(1, channels, channels);
        let h = self.norm_out.modulated_silu(h, scale, shift);
        let h = convolve(&self.conv_out, dropout(h, self.dropout, draws));
        let skip = match &self.skip {
            Some(conv) => convolve(conv, x),
            None => x,
        };
        skip + h
    }
}
