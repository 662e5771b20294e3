//! Self-attention over the pixels of an image, or any other tokens.
//!
//! `y = x + W_o·softmax(q·kᵀ/√d)·v`, with q, k and v linear in the normalised x
//!
//! Source: Vaswani et al. 2017, eq. 1; Ho et al. 2020, appendix B for its place in a UNet.

use crate::init::Init;
use crate::layer::dense;
use crate::norm::GroupNorm;
use crate::size::Size;
use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_kernels::{Activation, attention};

/// Attention of every pixel to every other, with a residual connection that starts as the identity.
///
/// # Shapes
/// - x and output: `[batch, channels, height, width]`
#[derive(Module, Debug)]
pub struct SelfAttention<B: Backend> {
    norm: GroupNorm<B>,
    qkv: Linear<B>,
    out: Linear<B>,
    heads: usize,
}

/// The size of attention on images of this many pixels, of which each looks at every other.
pub(crate) fn size(channels: u64, pixels: u64) -> Size {
    Size::default()
        .norm(channels, pixels)
        .conv(channels, channels.saturating_mul(3), 1, pixels)
        .conv(channels, channels, 1, pixels)
}

impl<B: Backend> SelfAttention<B> {
    /// Attention over `channels` channels, split among `heads` heads.
    ///
    /// # Panics
    /// If `heads` does not divide `channels`.
    pub fn new(channels: usize, heads: usize, init: &mut Init<'_, B>) -> Self {
        Self::after(init.norm(channels), channels, heads, init)
    }

    /// The same with this normalisation before it.
    ///
    /// # Panics
    /// If `heads` does not divide `channels`.
    pub fn after(
        norm: GroupNorm<B>,
        channels: usize,
        heads: usize,
        init: &mut Init<'_, B>,
    ) -> Self {
        assert!(
            heads > 0 && channels.is_multiple_of(heads),
            "{heads} heads do not divide {channels} channels"
        );
        Self {
            norm,
            qkv: init.linear(channels, 3 * channels),
            out: init.zero_linear(channels, channels),
            heads,
        }
    }

    /// The pixels of x, each with a mixture of all pixels added to it.
    pub fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let [batch, channels, height, width] = x.dims();
        let pixels = height * width;
        let tokens = self
            .norm
            .forward(x.clone())
            .reshape([batch, channels, pixels])
            .swap_dims(1, 2);
        let out = attend(&self.qkv, &self.out, self.heads, tokens).swap_dims(1, 2);
        x + out.reshape([batch, channels, height, width])
    }
}

/// What each token finds among all of its sample: `W_o·softmax(q·kᵀ/√d)·v`, with q, k and v the
/// three parts of `qkv`.
///
/// # Shapes
/// - tokens and output: `[batch, tokens, width]`
pub(crate) fn attend<B: Backend>(
    qkv: &Linear<B>,
    out: &Linear<B>,
    heads: usize,
    tokens: Tensor<B, 3>,
) -> Tensor<B, 3> {
    let [batch, count, width] = tokens.dims();
    let depth = width / heads;
    // [batch, count, 3·width] → three of [batch, heads, count, depth]
    let qkv = dense(qkv, tokens, Activation::Identity)
        .reshape([batch, count, 3 * heads, depth])
        .swap_dims(1, 2);
    let part = |i: usize| qkv.clone().narrow(1, i * heads, heads);
    let mixed = attention(part(0), part(1), part(2), 1.0 / (depth as f64).sqrt());
    let tokens = mixed.swap_dims(1, 2).reshape([batch, count, width]);
    dense(out, tokens, Activation::Identity)
}
