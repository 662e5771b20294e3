//! Numbers that lie side by side, taken apart.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// The parts of each row, all of one width.
///
/// `y_i = x[:, i·w..(i + 1)·w]`
///
/// On GPUs the gradient is one launch, where the gradient of each part would be filled up with zeros and
/// added.
/// The parts then share one backward pass: after it, the others have no gradient.
///
/// # Shapes
/// - x: `[batch, parts·w]`; each of the outputs: `[batch, w]`
///
/// # Panics
/// If `parts` does not divide the width.
///
/// ```
/// use burn::tensor::{Tensor, TensorData};
/// use burn_flex::Flex;
/// use pyroclast_kernels::split;
///
/// let x = Tensor::<Flex, 2>::from_floats([[1.0, 2.0, 3.0, 4.0]], &Default::default());
/// let parts = split(x, 2);
/// assert_eq!(parts[1].to_data(), TensorData::from([[3.0_f32, 4.0]]));
/// ```
pub fn split<B: Backend>(x: Tensor<B, 2>, parts: usize) -> Vec<Tensor<B, 2>> {
    let width = x.dims()[1];
    assert!(
        parts > 0 && width.is_multiple_of(parts),
        "{width} numbers are not {parts} parts"
    );
    let w = width / parts;
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    if crate::cube::supports::<B>(&[x.dtype()])
        && x.shape().num_elements() > 0
        && let Some(found) = crate::cube::split(x.clone(), parts)
    {
        return found;
    }
    (0..parts).map(|i| x.clone().narrow(1, i * w, w)).collect()
}

/// The parts of each token, and the heads of each part: queries, keys and values side by side.
///
/// `y_i[b, h, t, d] = x[b, t, (i·H + h)·D + d]`
///
/// On GPUs one launch forward and one backward.
/// The parts then share one backward pass: after it, the others have no gradient.
///
/// # Shapes
/// - x: `[batch, tokens, parts·heads·depth]`; each of the outputs: `[batch, heads, tokens, depth]`
///
/// # Panics
/// If the width is not `parts·heads·depth` of a whole depth.
pub fn split_heads<B: Backend>(x: Tensor<B, 3>, parts: usize, heads: usize) -> Vec<Tensor<B, 4>> {
    let [batch, tokens, width] = x.dims();
    assert!(
        parts * heads > 0 && width.is_multiple_of(parts * heads),
        "{width} numbers per token are not {parts} parts of {heads} heads"
    );
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    if crate::cube::supports::<B>(&[x.dtype()])
        && x.shape().num_elements() > 0
        && let Some(found) = crate::cube::split_heads(x.clone(), parts, heads)
    {
        return found;
    }
    let x = x.reshape([batch, tokens, parts * heads, width / (parts * heads)]);
    let x = x.swap_dims(1, 2);
    let part = |i: usize| x.clone().narrow(1, i * heads, heads);
    (0..parts).map(part).collect()
}
