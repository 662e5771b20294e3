//! The SiLU.
//!
//! `y = x·s(x)`, `dx = g·s·(1 + x·(1 − s))`, with s the logistic function

use crate::downcast::raw;
use crate::flex::float::Float;
use crate::flex::simd::{map, update, update_with};
use crate::flex::tensor::{by_dtype, contiguous, from_vec, owned, reusable, run, slice};
use crate::tape::Fused;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use burn_flex::{Flex, FlexTensor};

pub(crate) fn silu<B: Backend, const D: usize>(x: Tensor<B, D>) -> Tensor<B, D> {
    run::<B, _, 1, D>(Silu, [raw(x)])
}

#[derive(Debug, Clone)]
struct Silu;

impl Fused<Flex, 1> for Silu {
    type Saved = FlexTensor;

    fn forward(&self, [x]: [FlexTensor; 1]) -> (FlexTensor, FlexTensor) {
        let x = contiguous(&x);
        (by_dtype!(x.dtype(), mapped::<_>(&x)), x)
    }

    fn value(&self, [mut x]: [FlexTensor; 1]) -> FlexTensor {
        fn in_place<T: Float>(x: &mut FlexTensor) {
            update(x.storage_mut::<T>(), value);
        }
        if !reusable(&x) {
            return self.forward([x]).0;
        }
        by_dtype!(x.dtype(), in_place::<_>(&mut x));
        x
    }

    fn backward(
        &self,
        x: FlexTensor,
        mut gradient: FlexTensor,
        _: [bool; 1],
    ) -> [Option<FlexTensor>; 1] {
        fn typed<T: Float>(x: &FlexTensor, g: &mut FlexTensor) {
            update_with(
                g.storage_mut(),
                slice::<T>(x),
                #[inline(always)]
                |g, x| g * slope(x),
            );
        }
        gradient = owned(gradient);
        by_dtype!(x.dtype(), typed::<_>(&x, &mut gradient));
        [Some(gradient)]
    }
}

fn mapped<T: Float>(x: &FlexTensor) -> FlexTensor {
    from_vec(map(slice::<T>(x), value), x.layout().shape().clone())
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
