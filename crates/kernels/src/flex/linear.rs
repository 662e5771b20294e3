//! `z = x·W + b`, `y = act(z)`; `dz = g·act'(z)`, `dx = dz·Wᵀ`, `dW = xᵀ·dz`, `db = Σ dz`
//!
//! The products are flex's, and what is fused is everything around them; where no gradient is wanted and the weight is small, [`dense`]
//! does all of it at once, to the same numbers up to rounding.

use super::float::Float;
use super::simd::{build, vectorised};
use super::tile::by_tile;
use super::{CHUNK, by_dtype, contiguous, from_vec, owned, raw, run, slice};
use super::{dense, silu};
use crate::activation::Activation;
use crate::tape::Fused;
use burn::tensor::backend::Backend;
use burn::tensor::ops::FloatTensorOps;
use burn::tensor::{Shape, Tensor};
use burn_flex::{Flex, FlexTensor};
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

/// What the backward reads again; `x·W` and b where there is an activation.
#[derive(Debug, Clone)]
struct Saved {
    x: FlexTensor,
    weight: FlexTensor,
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
        if dense::takes(weight.layout().num_elements()) {
            let inputs = [x, weight, bias].map(|x| contiguous(&x));
            return by_dtype!(inputs[0].dtype(), at_once::<_>(&inputs, self.0));
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

/// Runs an expression with a name for the activation (`value`) or its derivative (`slope`).
macro_rules! by_activation {
    ($activation:expr, value $f:ident => $run:expr) => {
        by_activation!(@ $activation, $f => $run;
            Identity: identity; Selu: selu; Silu: silu::value; Gelu: gelu; Relu: relu; Tanh: Float::tanh_)
    };
    ($activation:expr, slope $f:ident => $run:expr) => {
        by_activation!(@ $activation, $f => $run;
            Identity: one; Selu: selu_slope; Silu: silu::slope; Gelu: gelu_slope; Relu: relu_slope; Tanh: tanh_slope)
    };
    (@ $activation:expr, $f:ident => $run:expr; $($name:ident: $of:expr);*) => {
        match $activation {
            $(Activation::$name => {
                // An attribute may stand on a closure only within another expression.
                let ($f,) = (
                    #[inline(always)]
                    |z: T| $of(z),
                );
                $run
            })*
        }
    };
}

/// The value in one pass.
fn at_once<T: Float>([x, weight, bias]: &[FlexTensor; 3], activation: Activation) -> FlexTensor {
    let mut shape = x.layout().shape().clone();
    let last = shape.num_dims() - 1;
    shape[last] = weight.layout().shape()[1];
    let (x, weight, bias) = (slice::<T>(x), slice::<T>(weight), slice::<T>(bias));
    let y = by_activation!(activation, value act => {
        by_tile!(T, dense::run(x, weight, bias, act))
    });
    from_vec(y, shape)
}

/// `x·W` as a matrix, and the shape that it stands for.
fn product(x: &FlexTensor, weight: &FlexTensor) -> (FlexTensor, Shape) {
    let mut shape = x.layout().shape().clone();
    let last = shape.num_dims() - 1;
    shape[last] = weight.layout().shape()[1];
    let z = Flex::float_matmul(into_rows(x.clone()), weight.clone());
    (owned(z), shape)
}

/// x as a matrix of its last axis.
fn into_rows(x: FlexTensor) -> FlexTensor {
    let shape = x.layout().shape();
    let last = shape.num_dims() - 1;
    let (count, width) = (shape.iter().take(last).product(), shape[last]);
    match shape.num_dims() {
        2 => x,
        _ => x.reshape(Shape::from([count, width])),
    }
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
    by_activation!(activation, value act => chunks.for_each(|z| {
        vectorised(
            #[inline(always)]
            || {
                for z in z.chunks_exact_mut(bias.len()) {
                    z.iter_mut().zip(bias).for_each(|(z, b)| *z = act(*z + *b));
                }
            },
        );
    }));
    z
}

/// `act(z + b)`.
fn activated<T: Float>(z: &FlexTensor, bias: &FlexTensor, activation: Activation) -> FlexTensor {
    let (values, bias) = (slice::<T>(z), slice::<T>(bias));
    let y = by_activation!(activation, value act => build(
        values.len(),
        #[inline(always)]
        |start, out: &mut [T]| {
            let (mut from, mut column) = (0, start % bias.len());
            while from < out.len() {
                let to = out.len().min(from + bias.len() - column);
                let pairs = values[start + from..start + to].iter().zip(&bias[column..]);
                out[from..to].iter_mut().zip(pairs).for_each(|(y, (z, b))| *y = act(*z + *b));
                (from, column) = (to, 0);
            }
        },
    ));
    from_vec(y, z.layout().shape().clone())
}

/// `dz = g·act'(z + b)`, written over g, and its sum over the rows.
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
            by_activation!(activation, slope slope => chunks.map(|(g, z)| {
                vectorised(
                    #[inline(always)]
                    || {
                        let rows = g.chunks_exact_mut(width).zip(z.chunks_exact(width));
                        for (g, z) in rows {
                            let pairs = z.iter().zip(bias);
                            g.iter_mut().zip(pairs).for_each(|(g, (z, b))| *g = *g * slope(*z + *b));
                        }
                    },
                );
                summed(g)
            })
            .collect())
        }
    };
    let mut bias = vec![T::default(); width];
    for sum in sums {
        bias.iter_mut().zip(sum).for_each(|(b, s)| *b += s);
    }
    (gradient, from_vec(bias, Shape::from([width])))
}

#[inline(always)]
fn identity<T: Float>(z: T) -> T {
    z
}

#[inline(always)]
fn one<T: Float>(_: T) -> T {
    T::ONE
}

#[inline(always)]
fn add_rows<T: Float>(sum: &mut [T], rows: &[T]) {
    for row in rows.chunks_exact(sum.len().max(1)) {
        sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += *x);
    }
}

/// Klambauer et al. 2017: λ and λ·α.
const SELU: (f64, f64) = (1.050_700_987_355_480_5, 1.758_099_340_847_376_6);

#[inline(always)]
fn selu<T: Float>(z: T) -> T {
    let low = T::of(SELU.1) * z.exp_m1_();
    if z > T::default() {
        T::of(SELU.0) * z
    } else {
        low
    }
}

#[inline(always)]
fn selu_slope<T: Float>(z: T) -> T {
    let low = T::of(SELU.1) * z.exp_();
    if z > T::default() { T::of(SELU.0) } else { low }
}

#[inline(always)]
fn relu<T: Float>(z: T) -> T {
    if z > T::default() { z } else { T::default() }
}

#[inline(always)]
fn relu_slope<T: Float>(z: T) -> T {
    if z > T::default() {
        T::ONE
    } else {
        T::default()
    }
}

#[inline(always)]
fn tanh_slope<T: Float>(z: T) -> T {
    let y = z.tanh_();
    (-y).fma(y, T::ONE)
}

/// Φ(z).
#[inline(always)]
fn phi<T: Float>(z: T) -> T {
    let half = T::of(0.5);
    (z * T::of(std::f64::consts::FRAC_1_SQRT_2))
        .erf()
        .fma(half, half)
}

#[inline(always)]
fn gelu<T: Float>(z: T) -> T {
    z * phi(z)
}

#[inline(always)]
fn gelu_slope<T: Float>(z: T) -> T {
    // 1/√(2π).
    let density = T::of(0.398_942_280_401_432_7) * (z * z * T::of(-0.5)).exp_();
    z.fma(density, phi(z))
}
