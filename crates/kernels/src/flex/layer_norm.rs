//! Layer normalisation of tokens, modulated, in two passes over a token.
//!
//! `x̂ = (x − mean)/√(var + ε)`, `y = x̂·(1 + scale) + shift`;
//! `dz = g·(1 + scale)`, `dx = (dz − mean(dz) − x̂·mean(dz·x̂))/√(var + ε)`,
//! `dscale = Σ g·x̂`, `dshift = Σ g` over the tokens of a sample

use crate::downcast::raw;
use crate::flex::float::Float;
use crate::flex::simd::{sum, sum_and_dot, vectorised};
use crate::flex::tensor::{by_dtype, contiguous, from_vec, owned, run, slice};
use crate::flex::tokens::{Tokens, summed};
use crate::tape::Fused;
use burn::tensor::backend::Backend;
use burn::tensor::{Shape, Tensor};
use burn_flex::{Flex, FlexTensor};
use rayon::prelude::*;

pub(crate) fn layer_norm<B: Backend>(
    x: Tensor<B, 3>,
    scale: Tensor<B, 2>,
    shift: Tensor<B, 2>,
    epsilon: f64,
) -> Tensor<B, 3> {
    run::<B, _, 3, 3>(LayerNorm { epsilon }, [raw(x), raw(scale), raw(shift)])
}

#[derive(Debug, Clone)]
struct LayerNorm {
    epsilon: f64,
}

/// What the backward needs.
#[derive(Debug, Clone)]
struct Saved {
    x: FlexTensor,
    scale: FlexTensor,
    shift: FlexTensor,
    /// Mean and 1/√(var + ε) of each token.
    moments: FlexTensor,
}

impl Fused<Flex, 3> for LayerNorm {
    type Saved = Saved;

    fn forward(&self, inputs: [FlexTensor; 3]) -> (FlexTensor, Saved) {
        let [x, scale, shift] = inputs.map(|x| contiguous(&x));
        let y = owned(x.clone());
        let (y, moments) = by_dtype!(x.dtype(), normalised::<_>(y, &scale, &shift, self.epsilon));
        let saved = Saved {
            x,
            scale,
            shift,
            moments,
        };
        (y, saved)
    }

    fn value(&self, [x, scale, shift]: [FlexTensor; 3]) -> FlexTensor {
        let [scale, shift] = [scale, shift].map(|x| contiguous(&x));
        let x = owned(x);
        by_dtype!(x.dtype(), normalised::<_>(x, &scale, &shift, self.epsilon)).0
    }

    fn backward(
        &self,
        saved: Saved,
        gradient: FlexTensor,
        _: [bool; 3],
    ) -> [Option<FlexTensor>; 3] {
        by_dtype!(gradient.dtype(), backward::<_>(&saved, owned(gradient))).map(Some)
    }
}

/// The value, written over x if nothing else holds it, and the moments.
fn normalised<T: Float>(
    mut x: FlexTensor,
    scale: &FlexTensor,
    shift: &FlexTensor,
    epsilon: f64,
) -> (FlexTensor, FlexTensor) {
    let sizes = Tokens::of(&x);
    let mut moments = vec![T::default(); 2 * sizes.batch * sizes.tokens];
    if !sizes.is_empty() {
        let (scales, shifts) = (slice::<T>(scale), slice::<T>(shift));
        let (width, at_once) = (sizes.width, sizes.at_once());
        let samples = x.storage_mut::<T>().par_chunks_mut(sizes.sample());
        let samples = samples.zip(moments.par_chunks_mut(2 * sizes.tokens));
        samples.enumerate().for_each(|(sample, (x, moments))| {
            let [scale, shift] = [scales, shifts].map(|rows| sizes.vector(rows, sample));
            let chunks = x.par_chunks_mut(at_once * width);
            let chunks = chunks.zip(moments.par_chunks_mut(2 * at_once));
            chunks.for_each(|(x, moments)| {
                vectorised(
                    #[inline(always)]
                    || {
                        let share = T::of(1.0 / width as f64);
                        let rows = x.chunks_exact_mut(width);
                        for (x, moments) in rows.zip(moments.chunks_exact_mut(2)) {
                            let mean = sum(x, |x| x) * share;
                            let variance = sum(x, |x| (x - mean) * (x - mean)) * share;
                            let inverse = T::ONE / (variance + T::of(epsilon)).root();
                            moments.copy_from_slice(&[mean, inverse]);
                            let pairs = x.iter_mut().zip(scale.iter().zip(shift));
                            pairs.for_each(|(x, (scale, shift))| {
                                let normal = (*x - mean) * inverse;
                                *x = normal.fma(*scale, normal + *shift);
                            });
                        }
                    },
                );
            });
        });
    }
    let count = moments.len();
    (x, from_vec(moments, Shape::from([count])))
}

