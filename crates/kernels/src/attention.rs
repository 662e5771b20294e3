//! Attention of every token to every other.
//!
//! `y = softmax(q·kᵀ·s)·v`
//!
//! Source: Vaswani et al. 2017, eq. 1.

use burn::tensor::Tensor;
use burn::tensor::activation::softmax;
use burn::tensor::backend::Backend;

/// Attention with scores multiplied by `scale`, 1/√depth as a rule.
///
/// The scores of all pairs are held, so it is meant for short sequences. On flex the softmax is one pass over them, in place, and so is its
/// gradient.
///
/// # Shapes
/// - q: `[batch, heads, queries, depth]`, k: `[batch, heads, keys, depth]`, v: `[batch, heads, keys, width]`
/// - output: `[batch, heads, queries, width]`
///
/// # Panics
/// If the scale is not positive: the softmax is held against overflow by the largest score.
pub fn attention<B: Backend>(
    q: Tensor<B, 4>,
    k: Tensor<B, 4>,
    v: Tensor<B, 4>,
    scale: f64,
) -> Tensor<B, 4> {
    assert!(
        scale > 0.0,
        "scores are multiplied by a positive scale, not {scale}"
    );
    #[cfg(feature = "flex")]
    if crate::flex::takes::<B>(q.dtype()) {
        return crate::flex::attention(q, k, v, scale);
    }
    softmax(q.matmul(k.swap_dims(2, 3)) * scale, 3).matmul(v)
}
