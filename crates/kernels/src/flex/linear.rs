//! A linear layer with its activation.
//!
//! `z = x·W + b`, `y = act(z)`; `dz = g·act'(z)`, `dx = dz·Wᵀ`, `dW = xᵀ·dz`, `db = Σ dz`
//!
//! The matrix products are flex's, and everything around them is fused. Where no gradient is wanted
//! and the weight is small, [`one_pass`] does all of it together, to the same numbers up to
//! rounding.

mod one_pass;

use crate::activation::Activation;
use crate::downcast::raw;
use crate::flex::activation::by_activation;
use crate::flex::float::Float;
use crate::flex::simd::{CHUNK, build, vectorised};
use crate::flex::tensor::{by_dtype, contiguous, from_vec, owned, run, slice};
use crate::flex::tile::Tiles;
use crate::tape::Fused;
use burn::tensor::backend::Backend;
use burn::tensor::ops::FloatTensorOps;
use burn::tensor::{Shape, Tensor};
use burn_flex::{Flex, FlexTensor};
use one_pass::OnePass;
use rayon::prelude::*;

pub(crate) fn linear<B: Backend, const D: usize>(
    x: Tensor<B, D>,
    weight: Tensor<B, 2>,
    bias: Tensor<B, 1>,
    activation: Activation,
) -> Tensor<B, D> {
    run::<B, _, 3, D>(Linear(activation), [raw(x), raw(weight), raw(bias)])
}

#[derive(Debug, Clone)]
struct Linear(Activation);

/// What the backward needs.
#[derive(Debug, Clone)]
struct Saved {
    x: FlexTensor,
    weight: FlexTensor,
    /// `x·W` and b, where there is an activation.
    z: Option<(FlexTensor, FlexTensor)>,
}

impl Fused<Flex, 3> for Linear {
    type Saved = Saved;

    fn forward(&self, [x, weight, bias]: [FlexTensor; 3]) -> (FlexTensor, Saved) {
        let (z, shape) = product(&x, &weight);
        let bias = contiguous(&bias);
        let (y, z) = match self.0 {
            Activation::Identity => (by_dtype!(z.dtype(), finished::<_>(z, &bias, self.0)), None),
            _ => {
                let y = by_dtype!(z.dtype(), activated::<_>(&z, &bias, self.0));
                (y, Some((z, bias)))
            }
        };
        (y.reshape(shape), Saved { x, weight, z })
    }

    fn value(&self, [x, weight, bias]: [FlexTensor; 3]) -> FlexTensor {
        if one_pass::fits(weight.layout().num_elements()) {
            let inputs = [x, weight, bias].map(|x| contiguous(&x));
            return by_dtype!(inputs[0].dtype(), in_one_pass::<_>(&inputs, self.0));
        }
        let (z, shape) = product(&x, &weight);
        let y = by_dtype!(z.dtype(), finished::<_>(z, &contiguous(&bias), self.0));
        y.reshape(shape)
    }

    fn backward(
        &self,
        saved: Saved,
        gradient: FlexTensor,
        wanted: [bool; 3],
    ) -> [Option<FlexTensor>; 3] {
        let Saved { x, weight, z } = saved;
        let gradient = owned(into_rows(gradient));
        let (dz, bias) = by_dtype!(gradient.dtype(), slopes::<_>(gradient, z, self.0));
        let into = |x: FlexTensor| Flex::float_matmul(x.transpose(0, 1), dz.clone());
        let back = || Flex::float_matmul(dz.clone(), weight.transpose(0, 1));
        let dx = wanted[0].then(|| back().reshape(x.layout().shape().clone()));
        let dw = wanted[1].then(|| into(into_rows(x)));
        [dx, dw, Some(bias)]
    }
}

/// The value in one pass.
fn in_one_pass<T: Tiles>(
    [x, weight, bias]: &[FlexTensor; 3],
    activation: Activation,
) -> FlexTensor {
    let mut shape = x.layout().shape().clone();
    let last = shape.num_dims() - 1;
    shape[last] = weight.layout().shape()[1];
    let y = T::on_tiles(OnePass {
        x: slice(x),
        weight: slice(weight),
        bias: slice(bias),
        activation,
    });
    from_vec::<T>(y, shape)
}

