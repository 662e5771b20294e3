//! The tangent of a group normalisation, in two passes over a group: the moments of x and the means
//! of ẋ and x̂·ẋ, then both results, written over x and ẋ.
//!
//! `x̂' = (ẋ − mean(ẋ) − x̂·mean(x̂·ẋ))/√(var + ε)`, `z' = x̂'·gain + x̂·gain' + bias'`,
//! `y' = z'·SiLU'(z)`

use super::Sizes;
use crate::downcast::wrap;
use crate::flex::float::Float;
use crate::flex::silu::{slope, value};
use crate::flex::simd::{sum, sum_and_dot, vectorised};
use crate::flex::tensor::{by_dtype, contiguous, owned, slice, values};
use crate::grouping::Grouping;
use crate::norm_tangent::Moving;
use burn::tensor::backend::Backend;
use burn_flex::FlexTensor;
use rayon::prelude::*;

/// Gain and bias have a row per sample.
pub(crate) fn group_norm_tangent<B: Backend, const D: usize>(
    x: Moving<B, D>,
    gain: Moving<B, 2>,
    bias: Moving<B, 2>,
    grouping: Grouping,
) -> Moving<B, D> {
    let dtype = x[0].dtype();
    let x = x.map(|x| owned(values(x)));
    let [gain, bias] = [gain, bias].map(|pair| pair.map(|v| contiguous(&values(v))));
    by_dtype!(dtype, typed::<_>(&grouping, x, &gain, &bias)).map(wrap)
}

fn typed<T: Float>(
    grouping: &Grouping,
    [mut x, mut v]: [FlexTensor; 2],
    gain: &[FlexTensor; 2],
    bias: &[FlexTensor; 2],
) -> [FlexTensor; 2] {
    let sizes = Sizes::of(&x, grouping.groups);
    let epsilon = T::of(grouping.epsilon);
    let [gain, gain_along] = gain.each_ref().map(|v| slice::<T>(v));
    let [bias, bias_along] = bias.each_ref().map(|v| slice::<T>(v));
    let (row, at_once, pixels) = (sizes.row(), sizes.at_once, sizes.pixels);
    let chunk = |(index, (x, v)): (usize, (&mut [T], &mut [T]))| {
        vectorised(
            #[inline(always)]
            || {
                let share = T::of(1.0 / row as f64);
                let groups = x.chunks_exact_mut(row).zip(v.chunks_exact_mut(row));
                for (k, (x, v)) in groups.enumerate() {
                    let first = (index * at_once + k) * sizes.channels;
                    let mean = sum(x, |x| x) * share;
                    let variance = sum(x, |x| (x - mean) * (x - mean)) * share;
                    let inverse = T::ONE / (variance + epsilon).root();
                    let (level, along) = sum_and_dot(v, x, |x| (x - mean) * inverse);
                    let (offset, tilt) = (level * share * inverse, along * share * inverse);
                    for c in 0..sizes.channels {
                        let range = c * pixels..(c + 1) * pixels;
                        let at = first + c;
                        let pairs = x[range.clone()].iter_mut().zip(&mut v[range]);
                        let moved = |x: T, v: T| {
                            let normal = (x - mean) * inverse;
                            let along = v.fma(inverse, -normal.fma(tilt, offset));
                            let shift = normal.fma(gain_along[at], bias_along[at]);
                            (normal.fma(gain[at], bias[at]), along.fma(gain[at], shift))
                        };
                        if grouping.silu {
                            for (x, v) in pairs {
                                let (z, along) = moved(*x, *v);
                                (*x, *v) = (value(z), along * slope(z));
                            }
                        } else {
                            pairs.for_each(|(x, v)| (*x, *v) = moved(*x, *v));
                        }
                    }
                }
            },
        );
    };
    let images = x.storage_mut::<T>().par_chunks_mut(at_once * row);
    let along = v.storage_mut::<T>().par_chunks_mut(at_once * row);
    images.zip(along).enumerate().for_each(chunk);
    [x, v]
}
