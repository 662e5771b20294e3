//! A sequence that tokens attend to, such as encoded text.
//!
//! `h += W_o·softmax(q·kᵀ/√d + m)·v`, with q linear in h, k and v in the tokens of the sequence,
//! and m = 0 for those that count and −∞ for those beyond its end
//!
//! A learned token stands before every sequence, so that one that was dropped leaves something to
//! attend to.
//!
//! Source: Chen et al. 2024 (PixArt-α), §2.3, for its place in a block of a transformer; Rombach et
//! al. 2022, §3.3, for that in a UNet: after the attention of the pixels to each other.

use crate::dual::{Dual, attention};
use crate::init::Init;
use crate::layer::dense;
use crate::norm::GroupNorm;
use crate::size::Size;
use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::condition::Sequences;
use pyroclast_core::recompute::stage;
use pyroclast_kernels::{Activation, from_tokens, split_heads, to_tokens};

/// Added to the score of a token that does not count: its weight is then zero in either precision.
const BEYOND: f64 = -1e30;

/// The tokens of a batch, with the learned one first.
#[derive(Debug, Clone)]
pub(crate) struct Context<B: Backend> {
    /// `[batch, tokens, width]`.
    pub(crate) tokens: Tensor<B, 3>,
    /// What is added to the scores, `[batch, 1, 1, tokens]`; none where all count.
    pub(crate) mask: Option<Tensor<B, 4>>,
}

/// Two layers on each token of a sequence.
#[derive(Module, Debug)]
pub(crate) struct SequenceEmbedding<B: Backend> {
    first: Linear<B>,
    second: Linear<B>,
    null: Param<Tensor<B, 1>>,
}

impl<B: Backend> SequenceEmbedding<B> {
    pub(crate) fn new(
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

    pub(crate) fn forward(&self, sequences: &Sequences<B>, batch: usize) -> Context<B> {
        let (own, dtype) = (sequences.clone(), self.null.val().dtype());
        Context {
            tokens: stage(self, (), None, move |embed, (), _| {
                embed.tokens(&own, batch)
            }),
            mask: sequences.tokens().map(|(_, counts)| {
                let [_, count] = counts.dims();
                let beyond = (counts.float().cast(dtype) - 1.0) * -BEYOND;
                let zero = Tensor::zeros([batch, 1], (&beyond.device(), dtype));
                let mask = Tensor::cat(vec![zero, beyond], 1);
                mask.reshape([batch, 1, 1, count + 1])
            }),
        }
    }

    fn tokens(&self, sequences: &Sequences<B>, batch: usize) -> Tensor<B, 3> {
        let null = self.null.val();
        let [width] = null.dims();
        let null = null.reshape([1, 1, width]).expand([batch, 1, width]);
        let Some((tokens, _)) = sequences.tokens() else {
            return null;
        };
        let hidden = dense(&self.first, tokens.cast(null.dtype()), Activation::GeluTanh);
        let tokens = dense(&self.second, hidden, Activation::Identity);
        Tensor::cat(vec![null, tokens], 1)
    }
}

/// Attention of the tokens of an image to those of a sequence. At first it finds nothing.
#[derive(Module, Debug)]
pub(crate) struct CrossAttention<B: Backend> {
    query: Linear<B>,
    /// Keys, then values.
    found: Linear<B>,
    out: Linear<B>,
    heads: usize,
}

impl<B: Backend> CrossAttention<B> {
    /// Attention of tokens of `width` numbers to those of a context of `context` numbers each.
    pub(crate) fn new(width: usize, context: usize, heads: usize, init: &mut Init<'_, B>) -> Self {
        Self {
            query: init.xavier_linear(width, width),
            found: init.xavier_linear(context, 2 * width),
            out: init.zero_linear(width, width),
            heads,
        }
    }

    /// What is added to the tokens x, `[batch, tokens, width]`.
    pub(crate) fn forward(&self, x: Dual<B, 3>, context: &Context<B>) -> Dual<B, 3> {
        let [batch, tokens, width] = x.dims();
        let (heads, depth) = (self.heads, width / self.heads);
        let q = x.dense(&self.query, Activation::Identity);
        let q = q.linearly(|x| x.reshape([batch, tokens, heads, depth]).swap_dims(1, 2));
        let found = dense(&self.found, context.tokens.clone(), Activation::Identity);
        let [k, v] = split_heads(found, 2, heads).try_into().expect("two parts");
        let scale = 1.0 / (depth as f64).sqrt();
        let mixed = attention(q, k.into(), v.into(), scale, context.mask.as_ref());
        let mixed = mixed.linearly(|x| x.swap_dims(1, 2).reshape([batch, tokens, width]));
        mixed.dense(&self.out, Activation::Identity)
    }
}

/// The size of [`PixelsToSequence`] on images of this many pixels, but for the tokens.
pub(crate) fn size([channels, context]: [u64; 2], pixels: u64) -> Size {
    Size::default()
        .norm(channels, pixels)
        .conv(channels, channels, 1, pixels)
        .conv(channels, channels, 1, pixels)
        .linear(context, channels.saturating_mul(2))
}

/// Attention of the pixels of an image to the tokens of a sequence. At first it changes nothing.
#[derive(Module, Debug)]
pub(crate) struct PixelsToSequence<B: Backend> {
    norm: GroupNorm<B>,
    attention: CrossAttention<B>,
}

impl<B: Backend> PixelsToSequence<B> {
    pub(crate) fn new(
        norm: GroupNorm<B>,
        [channels, context]: [usize; 2],
        heads: usize,
        init: &mut Init<'_, B>,
    ) -> Self {
        Self {
            norm,
            attention: CrossAttention::new(channels, context, heads, init),
        }
    }

    /// The pixels of x, `[batch, channels, height, width]`, each with what it finds added to it.
    pub(crate) fn forward(&self, x: Dual<B, 4>, context: &Context<B>) -> Dual<B, 4> {
        let [_, _, height, width] = x.dims();
        let [x, around] = x.fork();
        let tokens = self.norm.carry(x, false).linearly(to_tokens);
        let found = self.attention.forward(tokens, context);
        around.plus(found.linearly(|x| from_tokens(x, [height, width])))
    }
}

/// Asserts of the output of a network for two sequences of three tokens of three numbers that it
/// has the same bits whatever a token holds that does not count, and others if one does.
#[cfg(test)]
pub(crate) fn check_mask(
    output: impl Fn(Sequences<burn_ndarray::NdArray>) -> Tensor<burn_ndarray::NdArray, 4>,
) {
    use burn::tensor::TensorData;
    let device = Default::default();
    let of = |change: f32, at: usize| -> Vec<u32> {
        let mut values: Vec<f32> = (0..18).map(|i| (i as f32).sin()).collect();
        values[at] = change;
        let tokens = Tensor::from_data(TensorData::new(values, [2, 3, 3]), &device);
        // The token in the middle of the first, and the last of the second.
        let counts = vec![true, false, true, true, true, false];
        let counts = Tensor::from_data(TensorData::new(counts, [2, 3]), &device);
        let y = output(Sequences::from_tensors(tokens, counts)).into_data();
        let y: Vec<f32> = y.to_vec().expect("single precision");
        y.iter().map(|y| y.to_bits()).collect()
    };
    for masked in [3, 4, 5, 15, 16, 17] {
        assert_eq!(of(-7.0, masked), of(1e4, masked), "{masked}");
    }
    for counted in [0, 8, 9, 14] {
        assert_ne!(of(-7.0, counted), of(3.0, counted), "{counted}");
    }
}
