//! Two tensors joined along an axis.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// Two tensors joined along an axis.
///
/// `y = (a, b)`
///
/// It is burn's `cat` of two. On flex and on GPUs each gradient comes back in a buffer of its own,
/// not as a view that every later operation would have to walk element by element.
///
/// # Shapes
/// - a and b: the same except along `dim`, where the output is as long as both together
///
/// # Panics
/// If the shapes differ elsewhere, or there is no axis `dim`.
///
/// ```
/// use burn::tensor::{Tensor, TensorData};
/// use burn_flex::Flex;
/// use pyroclast_kernels::concat;
///
/// let device = Default::default();
/// let a = Tensor::<Flex, 2>::from_floats([[1.0, 2.0], [3.0, 4.0]], &device);
/// let b = Tensor::<Flex, 2>::from_floats([[5.0], [6.0]], &device);
/// let y = concat(a, b, 1);
/// assert_eq!(y.into_data(), TensorData::from([[1.0_f32, 2.0, 5.0], [3.0, 4.0, 6.0]]));
/// ```
pub fn concat<B: Backend, const D: usize>(
    a: Tensor<B, D>,
    b: Tensor<B, D>,
    dim: usize,
) -> Tensor<B, D> {
    let (of_a, of_b) = (a.dims(), b.dims());
    assert!(
        dim < D && (0..D).all(|i| i == dim || of_a[i] == of_b[i]),
        "tensors of {of_a:?} and {of_b:?} cannot be joined along axis {dim}"
    );
    #[cfg(feature = "flex")]
    if crate::flex::supports::<B>(a.dtype()) && a.dtype() == b.dtype() {
        return crate::flex::concat(a, b, dim);
    }
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    if crate::cube::supports::<B>(&[a.dtype(), b.dtype()])
        && a.shape().num_elements() > 0
        && b.shape().num_elements() > 0
    {
        return crate::cube::concat(a, b, dim);
    }
    Tensor::cat(vec![a, b], dim)
}
