//! A sequence that tokens attend to, such as encoded text.
//!
//! `h += W_o·softmax(q·kᵀ/√d + m)·v`, with q linear in h, k and v in the tokens of the sequence,
//! and m = 0 for those that count and −∞ for those beyond its end
//!
//! A learned token stands before every sequence, so that one that was dropped leaves something to
//! attend to.
//!
//! Source: Chen et al. 2024 (PixArt-α), §2.3, for its place in a block.

use crate::init::Init;
use crate::layer::dense;
use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::Tensor;
use burn::tensor::activation::softmax;
use burn::tensor::backend::Backend;
use pyroclast_core::condition::Sequences;
use pyroclast_kernels::{Activation, attention};

/// Added to the score of a token that does not count: its weight is then zero in either precision.
const BEYOND: f64 = -1e30;

/// The tokens of a batch, with the learned one first.
#[derive(Debug, Clone)]
pub(super) struct Context<B: Backend> {
    /// `[batch, tokens, width]`.
    tokens: Tensor<B, 3>,
    /// What is added to the scores, `[batch, 1, 1, tokens]`; none where all count.
    mask: Option<Tensor<B, 4>>,
}

/// Two layers on each token of a sequence.
#[derive(Module, Debug)]
pub(super) struct SequenceEmbedding<B: Backend> {
    first: Linear<B>,
    second: Linear<B>,
    null: Param<Tensor<B, 1>>,
}

impl<B: Backend> SequenceEmbedding<B> {
    pub(super) fn new(
        numbers: usize,
        width: usize,
        deviation: f64,
        init: &mut Init<'_, B>,
    ) -> Self {
        Self {
            first: init.normal_linear(numbers, width, deviation),
            second: init.normal_linear(width, width, deviation),
            null: init.normal_vector(width, deviation),
        }
    }

    pub(super) fn forward(&self, sequences: &Sequences<B>, batch: usize) -> Context<B> {
        let null = self.null.val();
        let [width] = null.dims();
        let null = null.reshape([1, 1, width]).expand([batch, 1, width]);
        let Some((tokens, counts)) = sequences.tokens() else {
            return Context {
                tokens: null,
                mask: None,
            };
        };
        let dtype = null.dtype();
        let hidden = dense(&self.first, tokens.cast(dtype), Activation::GeluTanh);
        let tokens = dense(&self.second, hidden, Activation::Identity);
        let [_, count, _] = tokens.dims();
        let beyond = (counts.float().cast(dtype) - 1.0) * -BEYOND;
        let zero = Tensor::zeros([batch, 1], (&beyond.device(), dtype));
        let mask = Tensor::cat(vec![zero, beyond], 1);
        Context {
            tokens: Tensor::cat(vec![null, tokens], 1),
            mask: Some(mask.reshape([batch, 1, 1, count + 1])),
        }
    }
}

/// Attention of the tokens of an image to those of a sequence. At first it finds nothing.
#[derive(Module, Debug)]
pub(super) struct CrossAttention<B: Backend> {
    query: Linear<B>,
    /// Keys, then values.
    found: Linear<B>,
    out: Linear<B>,
    heads: usize,
}

impl<B: Backend> CrossAttention<B> {
    pub(super) fn new(width: usize, heads: usize, init: &mut Init<'_, B>) -> Self {
        Self {
            query: init.xavier_linear(width, width),
            found: init.xavier_linear(width, 2 * width),
            out: init.zero_linear(width, width),
            heads,
        }
    }

    /// What is added to the tokens x, `[batch, tokens, width]`.
    pub(super) fn forward(&self, x: Tensor<B, 3>, context: &Context<B>) -> Tensor<B, 3> {
        let [batch, tokens, width] = x.dims();
        let (heads, depth) = (self.heads, width / self.heads);
        let count = context.tokens.dims()[1];
        let q = dense(&self.query, x, Activation::Identity);
        let q = q.reshape([batch, tokens, heads, depth]).swap_dims(1, 2);
        let found = dense(&self.found, context.tokens.clone(), Activation::Identity);
        let found = found
            .reshape([batch, count, 2 * heads, depth])
            .swap_dims(1, 2);
        let [k, v] = [0, heads].map(|start| found.clone().narrow(1, start, heads));
        let scale = 1.0 / (depth as f64).sqrt();
        let mixed = match &context.mask {
            None => attention(q, k, v, scale),
            Some(mask) => {
                let scores = q.matmul(k.swap_dims(2, 3)) * scale + mask.clone();
                softmax(scores, 3).matmul(v)
            }
        };
        let mixed = mixed.swap_dims(1, 2).reshape([batch, tokens, width]);
        dense(&self.out, mixed, Activation::Identity)
    }
}
