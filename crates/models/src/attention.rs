//! Self-attention over the pixels of an image, or any other tokens.
//!
//! `y = x + W_o·softmax(q·kᵀ/√d)·v`, with q, k and v linear in the normalised x
//!
//! Source: Vaswani et al. 2017, eq. 1; Ho et al. 2020, appendix B for its place in a UNet.

use crate::dual::Dual;
use crate::init::Init;
use crate::norm::GroupNorm;
use crate::size::Size;
use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_kernels::{Activation, from_tokens, to_tokens};

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
        self.carry(x.into()).value
    }

    pub(crate) fn carry(&self, x: Dual<B, 4>) -> Dual<B, 4> {
        let [_, _, height, width] = x.dims();
        let [x, around] = x.fork();
        let tokens = self.norm.carry(x, false).linearly(to_tokens);
        let out = attend(&self.qkv, &self.out, self.heads, tokens);
        around.plus(out.linearly(|x| from_tokens(x, [height, width])))
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
    tokens: Dual<B, 3>,
) -> Dual<B, 3> {
    let depth = tokens.dims()[2] / heads;
    let mixed = { tokens.dense(qkv, Activation::Identity) }
        .self_attention(heads, 1.0 / (depth as f64).sqrt());
    mixed.dense(out, Activation::Identity)
}
