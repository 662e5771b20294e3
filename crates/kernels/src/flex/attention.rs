//! Attention, head by head.
//!
//! `P = softmax(s·q·kᵀ)`, `y = P·v`; `dP = g·vᵀ`, `dS = P∘(dP − rowsum(dP∘P))·s`, `dq = dS·k`,
//! `dk = dSᵀ·q`, `dv = Pᵀ·g`
//!
//! A thread has one head of one sample at a time, and of that the rows of P of some queries, which
//! stay in its cache. The backward reads them again where sequences are short, and computes them
//! again elsewhere. `head` has both.

mod head;

use crate::downcast::raw;
use crate::flex::tensor::{by_dtype, contiguous, from_vec, run, slice};
use crate::flex::tile::Tiles;
use crate::tape::Fused;
use burn::tensor::backend::Backend;
use burn::tensor::{Shape, Tensor};
use burn_flex::{Flex, FlexTensor};
use head::{Backward, Forward, Mixed, Rows, Sizes};
use rayon::prelude::*;
use std::any::Any;
use std::sync::Arc;

/// The P of every head, or nothing for it, in either precision.
type Kept = Arc<dyn Any + Send + Sync>;

/// What was kept, in the precision that it was kept in.
fn heads_of<T: Tiles>(kept: &Kept) -> &[Vec<T>] {
    let heads: &Vec<Vec<T>> = kept.downcast_ref().expect("one precision per tape");
    heads
}

pub(crate) fn attention<B: Backend>(
    q: Tensor<B, 4>,
    k: Tensor<B, 4>,
    v: Tensor<B, 4>,
    scale: f64,
) -> Tensor<B, 4> {
    run::<B, _, 3, 4>(Attention { scale }, [raw(q), raw(k), raw(v)])
}

pub(crate) fn self_attention<B: Backend>(
    qkv: Tensor<B, 3>,
    heads: usize,
    scale: f64,
) -> Tensor<B, 3> {
    run::<B, _, 1, 3>(SelfAttention { heads, scale }, [raw(qkv)])
}

/// Of q, k and v in tensors of their own, `[batch, heads, tokens, depth]`.
#[derive(Debug, Clone)]
struct Attention {
    scale: f64,
}

impl Attention {
    fn sizes(&self, [q, k, v]: [&FlexTensor; 3]) -> Sizes {
        let [q, k, v] = [q, k, v].map(|x| x.layout().shape().clone());
        Sizes {
            heads: q[0] * q[1],
            queries: q[2],
            keys: k[2],
            depth: q[3],
            width: v[3],
            scale: self.scale,
        }
    }
}

impl Fused<Flex, 3> for Attention {
    /// q, k and v, and P.
    type Saved = ([FlexTensor; 3], Kept);

    fn forward(&self, inputs: [FlexTensor; 3]) -> (FlexTensor, Self::Saved) {
        let inputs = inputs.map(|x| contiguous(&x));
        let sizes = self.sizes(inputs.each_ref());
        let (y, kept) = by_dtype!(inputs[0].dtype(), apart::<_>(sizes, &inputs));
        (y, (inputs, kept))
    }

    fn backward(
        &self,
        (inputs, kept): Self::Saved,
        g: FlexTensor,
        _: [bool; 3],
    ) -> [Option<FlexTensor>; 3] {
        let sizes = self.sizes(inputs.each_ref());
        let g = contiguous(&g);
        by_dtype!(g.dtype(), apart_backward::<_>(sizes, &inputs, &kept, &g)).map(Some)
    }
}

/// The rows of every head of a tensor `[batch, heads, tokens, depth]`.
fn rows_of_head<T: Tiles>(x: &FlexTensor, head: usize) -> Rows<'_, T> {
    let (tokens, depth) = (x.layout().shape()[2], x.layout().shape()[3]);
    Rows {
        values: &slice::<T>(x)[head * tokens * depth..],
        step: depth,
    }
}

fn apart<T: Tiles>(sizes: Sizes, inputs: &[FlexTensor; 3]) -> (FlexTensor, Kept) {
    let Mixed { y, p } = T::on_tiles(Forward {
        sizes,
        rows: |head| inputs.each_ref().map(|x| rows_of_head::<T>(x, head)),
    });
    let mut shape = inputs[0].layout().shape().clone();
    shape[3] = sizes.width;
    (from_vec(y, shape), Arc::new(p))
}

fn apart_backward<T: Tiles>(
    sizes: Sizes,
    inputs: &[FlexTensor; 3],
    kept: &Kept,
    g: &FlexTensor,
) -> [FlexTensor; 3] {
    let gradients = T::on_tiles(Backward {
        sizes,
        rows: |head| inputs.each_ref().map(|x| rows_of_head::<T>(x, head)),
        g: |head| rows_of_head::<T>(g, head),
        kept: heads_of(kept),
    });
    std::array::from_fn(|i| {
        let of_heads: Vec<&[T]> = gradients.iter().map(|parts| &parts[i][..]).collect();
        from_vec(
            one_after_another(&of_heads),
            inputs[i].layout().shape().clone(),
        )
    })
}

