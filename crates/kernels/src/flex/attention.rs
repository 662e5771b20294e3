//! Attention, with its softmax and the gradient of that in place.
//!
//! `P = softmax(s·q·kᵀ)`, `y = P·v`; `dP = g·vᵀ`, `dS = P∘(dP − rowsum(dP∘P))·s`, `dq = dS·k`,
//! `dk = dSᵀ·q`, `dv = Pᵀ·g`
//!
//! The matrix products are flex's. Scale, maximum, exponential and sum are one visit to a row of P,
//! and so is dS.

use crate::downcast::raw;
use crate::flex::float::Float;
use crate::flex::simd::{CHUNK, sum, sum_and_dot, vectorised};
use crate::flex::tensor::{by_dtype, contiguous, owned, run, slice};
use crate::tape::Fused;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use burn::tensor::ops::FloatTensorOps;
use burn_flex::{Flex, FlexTensor};
use rayon::prelude::*;

pub(crate) fn attention<B: Backend>(
    q: Tensor<B, 4>,
    k: Tensor<B, 4>,
    v: Tensor<B, 4>,
    scale: f64,
) -> Tensor<B, 4> {
    run::<B, _, 3, 4>(Attention { scale }, [raw(q), raw(k), raw(v)])
}

#[derive(Debug, Clone)]
struct Attention {
    scale: f64,
}

/// q, k, v and P.
type Saved = [FlexTensor; 4];

impl Fused<Flex, 3> for Attention {
    type Saved = Saved;

    fn forward(&self, [q, k, v]: [FlexTensor; 3]) -> (FlexTensor, Saved) {
        let scores = owned(Flex::float_matmul(q.clone(), k.transpose(2, 3)));
        let p = by_dtype!(scores.dtype(), softmax::<_>(scores, self.scale));
        let y = Flex::float_matmul(p.clone(), v.clone());
        (y, [q, k, v, p])
    }

    fn backward(
        &self,
        [q, k, v, p]: Saved,
        g: FlexTensor,
        wanted: [bool; 3],
    ) -> [Option<FlexTensor>; 3] {
        let dv = wanted[2].then(|| Flex::float_matmul(p.transpose(2, 3), g.clone()));
        if !(wanted[0] || wanted[1]) {
            return [None, None, dv];
        }
        let dp = owned(Flex::float_matmul(g, v.transpose(2, 3)));
        let ds = by_dtype!(p.dtype(), slopes::<_>(dp, &contiguous(&p), self.scale));
        let dk = wanted[1].then(|| Flex::float_matmul(ds.transpose(2, 3), q));
        let dq = wanted[0].then(|| Flex::float_matmul(ds, k));
        [dq, dk, dv]
    }
}

/// The softmax of each row, written over the scores.
fn softmax<T: Float>(mut scores: FlexTensor, scale: f64) -> FlexTensor {
    let (width, scale) = (scores.layout().shape()[3].max(1), T::of(scale));
    let size = (CHUNK / width).max(1) * width;
    scores
        .storage_mut::<T>()
        .par_chunks_mut(size)
        .for_each(|rows| {
            vectorised(
                #[inline(always)]
                || {
                    for row in rows.chunks_exact_mut(width) {
                        let largest = row.iter().fold(row[0], |m, x| if *x > m { *x } else { m });
                        row.iter_mut()
                            .for_each(|x| *x = ((*x - largest) * scale).exp_());
                        let share = T::ONE / sum(row, |x| x);
                        row.iter_mut().for_each(|x| *x = *x * share);
                    }
                },
            );
        });
    scores
}

/// dS, written over dP.
fn slopes<T: Float>(mut dp: FlexTensor, p: &FlexTensor, scale: f64) -> FlexTensor {
    let (width, scale) = (dp.layout().shape()[3].max(1), T::of(scale));
    let size = (CHUNK / width).max(1) * width;
    let chunks = dp
        .storage_mut::<T>()
        .par_chunks_mut(size)
        .zip(slice::<T>(p).par_chunks(size));
    chunks.for_each(|(dp, p)| {
        vectorised(
            #[inline(always)]
            || {
                for (dp, p) in dp.chunks_exact_mut(width).zip(p.chunks_exact(width)) {
                    let (_, mean) = sum_and_dot(dp, p, |p| p);
                    dp.iter_mut()
                        .zip(p)
                        .for_each(|(dp, p)| *dp = (*dp - mean) * *p * scale);
                }
            },
        );
    });
    dp
}
