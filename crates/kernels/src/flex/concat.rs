//! Two tensors joined along an axis.
//!
//! `y = (a, b)`; `(da, db) = g`, each part in a buffer of its own

use crate::downcast::raw;
use crate::flex::float::Float;
use crate::flex::simd::CHUNK;
use crate::flex::tensor::{by_dtype, contiguous, from_vec, run, slice};
use crate::tape::Fused;
use burn::tensor::backend::Backend;
use burn::tensor::{Shape, Tensor};
use burn_flex::{Flex, FlexTensor};
use rayon::prelude::*;

/// Rows up to this long are copied column by column: a call to copy each row would take longer than
/// the copy itself.
const SHORT: usize = 8;

pub(crate) fn concat<B: Backend, const D: usize>(
    a: Tensor<B, D>,
    b: Tensor<B, D>,
    dim: usize,
) -> Tensor<B, D> {
    run::<B, _, 2, D>(Concat(dim), [raw(a), raw(b)])
}

/// The axis.
#[derive(Debug, Clone)]
struct Concat(usize);

impl Fused<Flex, 2> for Concat {
    /// Both shapes.
    type Saved = [Shape; 2];

    fn forward(&self, inputs: [FlexTensor; 2]) -> (FlexTensor, [Shape; 2]) {
        let inputs = inputs.map(|x| contiguous(&x));
        let shapes = inputs.each_ref().map(|x| x.layout().shape().clone());
        let y = by_dtype!(inputs[0].dtype(), joined::<_>(&inputs, self.0));
        (y, shapes)
    }

    fn backward(
        &self,
        shapes: [Shape; 2],
        gradient: FlexTensor,
        wanted: [bool; 2],
    ) -> [Option<FlexTensor>; 2] {
        let g = contiguous(&gradient);
        let widths = shapes.each_ref().map(|shape| row(shape, self.0));
        let whole = widths[0] + widths[1];
        std::array::from_fn(|i| {
            let start = if i == 0 { 0 } else { widths[0] };
            let (shape, width) = (&shapes[i], widths[i]);
            wanted[i].then(|| {
                by_dtype!(
                    g.dtype(),
                    part::<_>(&g, shape.clone(), [start, width, whole])
                )
            })
        })
    }
}

/// The length of a row: the numbers of a tensor for each index of the axes before `dim`.
fn row(shape: &Shape, dim: usize) -> usize {
    shape.iter().skip(dim).product()
}

fn joined<T: Float>(inputs: &[FlexTensor; 2], dim: usize) -> FlexTensor {
    let mut shape = inputs[0].layout().shape().clone();
    shape[dim] += inputs[1].layout().shape()[dim];
    let [a, b] = inputs.each_ref().map(|x| row(x.layout().shape(), dim));
    let mut y = vec![T::default(); shape.num_elements()];
    copy(slice(&inputs[0]), [0, a], &mut y, [0, a + b], a);
    copy(slice(&inputs[1]), [0, b], &mut y, [a, a + b], b);
    from_vec(y, shape)
}

fn part<T: Float>(g: &FlexTensor, shape: Shape, [start, width, whole]: [usize; 3]) -> FlexTensor {
    let mut out = vec![T::default(); shape.num_elements()];
    copy(slice(g), [start, whole], &mut out, [0, width], width);
    from_vec(out, shape)
}

/// Copies `width` numbers of every row. `from` and `to` say where they begin in the first row, and
/// how long a row is.
fn copy<T: Float>(x: &[T], from: [usize; 2], y: &mut [T], to: [usize; 2], width: usize) {
    if width == 0 || y.is_empty() {
        return;
    }
    let at_once = CHUNK.div_ceil(to[1]);
    let chunk = |(x, y): (&[T], &mut [T])| {
        if width <= SHORT {
            for c in 0..width {
                let column = x[from[0] + c..].iter().step_by(from[1]);
                let slots = y[to[0] + c..].iter_mut().step_by(to[1]);
                slots.zip(column).for_each(|(y, x)| *y = *x);
            }
            return;
        }
        for (x, y) in x.chunks_exact(from[1]).zip(y.chunks_exact_mut(to[1])) {
            y[to[0]..to[0] + width].copy_from_slice(&x[from[0]..from[0] + width]);
        }
    };
    x.par_chunks(at_once * from[1])
        .zip(y.par_chunks_mut(at_once * to[1]))
        .for_each(chunk);
}