/// The parts of all heads, of which each is as long as the others, copied by all threads.
fn one_after_another<T: Tiles>(parts: &[&[T]]) -> Vec<T> {
    let length = parts.first().map_or(0, |part| part.len());
    let mut out = vec![T::default(); parts.len() * length];
    if length > 0 {
        let chunks = out.par_chunks_mut(length).zip(parts);
        chunks.for_each(|(out, part)| out.copy_from_slice(part));
    }
    out
}

/// Of q, k and v side by side, each with all its heads side by side.
#[derive(Debug, Clone)]
struct SelfAttention {
    heads: usize,
    scale: f64,
}

impl SelfAttention {
    /// Samples, tokens and numbers of a token of the output, and the sizes of a head.
    fn sizes(&self, qkv: &FlexTensor) -> ([usize; 3], Sizes) {
        let shape = qkv.layout().shape();
        let (batch, tokens, width) = (shape[0], shape[1], shape[2] / 3);
        let depth = width / self.heads;
        let sizes = Sizes {
            heads: batch * self.heads,
            queries: tokens,
            keys: tokens,
            depth,
            width: depth,
            scale: self.scale,
        };
        ([batch, tokens, width], sizes)
    }
}

impl Fused<Flex, 1> for SelfAttention {
    /// q, k and v, and P.
    type Saved = (FlexTensor, Kept);

    fn forward(&self, [qkv]: [FlexTensor; 1]) -> (FlexTensor, Self::Saved) {
        let qkv = contiguous(&qkv);
        let (y, kept) = by_dtype!(qkv.dtype(), together::<_>(self, &qkv));
        (y, (qkv, kept))
    }

    fn backward(
        &self,
        (qkv, kept): Self::Saved,
        g: FlexTensor,
        _: [bool; 1],
    ) -> [Option<FlexTensor>; 1] {
        let g = contiguous(&g);
        let dqkv = by_dtype!(g.dtype(), together_backward::<_>(self, &qkv, &kept, &g));
        [Some(dqkv)]
    }
}

/// The rows of a head in `parts` matrices of tokens that lie side by side.
fn rows_within<T: Tiles, const N: usize>(
    x: &FlexTensor,
    [_, tokens, width]: [usize; 3],
    heads: usize,
    head: usize,
) -> [Rows<'_, T>; N] {
    let (sample, head) = (head / heads, head % heads);
    let first = sample * tokens * N * width + head * (width / heads);
    std::array::from_fn(|part| Rows {
        values: &slice::<T>(x)[first + part * width..],
        step: N * width,
    })
}

fn together<T: Tiles>(of: &SelfAttention, qkv: &FlexTensor) -> (FlexTensor, Kept) {
    let (shape, sizes) = of.sizes(qkv);
    let Mixed { y, p } = T::on_tiles(Forward {
        sizes,
        rows: |head| rows_within::<T, 3>(qkv, shape, of.heads, head),
    });
    let of_head = (sizes.queries * sizes.width).max(1);
    let y: Vec<[&[T]; 1]> = y.chunks(of_head).map(|y| [y]).collect();
    let y = side_by_side(&y, shape, of.heads);
    (from_vec(y, Shape::from(shape)), Arc::new(p))
}

fn together_backward<T: Tiles>(
    of: &SelfAttention,
    qkv: &FlexTensor,
    kept: &Kept,
    g: &FlexTensor,
) -> FlexTensor {
    let (shape, sizes) = of.sizes(qkv);
    let gradients = T::on_tiles(Backward {
        sizes,
        rows: |head| rows_within::<T, 3>(qkv, shape, of.heads, head),
        g: |head| rows_within::<T, 1>(g, shape, of.heads, head)[0],
        kept: heads_of(kept),
    });
    let gradients: Vec<[&[T]; 3]> = gradients
        .iter()
        .map(|of_head| of_head.each_ref().map(Vec::as_slice))
        .collect();
    let out = side_by_side(&gradients, shape, of.heads);
    from_vec(out, qkv.layout().shape().clone())
}

/// `[batch, tokens, N·width]` from the rows of every head.
fn side_by_side<T: Tiles, const N: usize>(
    parts: &[[&[T]; N]],
    [batch, tokens, width]: [usize; 3],
    heads: usize,
) -> Vec<T> {
    let mut out = vec![T::default(); batch * tokens * N * width];
    let depth = width / heads;
    if out.is_empty() {
        return out;
    }
    out.par_chunks_mut(tokens * N * width)
        .zip(parts.par_chunks(heads))
        .for_each(|(out, of_heads)| {
            for (token, out) in out.chunks_exact_mut(N * width).enumerate() {
                for (part, out) in out.chunks_exact_mut(width).enumerate() {
                    for (out, head) in out.chunks_exact_mut(depth).zip(of_heads) {
                        out.copy_from_slice(&head[part][token * depth..][..depth]);
                    }
                }
            }
        });
    out
}
