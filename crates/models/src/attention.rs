//! Self-attention over the pixels of an image.
//!
//! `y = x + W_o·softmax(q·kᵀ/√d)·v`, with q, k, v linear in the normalised x
//!
//! Source: Vaswani et al. 2017, eq. 1; Ho et al. 2020, appendix B for its place in a UNet.

use crate::init::Init;
use crate::norm::GroupNorm;
use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Tensor;
use burn::tensor::activation::softmax;
use burn::tensor::backend::Backend;

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

impl<B: Backend> SelfAttention<B> {
    /// Attention with `heads` heads.
    ///
    /// # Panics
    /// If the heads do not divide the channels.
    pub fn new(channels: usize, heads: usize, init: &mut Init<'_, B>) -> Self {
        assert!(
            heads > 0 && channels.is_multiple_of(heads),
            "{heads} heads do not divide {channels} channels"
        );
        Self {
            norm: init.norm(channels),
            qkv: init.linear(channels, 3 * channels),
            out: init.zero_linear(channels, channels),
            heads,
        }
    }

    /// `[batch, channels, height, width]`, unchanged in shape.
    pub fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let [batch, channels, height, width] = x.dims();
        let (pixels, depth) = (height * width, channels / self.heads);
        let tokens = self
            .norm
            .forward(x.clone())
            .reshape([batch, channels, pixels])
            .swap_dims(1, 2);
        // [batch, pixels, 3·channels] → three of [batch, heads, pixels, depth]
        let qkv = self
            .qkv
            .forward(tokens)
            .reshape([batch, pixels, 3 * self.heads, depth])
            .swap_dims(1, 2);
        let part = |i: usize| qkv.clone().narrow(1, i * self.heads, self.heads);
        let scores = part(0).matmul(part(1).swap_dims(2, 3)) * (1.0 / (depth as f64).sqrt());
        let mixed = softmax(scores, 3).matmul(part(2));
        let tokens = mixed.swap_dims(1, 2).reshape([batch, pixels, channels]);
        let out = self.out.forward(tokens).swap_dims(1, 2);
        x + out.reshape([batch, channels, height, width])
    }
}
