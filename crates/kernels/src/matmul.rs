//! The product of matrices.

use crate::precision::Precision;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// The product of matrices, in the [`Precision`] of the thread.
///
/// `y = x·w`; `dx = dy·wᵀ`, `dw = xᵀ·dy`
///
/// # Shapes
/// - x: `[…, rows, inner]`, w: `[…, inner, columns]`, with equal axes before
/// - output: `[…, rows, columns]`
///
/// # Panics
/// If shapes do not match, or the precision is bf16 on a backend that does not round.
pub fn matmul<B: Backend, const D: usize>(x: Tensor<B, D>, w: Tensor<B, D>) -> Tensor<B, D> {
    let ([before_x @ .., _, inner], [before_w @ .., rows, _]) = (&x.dims()[..], &w.dims()[..])
    else {
        panic!("matrices have two axes, not {D}");
    };
    assert!(
        before_x == before_w && inner == rows,
        "matrices of {:?} and {:?} that do not match",
        x.dims(),
        w.dims()
    );
    let precision = Precision::current();
    #[cfg(feature = "flex")]
    if precision == Precision::Bf16 && crate::flex::supports::<B>(x.dtype()) {
        return crate::flex::bf16::matmul(x, w);
    }
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    if precision != Precision::Tf32
        && crate::cube::supports::<B>(&[x.dtype(), w.dtype()])
        && x.shape().num_elements() * w.shape().num_elements() > 0
    {
        return crate::cube::matmul(x, w, precision);
    }
    let y = x.matmul(w);
    precision.check_supported(&y);
    y
}
