//! `y = x·s(x)`, `dx = g·s·(1 + x·(1 − s))`, s the logistic function

use super::float::Float;
use super::simd::{map, map2};
use super::tape::Fused;
use super::{by_dtype, contiguous, from_vec, raw, run, slice};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use burn_flex::FlexTensor;

pub(crate) fn silu<B: Backend, const D: usize>(x: Tensor<B, D>) -> Tensor<B, D> {
    run::<B, _, 1, D>(Silu, [raw(x)])
}

#[derive(Debug, Clone)]
struct Silu;

impl Fused<1> for Silu {
    type Saved = FlexTensor;

    fn forward(&self, [x]: [FlexTensor; 1]) -> (FlexTensor, FlexTensor) {
        fn typed<T: Float>(x: &FlexTensor) -> FlexTensor {
            from_vec(map(slice::<T>(x), value), x.layout().shape().clone())
        }
        let x = contiguous(&x);
        (by_dtype!(x.dtype(), typed::<_>(&x)), x)
    }

    fn backward(
        &self,
        x: FlexTensor,
        gradient: FlexTensor,
        _: [bool; 1],
    ) -> [Option<FlexTensor>; 1] {
        fn typed<T: Float>(x: &FlexTensor, g: &FlexTensor) -> FlexTensor {
            let product = map2(slice::<T>(x), slice::<T>(g), |x, g| g * slope(x));
            from_vec(product, x.layout().shape().clone())
        }
        let gradient = contiguous(&gradient);
        [Some(by_dtype!(x.dtype(), typed::<_>(&x, &gradient)))]
    }
}

/// `x·s(x)`.
#[inline(always)]
pub(super) fn value<T: Float>(x: T) -> T {
    x / (T::ONE + (-x).exp_())
}

/// The derivative of [`value`].
#[inline(always)]
pub(super) fn slope<T: Float>(x: T) -> T {
    let s = x.sigmoid();
    s * x.fma(T::ONE - s, T::ONE)
}