/// `x·W` as a matrix, and the shape of the layer's output.
fn product(x: &FlexTensor, weight: &FlexTensor) -> (FlexTensor, Shape) {
    let mut shape = x.layout().shape().clone();
    let last = shape.num_dims() - 1;
    shape[last] = weight.layout().shape()[1];
    let z = Flex::float_matmul(into_rows(x.clone()), weight.clone());
    (owned(z), shape)
}

/// x as a matrix whose rows are its last axis.
fn into_rows(x: FlexTensor) -> FlexTensor {
    let shape = x.layout().shape();
    let last = shape.num_dims() - 1;
    let (count, width) = (shape.iter().take(last).product(), shape[last]);
    if shape.num_dims() == 2 {
        return x;
    }
    x.reshape(Shape::from([count, width]))
}

/// Elements of whole rows that one thread takes at a time.
fn rows_at_once(width: usize) -> usize {
    let width = width.max(1);
    (CHUNK / width).max(1) * width
}

/// `act(z + b)`, written over z.
fn finished<T: Float>(mut z: FlexTensor, bias: &FlexTensor, activation: Activation) -> FlexTensor {
    let bias = slice::<T>(bias);
    let chunks = z
        .storage_mut::<T>()
        .par_chunks_mut(rows_at_once(bias.len()));
    chunks.for_each(|z| {
        by_activation!(activation, value act => vectorised(
            #[inline(always)]
            || {
                for z in z.chunks_exact_mut(bias.len()) {
                    z.iter_mut().zip(bias).for_each(|(z, b)| *z = act(*z + *b));
                }
            },
        ));
    });
    z
}

/// `act(z + b)`.
fn activated<T: Float>(z: &FlexTensor, bias: &FlexTensor, activation: Activation) -> FlexTensor {
    let (values, bias) = (slice::<T>(z), slice::<T>(bias));
    let y = build(
        values.len(),
        #[inline(always)]
        |start, out: &mut [T]| {
            by_activation!(activation, value act => {
                let (mut from, mut column) = (0, start % bias.len());
                while from < out.len() {
                    let to = out.len().min(from + bias.len() - column);
                    let pairs = values[start + from..start + to].iter().zip(&bias[column..]);
                    out[from..to].iter_mut().zip(pairs).for_each(|(y, (z, b))| *y = act(*z + *b));
                    (from, column) = (to, 0);
                }
            });
        },
    );
    from_vec(y, z.layout().shape().clone())
}

/// `dz = g·act'(z)`, written over g, and its sum over the rows.
fn slopes<T: Float>(
    mut gradient: FlexTensor,
    z: Option<(FlexTensor, FlexTensor)>,
    activation: Activation,
) -> (FlexTensor, FlexTensor) {
    let width = gradient.layout().shape()[1];
    let size = rows_at_once(width);
    let summed = |g: &[T]| {
        let mut sum = vec![T::default(); width];
        vectorised(
            #[inline(always)]
            || add_rows(&mut sum, g),
        );
        sum
    };
    let sums: Vec<Vec<T>> = match z {
        None => slice::<T>(&gradient).par_chunks(size).map(summed).collect(),
        Some((z, bias)) => {
            let bias = slice::<T>(&bias);
            let chunks = gradient.storage_mut::<T>().par_chunks_mut(size);
            let chunks = chunks.zip(slice::<T>(&z).par_chunks(size));
            let parts = chunks.map(|(g, z)| {
                by_activation!(activation, slope slope => vectorised(
                    #[inline(always)]
                    || {
                        let rows = g.chunks_exact_mut(width).zip(z.chunks_exact(width));
                        for (g, z) in rows {
                            let pairs = z.iter().zip(bias);
                            let pairs = g.iter_mut().zip(pairs);
                            pairs.for_each(|(g, (z, b))| *g = *g * slope(*z + *b));
                        }
                    },
                ));
                summed(g)
            });
            parts.collect()
        }
    };
    let mut total = vec![T::default(); width];
    for sum in sums {
        total.iter_mut().zip(sum).for_each(|(t, s)| *t += s);
    }
    (gradient, from_vec(total, Shape::from([width])))
}

#[inline(always)]
fn add_rows<T: Float>(sum: &mut [T], rows: &[T]) {
    for row in rows.chunks_exact(sum.len().max(1)) {
        sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += *x);
    }
}
