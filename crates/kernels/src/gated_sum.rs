//! A residual connection whose branch is weighted by a gate.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// A residual connection with a gate per number, alike for all tokens of a sample.
///
/// `z = x + gate·y`
///
/// A gate of zero leaves x as it is, so that a deep network can start as the identity. On flex and
/// on GPUs, one pass forward and one backward.
///
/// Source: Peebles & Xie 2023, §3.2 (adaLN-Zero).
///
/// # Shapes
/// - x, y and output: `[batch, tokens, width]`
/// - gate: `[batch, width]`, or `[1, width]` where all samples share it
///
/// # Panics
/// If shapes do not match.
///
/// ```
/// use burn::tensor::{Tensor, TensorData};
/// use burn_flex::Flex;
/// use pyroclast_kernels::gated_sum;
///
/// let of = |x| Tensor::<Flex, 3>::from_floats(x, &Default::default());
/// let gate = Tensor::from_floats([[0.0, 2.0]], &Default::default());
/// let z = gated_sum(of([[[1.0, 1.0]]]), of([[[5.0, 5.0]]]), gate);
/// assert_eq!(z.into_data(), TensorData::from([[[1.0_f32, 11.0]]]));
/// ```
pub fn gated_sum<B: Backend>(x: Tensor<B, 3>, y: Tensor<B, 3>, gate: Tensor<B, 2>) -> Tensor<B, 3> {
    let ([batch, _, width], [rows, columns]) = (x.dims(), gate.dims());
    assert!(
        x.dims() == y.dims() && (rows == batch || rows == 1) && columns == width,
        "a gate of {rows}×{columns} for {:?} added to {:?}",
        y.dims(),
        x.dims()
    );
    #[cfg(feature = "flex")]
    if crate::flex::supports::<B>(x.dtype()) {
        return crate::flex::gated_sum(x, y, gate);
    }
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    if crate::cube::supports::<B>(&[x.dtype(), y.dtype(), gate.dtype()])
        && x.shape().num_elements() > 0
    {
        return crate::cube::gated_sum(x, y, gate);
    }
    x + y * gate.unsqueeze_dim(1)
}
