//! Two tensors after one another.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// `a` and `b` along an axis: burn's `cat` of two, whose gradients come back in order rather than as views that every later operation
/// would walk element by element.
///
/// # Shapes
/// - the same for both but along `dim`, where the output is as long as both together
///
/// # Panics
/// If the shapes differ elsewhere, or there is no axis `dim`.
pub fn concat<B: Backend, const D: usize>(
    a: Tensor<B, D>,
    b: Tensor<B, D>,
    dim: usize,
) -> Tensor<B, D> {
    let (of_a, of_b) = (a.dims(), b.dims());
    assert!(
        dim < D && (0..D).all(|i| i == dim || of_a[i] == of_b[i]),
        "tensors of {of_a:?} and {of_b:?} do not fit together along axis {dim}"
    );
    #[cfg(feature = "flex")]
    if crate::flex::takes::<B>(a.dtype()) && a.dtype() == b.dtype() {
        return crate::flex::concat(a, b, dim);
    }
    Tensor::cat(vec![a, b], dim)
}
