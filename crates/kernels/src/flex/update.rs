//! Updates of parameters, each in one pass and in place.

use crate::adamw_step::AdamWStep;
use crate::downcast::wrap;
use crate::flex::float::Float;
use crate::flex::simd::{CHUNK, update_with, vectorised};
use crate::flex::tensor::{by_dtype, contiguous, owned, slice, values};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use burn_flex::FlexTensor;
use rayon::prelude::*;

/// The average after a step.
pub(crate) fn lerp<B: Backend, const D: usize>(
    average: Tensor<B, D>,
    x: &Tensor<B, D>,
    weight: f64,
) -> Tensor<B, D> {
    fn typed<T: Float>(mut average: FlexTensor, x: &FlexTensor, weight: f64) -> FlexTensor {
        let weight = T::of(weight);
        let step = |a: T, x: T| (x - a).fma(weight, a);
        update_with(average.storage_mut(), slice(x), step);
        average
    }
    let (average, x) = (owned(values(average)), contiguous(&values(x.clone())));
    wrap(by_dtype!(x.dtype(), typed::<_>(average, &x, weight)))
}

/// θ, m and v after a step of AdamW.
pub(crate) fn adamw<B: Backend, const D: usize>(
    state: [Tensor<B, D>; 3],
    gradient: Tensor<B, D>,
    factor: Option<&Tensor<B, 1>>,
    step: &AdamWStep,
) -> [Tensor<B, D>; 3] {
    let factor = factor.map(|factor| contiguous(&values(factor.clone())));
    let gradient = contiguous(&values(gradient));
    let state = state.map(|x| owned(values(x)));
    let state = by_dtype!(
        gradient.dtype(),
        typed_adamw::<_>(state, &gradient, factor, step)
    );
    state.map(wrap)
}

fn typed_adamw<T: Float>(
    [mut theta, mut first, mut second]: [FlexTensor; 3],
    gradient: &FlexTensor,
    factor: Option<FlexTensor>,
    step: &AdamWStep,
) -> [FlexTensor; 3] {
    let factor = factor.map_or(T::ONE, |factor| slice::<T>(&factor)[0]);
    let [kept, rate, epsilon] = [1.0 - step.decay, step.rate, step.epsilon].map(T::of);
    let [beta1, beta2] = step.betas.map(T::of);
    let [rest1, rest2] = step.betas.map(|beta| T::of(1.0 - beta));
    let root = T::of(1.0 / step.root_correction);
    let chunk = |theta: &mut [T], m: &mut [T], v: &mut [T], g: &[T]| {
        vectorised(
            #[inline(always)]
            || {
                for (((theta, m), v), g) in theta.iter_mut().zip(m).zip(v).zip(g) {
                    let g = *g * factor;
                    *m = m.fma(beta1, g * rest1);
                    *v = v.fma(beta2, g * g * rest2);
                    let size = v.root().fma(root, epsilon);
                    *theta = theta.fma(kept, -(*m / size * rate));
                }
            },
        );
    };
    let (thetas, firsts) = (theta.storage_mut::<T>(), first.storage_mut::<T>());
    thetas
        .par_chunks_mut(CHUNK)
        .zip(firsts.par_chunks_mut(CHUNK))
        .zip(second.storage_mut::<T>().par_chunks_mut(CHUNK))
        .zip(slice::<T>(gradient).par_chunks(CHUNK))
        .for_each(|(((theta, m), v), g)| chunk(theta, m, v, g));
    [theta, first, second]
}