/// The gradients. That of x is written over the incoming one.
fn backward<T: Float>(saved: &Saved, mut gradient: FlexTensor) -> [FlexTensor; 3] {
    let sizes = Tokens::of(&saved.x);
    let (x, moments) = (slice::<T>(&saved.x), slice::<T>(&saved.moments));
    let scales = slice::<T>(&saved.scale);
    // dscale and dshift of each sample.
    let mut sums: Vec<[Vec<T>; 2]> = Vec::new();
    if !sizes.is_empty() {
        let sample = sizes.sample();
        let samples = gradient.storage_mut::<T>().par_chunks_mut(sample);
        let samples = samples
            .zip(x.par_chunks(sample))
            .zip(moments.par_chunks(2 * sizes.tokens))
            .enumerate();
        let samples = samples.map(|(sample, ((g, x), moments))| {
            sample_backward(&sizes, g, x, moments, sizes.vector(scales, sample))
        });
        sums = samples.collect();
    }
    let (dscale, dshift): (Vec<_>, Vec<_>) = sums.into_iter().map(|[a, b]| (a, b)).unzip();
    [
        gradient,
        sizes.gathered(&dscale, &saved.scale),
        sizes.gathered(&dshift, &saved.shift),
    ]
}

/// Writes dx of a sample over g, and returns its dscale and dshift.
fn sample_backward<T: Float>(
    sizes: &Tokens,
    g: &mut [T],
    x: &[T],
    moments: &[T],
    scale: &[T],
) -> [Vec<T>; 2] {
    let at_once = sizes.at_once();
    let chunks = g.par_chunks_mut(at_once * sizes.width);
    let chunks = chunks
        .zip(x.par_chunks(at_once * sizes.width))
        .zip(moments.par_chunks(2 * at_once));
    let parts = chunks.map(|((g, x), moments)| {
        let [dscale, dshift] = rows_backward(g, x, moments, scale);
        (dscale, dshift)
    });
    let (dscale, dshift): (Vec<_>, Vec<_>) = parts.unzip();
    [dscale, dshift].map(|parts| summed(&parts, sizes.width))
}

/// Writes dx of some tokens of a sample over g, and returns their part of dscale and dshift.
fn rows_backward<T: Float>(g: &mut [T], x: &[T], moments: &[T], scale: &[T]) -> [Vec<T>; 2] {
    let width = scale.len();
    let mut sums = [(); 2].map(|()| vec![T::default(); width]);
    let [dscale, dshift] = &mut sums;
    vectorised(
        #[inline(always)]
        || {
            let share = T::of(1.0 / width as f64);
            let (dscale, dshift) = (&mut dscale[..width], &mut dshift[..width]);
            let rows = g.chunks_exact_mut(width).zip(x.chunks_exact(width));
            for ((g, x), moments) in rows.zip(moments.chunks_exact(2)) {
                let (mean, inverse) = (moments[0], moments[1]);
                for i in 0..width {
                    dshift[i] += g[i];
                    dscale[i] = g[i].fma((x[i] - mean) * inverse, dscale[i]);
                    g[i] = g[i].fma(scale[i], g[i]);
                }
                let (level, along) = sum_and_dot(g, x, |x| (x - mean) * inverse);
                // dx = dz/std − (x − mean)·tilt − offset
                let tilt = along * share * inverse * inverse;
                let offset = level * share * inverse;
                for (g, x) in g.iter_mut().zip(x) {
                    *g = g.fma(inverse, -(*x - mean).fma(tilt, offset));
                }
            }
        },
    );
    sums
}
