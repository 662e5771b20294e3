//! Two linear combinations of two tensors, with coefficients per row, in one pass.
//!
//! `y_b = Σ_j a_bj·x_j`, `z_b = Σ_j c_bj·x_j` for each row b

use crate::downcast::{is, wrap};
use crate::flex::float::Float;
use crate::flex::simd::{CHUNK, vectorised};
use crate::flex::tensor::{Tracked, by_dtype, contiguous, from_vec, primitive, slice};
use burn::backend::Autodiff;
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{DType, Tensor};
use burn_flex::{Flex, FlexTensor};
use rayon::prelude::*;

/// Both combinations, with rows of `[a_0, a_1, c_0, c_1]`. `None` where an input wants a gradient,
/// or the backend or float type is not supported.
pub(crate) fn two_combinations<B: Backend, const D: usize>(
    x: [&Tensor<B, D>; 2],
    rows: &[[f64; 4]],
) -> Option<[Tensor<B, D>; 2]> {
    if !x
        .iter()
        .all(|x| matches!(x.dtype(), DType::F32 | DType::F64))
    {
        return None;
    }
    if is::<B, FlexTensor>() {
        let x = x.map(|x| contiguous(&primitive::<B, FlexTensor, D>(x.clone())));
        return Some(combined(&x, rows).map(wrap));
    }
    if is::<B, Tracked>() {
        let x = x.map(|x| primitive::<B, Tracked, D>(x.clone()));
        if x.iter().any(|x| !x.node.requirement.is_none()) {
            return None;
        }
        let x = x.map(|x| contiguous(&x.primitive));
        return Some(combined(&x, rows).map(|y| wrap(Autodiff::<Flex>::from_inner(y))));
    }
    None
}

fn combined(x: &[FlexTensor; 2], rows: &[[f64; 4]]) -> [FlexTensor; 2] {
    by_dtype!(x[0].dtype(), typed::<_>(x, rows))
}

fn typed<T: Float>(x: &[FlexTensor; 2], rows: &[[f64; 4]]) -> [FlexTensor; 2] {
    let [x0, x1] = x.each_ref().map(slice::<T>);
    let width = x0.len() / rows.len().max(1);
    let mut out = [vec![T::default(); x0.len()], vec![T::default(); x0.len()]];
    if !x0.is_empty() {
        let at_once = CHUNK.div_ceil(width);
        let chunk = |outs: [&mut [T]; 2], ins: [&[T]; 2], rows: &[[f64; 4]]| {
            let ([y, z], [x0, x1]) = (outs, ins);
            vectorised(
                #[inline(always)]
                || {
                    let outs = y.chunks_exact_mut(width).zip(z.chunks_exact_mut(width));
                    let ins = x0.chunks_exact(width).zip(x1.chunks_exact(width));
                    for (((y, z), (x0, x1)), row) in outs.zip(ins).zip(rows) {
                        let [a0, a1, c0, c1] = row.map(T::of);
                        for i in 0..width {
                            y[i] = x1[i] * a1 + x0[i] * a0;
                            z[i] = x1[i] * c1 + x0[i] * c0;
                        }
                    }
                },
            );
        };
        let [y, z] = &mut out;
        let size = at_once * width;
        y.par_chunks_mut(size)
            .zip(z.par_chunks_mut(size))
            .zip(x0.par_chunks(size).zip(x1.par_chunks(size)))
            .zip(rows.par_chunks(at_once))
            .for_each(|(((y, z), (x0, x1)), rows)| chunk([y, z], [x0, x1], rows));
    }
    out.map(|values| from_vec(values, x[0].layout().shape().clone()))
}
