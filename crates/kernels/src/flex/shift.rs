//! A number added to every channel of an image.
//!
//! `y = x + b`; `dx = g`, `db = Σ g` over the pixels

use crate::downcast::raw;
use crate::flex::float::Float;
use crate::flex::simd::{CHUNK, vectorised};
use crate::flex::tensor::{by_dtype, contiguous, from_vec, owned, run, slice};
use crate::tape::Fused;
use burn::tensor::backend::Backend;
use burn::tensor::{Shape, Tensor};
use burn_flex::{Flex, FlexTensor};
use rayon::prelude::*;

pub(crate) fn shift_channels<B: Backend>(x: Tensor<B, 4>, b: Tensor<B, 2>) -> Tensor<B, 4> {
    run::<B, _, 2, 4>(Shift, [raw(x), raw(b)])
}

/// Partial sums of a channel: a fixed number, so that a sum does not depend on the processor.
const LANES: usize = 16;

#[derive(Debug, Clone)]
struct Shift;

impl Fused<Flex, 2> for Shift {
    /// The shape of b.
    type Saved = Shape;

    fn forward(&self, [x, b]: [FlexTensor; 2]) -> (FlexTensor, Shape) {
        let (shape, b) = (b.layout().shape().clone(), contiguous(&b));
        (by_dtype!(x.dtype(), shifted::<_>(owned(x), &b)), shape)
    }

    fn backward(
        &self,
        shape: Shape,
        gradient: FlexTensor,
        wanted: [bool; 2],
    ) -> [Option<FlexTensor>; 2] {
        let g = contiguous(&gradient);
        let db = wanted[1].then(|| by_dtype!(g.dtype(), sums::<_>(&g, shape)));
        [Some(g), db]
    }
}

/// Pixels of a channel, and channels that one thread takes at a time.
fn sizes(x: &FlexTensor) -> (usize, usize) {
    let pixels: usize = x.layout().shape().iter().skip(2).product();
    (pixels, (CHUNK / pixels.max(1)).max(1))
}

fn shifted<T: Float>(mut x: FlexTensor, b: &FlexTensor) -> FlexTensor {
    let (pixels, at_once) = sizes(&x);
    if pixels == 0 {
        return x;
    }
    let chunks = x.storage_mut::<T>().par_chunks_mut(at_once * pixels);
    let chunks = chunks.zip(slice::<T>(b).par_chunks(at_once));
    chunks.for_each(|(x, b)| {
        vectorised(
            #[inline(always)]
            || {
                for (x, b) in x.chunks_exact_mut(pixels).zip(b) {
                    x.iter_mut().for_each(|x| *x += *b);
                }
            },
        );
    });
    x
}

fn sums<T: Float>(g: &FlexTensor, shape: Shape) -> FlexTensor {
    let (pixels, at_once) = sizes(g);
    let mut out = vec![T::default(); shape.num_elements()];
    if pixels > 0 {
        let chunks = slice::<T>(g).par_chunks(at_once * pixels);
        let chunks = out.par_chunks_mut(at_once).zip(chunks);
        chunks.for_each(|(out, g)| {
            vectorised(
                #[inline(always)]
                || {
                    for (out, g) in out.iter_mut().zip(g.chunks_exact(pixels)) {
                        *out = T::of(wide_sum(g));
                    }
                },
            );
        });
    }
    from_vec(out, shape)
}

/// A sum in double precision: gradients of either sign cancel over an image, and the little that is
/// left of many keeps few digits of its own precision.
#[inline(always)]
fn wide_sum<T: Float>(x: &[T]) -> f64 {
    let (blocks, rest) = x.as_chunks::<LANES>();
    let mut lanes = [0.0; LANES];
    for block in blocks {
        for (lane, x) in lanes.iter_mut().zip(block) {
            *lane += (*x).into();
        }
    }
    for (lane, x) in lanes.iter_mut().zip(rest) {
        *lane += (*x).into();
    }
    lanes.iter().sum()
}
