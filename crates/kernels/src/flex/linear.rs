//! `z = x·W + b`, `y = act(z)`; `dz = g·act'(z)`, `dx = dz·Wᵀ`, `dW = xᵀ·dz`, `db = Σ dz`
//!
//! The products are flex's; what is fused is everything around them.

use super::float::Float;
use super::silu;
use super::simd::vectorised;
use super::tape::Fused;
use super::{CHUNK, by_dtype, contiguous, from_vec, owned, raw, run, slice};
use crate::activation::Activation;
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

/// What the backward reads again; z where there is an activation.
#[derive(Debug, Clone)]
struct Saved {
    x: FlexTensor,
    weight: FlexTensor,
    z: Option<FlexTensor>,
}

impl Fused<3> for Linear {
    type Saved = Saved;

    fn forward(&self, [x, weight, bias]: [FlexTensor; 3]) -> (FlexTensor, Saved) {
        let mut shape = x.layout().shape().clone();
        let (width, last) = (weight.layout().shape()[1], shape.num_dims() - 1);
        let rows = rows(&x);
        shape[last] = width;
        let z = owned(Flex::float_matmul(rows.clone(), weight.clone()));
        let (y, z) = by_dtype!(z.dtype(), activated::<_>(z, &contiguous(&bias), self.0));
        let saved = Saved { x, weight, z };
        (y.reshape(shape), saved)
    }

    fn backward(
        &self,
        saved: Saved,
        gradient: FlexTensor,
        wanted: [bool; 3],
    ) -> [Option<FlexTensor>; 3] {
        let Saved { x, weight, z } = saved;
        let gradient = contiguous(&rows(&gradient));
        let (dz, bias) = by_dtype!(gradient.dtype(), slopes::<_>(gradient, z.as_ref(), self.0));
        let into = |x: &FlexTensor| Flex::float_matmul(rows(x).transpose(0, 1), dz.clone());
        let back = || Flex::float_matmul(dz.clone(), weight.transpose(0, 1));
        let dw = wanted[1].then(|| into(&x));
        let dx = wanted[0].then(|| back().reshape(x.layout().shape().clone()));
        [dx, dw, Some(bias)]
    }
}

/// x as a matrix of its last axis.
fn rows(x: &FlexTensor) -> FlexTensor {
    let shape = x.layout().shape();
    let width = shape[shape.num_dims() - 1];
    let count = shape.num_elements().checked_div(width).unwrap_or(0);
    match shape.num_dims() {
        2 => x.clone(),
        _ => x.reshape(Shape::from([count, width])),
    }
}

/// `act(z + b)`, and `z + b` where the activation changes it.
fn activated<T: Float>(
    mut z: FlexTensor,
    bias: &FlexTensor,
    activation: Activation,
) -> (FlexTensor, Option<FlexTensor>) {
    let bias = slice::<T>(bias);
    let size = (CHUNK / bias.len().max(1)).max(1) * bias.len().max(1);
    if activation == Activation::Identity {
        (z.storage_mut::<T>().par_chunks_mut(size)).for_each(|z| {
            vectorised(
                #[inline(always)]
                || {
                    for z in z.chunks_exact_mut(bias.len()) {
                        z.iter_mut().zip(bias).for_each(|(z, b)| *z += *b);
                    }
                },
            );
        });
        return (z, None);
    }
    let values = z.storage_mut::<T>();
    let mut y = vec![T::default(); values.len()];
    let chunks = values.par_chunks_mut(size).zip(y.par_chunks_mut(size));
    macro_rules! with {
        ($act:expr) => {
            chunks.for_each(|(z, y)| {
                vectorised(
                    #[inline(always)]
                    || {
                        let rows = z
                            .chunks_exact_mut(bias.len())
                            .zip(y.chunks_exact_mut(bias.len()));
                        for (z, y) in rows {
                            for ((z, y), b) in z.iter_mut().zip(y).zip(bias) {
                                *z += *b;
                                *y = $act(*z);
                            }
                        }
                    },
                );
            })
        };
    }
    match activation {
        Activation::Identity => {}
        Activation::Selu => with!(selu),
        Activation::Silu => with!(silu::value),
        Activation::Gelu => with!(gelu),
        Activation::Relu => with!(relu),
        Activation::Tanh => with!(Float::tanh_),
    }
    let shape = z.layout().shape().clone();
    (from_vec(y, shape), Some(z))
}

/// `dz = g·act'(z)`, and its sum over the rows.
fn slopes<T: Float>(
    gradient: FlexTensor,
    z: Option<&FlexTensor>,
    activation: Activation,
) -> (FlexTensor, FlexTensor) {
    let shape = gradient.layout().shape().clone();
    let width = shape[1];
    let size = (CHUNK / width.max(1)).max(1) * width.max(1);
    let (dz, sums): (FlexTensor, Vec<Vec<T>>) = match z {
        None => {
            let sums = slice::<T>(&gradient).par_chunks(size).map(|g| {
                let mut sum = vec![T::default(); width];
                vectorised(
                    #[inline(always)]
                    || add_rows(&mut sum, g),
                );
                sum
            });
            let sums = sums.collect();
            (gradient, sums)
        }
        Some(z) => {
            let mut dz = vec![T::default(); shape.num_elements()];
            let chunks = (dz.par_chunks_mut(size)).zip(
                slice::<T>(z)
                    .par_chunks(size)
                    .zip(slice::<T>(&gradient).par_chunks(size)),
            );
            macro_rules! with {
                ($slope:expr) => {
                    chunks
                        .map(|(dz, (z, g))| {
                            let mut sum = vec![T::default(); width];
                            vectorised(
                                #[inline(always)]
                                || {
                                    let pairs = z.iter().zip(g);
                                    dz.iter_mut()
                                        .zip(pairs)
                                        .for_each(|(dz, (z, g))| *dz = *g * $slope(*z));
                                    add_rows(&mut sum, dz);
                                },
                            );
                            sum
                        })
                        .collect()
                };
            }
            let sums = match activation {
                Activation::Identity => unreachable!("the identity keeps no z"),
                Activation::Selu => with!(selu_slope),
                Activation::Silu => with!(silu::slope),
                Activation::Gelu => with!(gelu_slope),
                Activation::Relu => with!(relu_slope),
                Activation::Tanh => with!(tanh_slope),
            };
            (from_vec(dz, shape), sums)
        }
    };
    let mut bias = vec![T::default(); width];
    for sum in sums {
        bias.iter_mut().zip(sum).for_each(|(b, s)| *b += s);
    }
    (dz, from_vec(bias, Shape::from([width])))
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
