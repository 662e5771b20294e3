//! Attention of every query to every key.

use burn::tensor::Tensor;
use burn::tensor::activation::softmax;
use burn::tensor::backend::Backend;

/// Scaled dot-product attention.
///
/// `y = softmax(s·q·kᵀ)·v`, with the scale s usually `1/√depth`
///
/// On flex the softmax is one pass over the scores, in place, and so is its gradient. With more
/// than 128² pairs of a query and a key, the scores of 128 queries at a time are in memory, and the
/// gradient computes them again; so memory grows with the number of tokens and not with its square.
/// Other backends keep the scores of all pairs.
///
/// Source: Vaswani et al. 2017, eq. 1; blocks of queries: Rabe & Staats 2021.
///
/// # Shapes
/// - q: `[batch, heads, queries, depth]`, k: `[batch, heads, keys, depth]`,
///   v: `[batch, heads, keys, width]`
/// - output: `[batch, heads, queries, width]`
///
/// # Panics
/// If shapes do not match, or the scale is not positive. The largest score is subtracted before the
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
    #[cfg(feature = "flex")]
    if crate::flex::supports::<B>(q.dtype()) {
        return crate::flex::attention(q, k, v, scale);
    }
    softmax(q.matmul(k.swap_dims(2, 3)) * scale, 3).matmul(v)
}
