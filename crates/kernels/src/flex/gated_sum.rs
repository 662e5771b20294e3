//! A residual connection with a gate.
//!
//! `z = x + gate·y`; `dx = g`, `dy = g·gate`, `dgate = Σ g·y` over the tokens of a sample

use crate::downcast::raw;
use crate::flex::float::Float;
use crate::flex::simd::vectorised;
use crate::flex::tensor::{by_dtype, contiguous, from_vec, owned, run, slice};
use crate::flex::tokens::{Tokens, summed};
use crate::tape::Fused;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use burn_flex::{Flex, FlexTensor};
use rayon::prelude::*;

pub(crate) fn gated_sum<B: Backend>(
    x: Tensor<B, 3>,
    y: Tensor<B, 3>,
    gate: Tensor<B, 2>,
) -> Tensor<B, 3> {
    run::<B, _, 3, 3>(GatedSum, [raw(x), raw(y), raw(gate)])
}

#[derive(Debug, Clone)]
struct GatedSum;

impl Fused<Flex, 3> for GatedSum {
    /// y and the gate.
    type Saved = [FlexTensor; 2];

    fn forward(&self, [x, y, gate]: [FlexTensor; 3]) -> (FlexTensor, Self::Saved) {
        let [y, gate] = [y, gate].map(|x| contiguous(&x));
        let z = by_dtype!(x.dtype(), sum::<_>(owned(x), &y, &gate));
        (z, [y, gate])
    }

    fn backward(
        &self,
        saved: Self::Saved,
        gradient: FlexTensor,
        _: [bool; 3],
    ) -> [Option<FlexTensor>; 3] {
        let g = contiguous(&gradient);
        let [dy, dgate] = by_dtype!(g.dtype(), backward::<_>(&saved, &g));
        [Some(g), Some(dy), Some(dgate)]
    }
}

/// The sum, written over x if nothing else holds it.
fn sum<T: Float>(mut x: FlexTensor, y: &FlexTensor, gate: &FlexTensor) -> FlexTensor {
    let sizes = Tokens::of(&x);
    if sizes.is_empty() {
        return x;
    }
    let (y, gates) = (slice::<T>(y), slice::<T>(gate));
    let size = sizes.at_once() * sizes.width;
    let samples = x.storage_mut::<T>().par_chunks_mut(sizes.sample());
    let samples = samples.zip(y.par_chunks(sizes.sample())).enumerate();
    samples.for_each(|(sample, (x, y))| {
        let gate = sizes.vector(gates, sample);
        let chunks = x.par_chunks_mut(size).zip(y.par_chunks(size));
        chunks.for_each(|(x, y)| {
            vectorised(
                #[inline(always)]
                || {
                    let rows = x
                        .chunks_exact_mut(gate.len())
                        .zip(y.chunks_exact(gate.len()));
                    for (x, y) in rows {
                        let pairs = x.iter_mut().zip(y.iter().zip(gate));
                        pairs.for_each(|(x, (y, gate))| *x = y.fma(*gate, *x));
                    }
                },
            );
        });
    });
    x
}

/// The gradients of y and of the gate.
fn backward<T: Float>([y, gate]: &[FlexTensor; 2], g: &FlexTensor) -> [FlexTensor; 2] {
    let sizes = Tokens::of(y);
    let mut dy = vec![T::default(); slice::<T>(y).len()];
    let mut sums = Vec::new();
    if !sizes.is_empty() {
        let gates = slice::<T>(gate);
        let samples = dy.par_chunks_mut(sizes.sample());
        let samples = samples
            .zip(slice::<T>(y).par_chunks(sizes.sample()))
            .zip(slice::<T>(g).par_chunks(sizes.sample()))
            .enumerate();
        let samples = samples.map(|(sample, ((dy, y), g))| {
            sample_backward(&sizes, dy, y, g, sizes.vector(gates, sample))
        });
        sums = samples.collect();
    }
    let dy = from_vec(dy, y.layout().shape().clone());
    [dy, sizes.gathered(&sums, gate)]
}

/// Writes the gradient of y of a sample, and returns that of its gate.
fn sample_backward<T: Float>(sizes: &Tokens, dy: &mut [T], y: &[T], g: &[T], gate: &[T]) -> Vec<T> {
    let size = sizes.at_once() * sizes.width;
    let chunks = dy.par_chunks_mut(size);
    let chunks = chunks.zip(y.par_chunks(size)).zip(g.par_chunks(size));
    let parts = chunks.map(|((dy, y), g)| {
        let mut sum = vec![T::default(); gate.len()];
        vectorised(
            #[inline(always)]
            || {
                let width = gate.len();
                let sum = &mut sum[..width];
                let rows = dy.chunks_exact_mut(width).zip(y.chunks_exact(width));
                for ((dy, y), g) in rows.zip(g.chunks_exact(width)) {
                    for i in 0..width {
                        dy[i] = g[i] * gate[i];
                        sum[i] = g[i].fma(y[i], sum[i]);
                    }
                }
            },
        );
        sum
    });
    summed(&parts.collect::<Vec<_>>(), sizes.width)
}
