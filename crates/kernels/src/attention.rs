//! Attention of every query to every key.

use crate::precision::Precision;
use crate::split::split_heads;
use burn::tensor::Tensor;
use burn::tensor::activation::softmax;
use burn::tensor::backend::Backend;

/// Scaled dot-product attention.
///
/// `y = softmax(s·q·kᵀ)·v`, with the scale s usually `1/√depth`
///
/// On flex the scores of a few queries at a time are in the cache, and the gradient computes them
/// again; so memory grows with the number of tokens and not with its square. Other backends keep
/// the scores of all pairs. On GPUs, a launch stands between the two products, and one between the
/// four of the gradient.
///
/// Source: Vaswani et al. 2017, eq. 1; blocks of queries: Rabe & Staats 2021.
///
/// # Shapes
/// - q: `[batch, heads, queries, depth]`, k: `[batch, heads, keys, depth]`,
///   v: `[batch, heads, keys, width]`
/// - output: `[batch, heads, queries, width]`
///
/// # Panics
/// If shapes do not match, the [`Precision`] is bf16 on a backend that does not round, or the scale is
/// not positive. The largest score is subtracted before the
/// scale is applied, and this prevents overflow only for a positive scale.
///
/// ```
/// use burn::tensor::Tensor;
/// use burn_flex::Flex;
/// use pyroclast_kernels::attention;
///
/// let device = Default::default();
/// let k = Tensor::<Flex, 2>::from_floats([[10.0, 0.0], [0.0, 10.0]], &device);
/// let v = Tensor::<Flex, 2>::from_floats([[1.0], [2.0]], &device);
/// // A query that is the second key finds the second value.
/// let q = k.clone().narrow(0, 1, 1);
/// let y = attention(q.unsqueeze(), k.unsqueeze(), v.unsqueeze(), 1.0);
/// assert_eq!(y.dims(), [1, 1, 1, 1]);
/// assert!((y.into_scalar() - 2.0).abs() < 1e-6);
/// ```
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
    let [of_q, of_k, of_v] = [q.dims(), k.dims(), v.dims()];
    assert!(
        of_q[..2] == of_k[..2] && of_q[3] == of_k[3] && of_k[..3] == of_v[..3],
        "queries {of_q:?}, keys {of_k:?} and values {of_v:?} that do not match"
    );
    let precision = Precision::current();
    #[cfg(feature = "flex")]
    if crate::flex::supports::<B>(q.dtype()) {
        return match precision {
            Precision::Bf16 => crate::flex::bf16::attention(q, k, v, scale),
            _ => crate::flex::attention(q, k, v, scale),
        };
    }
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    if crate::cube::supports::<B>(&[q.dtype(), k.dtype(), v.dtype()])
        && [&q, &k, &v].iter().all(|x| x.shape().num_elements() > 0)
    {
        return crate::cube::attention(q, k, v, scale, precision);
    }
    let y = softmax(q.matmul(k.swap_dims(2, 3)) * scale, 3).matmul(v);
    precision.check_supported(&y);
    y
}

/// [`attention`] of tokens to each other, with q, k and v side by side in each token.
///
/// The numbers of q lie head by head, and so do those of k and v. On flex no part is copied to a
/// tensor of its own, and neither is its gradient.
///
/// # Shapes
/// - qkv: `[batch, tokens, 3·width]`, with a width that `heads` divides
/// - output: `[batch, tokens, width]`
///
/// # Panics
/// If `heads` does not divide the width, or the scale is not positive.
pub fn self_attention<B: Backend>(qkv: Tensor<B, 3>, heads: usize, scale: f64) -> Tensor<B, 3> {
    assert!(
        scale > 0.0,
        "scores are multiplied by a positive scale, not {scale}"
    );
    let [batch, tokens, width] = qkv.dims();
    assert!(
        heads > 0 && width.is_multiple_of(3 * heads),
        "{width} numbers per token are not 3 parts of {heads} heads"
    );
    #[cfg(feature = "flex")]
    if Precision::current() != Precision::Bf16 && crate::flex::supports::<B>(qkv.dtype()) {
        return crate::flex::self_attention(qkv, heads, scale);
    }
    let [q, k, v] = split_heads(qkv, 3, heads).try_into().expect("three parts");
    let mixed = attention(q, k, v, scale);
    mixed.swap_dims(1, 2).reshape([batch, tokens, width / 3])
}
