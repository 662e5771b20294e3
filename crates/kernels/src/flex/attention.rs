//! Attention, with its softmax and the gradient of that in place.
//!
//! `P = softmax(s·q·kᵀ)`, `y = P·v`; `dP = g·vᵀ`, `dS = P∘(dP − rowsum(dP∘P))·s`, `dq = dS·k`,
//! `dk = dSᵀ·q`, `dv = Pᵀ·g`
//!
//! The matrix products are flex's. Scale, maximum, exponential and sum are one visit to a row of P,
//! and so is dS. Of long sequences, only the rows of some queries are in memory at a time, and the
//! backward computes them again.

use crate::downcast::raw;
use crate::flex::float::Float;
use crate::flex::simd::{CHUNK, add, sum, sum_and_dot, vectorised};
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
    let (queries, keys) = (q.dims()[2], k.dims()[2]);
    let inputs = [raw(q), raw(k), raw(v)];
    if queries * keys > LONG {
        run::<B, _, 3, 4>(InBlocks(Attention { scale }), inputs)
    } else {
        run::<B, _, 3, 4>(Attention { scale }, inputs)
    }
}

/// The most pairs of a query and a key whose scores are kept.
const LONG: usize = 128 * 128;
/// Queries at a time, where there are more pairs.
const BLOCK: usize = 128;

#[derive(Debug, Clone)]
struct Attention {
    scale: f64,
}

/// q, k, v and P.
type Saved = [FlexTensor; 4];

impl Attention {
    /// P.
    fn weights(&self, q: FlexTensor, k: &FlexTensor) -> FlexTensor {
        let scores = owned(Flex::float_matmul(q, k.transpose(2, 3)));
        by_dtype!(scores.dtype(), softmax::<_>(scores, self.scale))
    }
}

impl Fused<Flex, 3> for Attention {
    type Saved = Saved;

    fn forward(&self, [q, k, v]: [FlexTensor; 3]) -> (FlexTensor, Saved) {
        let p = self.weights(q.clone(), &k);
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

/// The same, block by block of queries. A row of P is complete within its block, so that its
/// numbers are those of the whole.
#[derive(Debug, Clone)]
struct InBlocks(Attention);

impl Fused<Flex, 3> for InBlocks {
    /// q, k and v.
    type Saved = [FlexTensor; 3];

    fn forward(&self, [q, k, v]: [FlexTensor; 3]) -> (FlexTensor, Self::Saved) {
        let parts = blocks(&q).map(|(start, count)| {
            let p = self.0.weights(q.narrow(2, start, count), &k);
            Flex::float_matmul(p, v.clone())
        });
        let y = Flex::float_cat(parts.collect(), 2);
        (y, [q, k, v])
    }

    fn backward(
        &self,
        [q, k, v]: Self::Saved,
        g: FlexTensor,
        wanted: [bool; 3],
    ) -> [Option<FlexTensor>; 3] {
        let mut dq = Vec::new();
        let mut sums = [None, None];
        for (start, count) in blocks(&q) {
            let [q, g] = [&q, &g].map(|x| x.narrow(2, start, count));
            let p = self.0.weights(q.clone(), &k);
            let shares = self.0.backward([q, k.clone(), v.clone(), p], g, wanted);
            let [of_q, of_k, of_v] = shares;
            dq.extend(of_q);
            for (sum, share) in sums.iter_mut().zip([of_k, of_v]) {
                *sum = match (sum.take(), share) {
                    (Some(sum), Some(share)) => {
                        Some(by_dtype!(share.dtype(), added::<_>(sum, &share)))
                    }
                    (_, share) => share,
                };
            }
        }
        let [dk, dv] = sums;
        [wanted[0].then(|| Flex::float_cat(dq, 2)), dk, dv]
    }
}

/// The first query of each block, and their number.
fn blocks(q: &FlexTensor) -> impl Iterator<Item = (usize, usize)> {
    let queries = q.layout().shape()[2];
    let starts = (0..queries).step_by(BLOCK);
    starts.map(move |start| (start, BLOCK.min(queries - start)))
}

/// The sum, written over the first.
fn added<T: Float>(sum: FlexTensor, share: &FlexTensor) -> FlexTensor {
    let mut sum = owned(sum);
    add(sum.storage_mut::<T>(), slice::<T>(&contiguous(share)));
    sum
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
