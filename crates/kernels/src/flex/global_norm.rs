//! The Euclidean norm of several tensors, in one pass over each.

use crate::downcast::wrap;
use crate::flex::float::Float;
use crate::flex::simd::{CHUNK, sum, vectorised};
use crate::flex::tensor::{by_dtype, contiguous, from_vec, slice, values};
use burn::tensor::backend::Backend;
use burn::tensor::{Shape, Tensor};
use burn_flex::FlexTensor;
use rayon::prelude::*;

/// `√(Σ x²)` over all numbers of tensors of one type, of which there is at least one.
pub(crate) fn global_norm<B: Backend>(tensors: &[Tensor<B, 1>]) -> Tensor<B, 1> {
    let squares = |x: &Tensor<B, 1>| {
        let x = contiguous(&values(x.clone()));
        by_dtype!(x.dtype(), sum_of_squares::<_>(&x))
    };
    let total: f64 = tensors.iter().map(squares).sum();
    wrap(by_dtype!(tensors[0].dtype(), number::<_>(total.sqrt())))
}

fn sum_of_squares<T: Float>(x: &FlexTensor) -> f64 {
    let of_chunk = |x: &[T]| -> f64 {
        let squares = vectorised(
            #[inline(always)]
            || sum(x, |x| x * x),
        );
        squares.into()
    };
    let chunks = slice::<T>(x).par_chunks(CHUNK).map(of_chunk);
    chunks.collect::<Vec<_>>().into_iter().sum()
}

fn number<T: Float>(x: f64) -> FlexTensor {
    from_vec(vec![T::of(x)], Shape::from([1]))
}
