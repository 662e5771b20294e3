//! Products in bf16, by rounding their factors: what they are on CUDA, at the price of more passes.
//!
//! `y = fl(x)·fl(w)`, `dx = fl(g)·fl(w)ᵀ`, `dw = fl(x)ᵀ·fl(g)`, with fl the rounding to bf16

use crate::activation::Activation;
use crate::downcast::raw;
use crate::flex::simd::update;
use crate::flex::tensor::{owned, run};
use crate::tape::Fused;
use burn::tensor::activation::softmax;
use burn::tensor::backend::Backend;
use burn::tensor::{DType, Tensor};
use burn_flex::{Flex, FlexTensor};

pub(crate) fn matmul<B: Backend, const D: usize>(x: Tensor<B, D>, w: Tensor<B, D>) -> Tensor<B, D> {
    product(factor(x).matmul(factor(w)))
}

pub(crate) fn linear<B: Backend, const D: usize>(
    x: Tensor<B, D>,
    weight: Tensor<B, 2>,
    bias: Tensor<B, 1>,
    activation: Activation,
) -> Tensor<B, D> {
    let z = product(factor(x).matmul(factor(weight).unsqueeze()));
    activation.forward(z + bias.unsqueeze())
}

pub(crate) fn attention<B: Backend>(
    q: Tensor<B, 4>,
    k: Tensor<B, 4>,
    v: Tensor<B, 4>,
    scale: f64,
) -> Tensor<B, 4> {
    let scores = matmul(q, k.swap_dims(2, 3));
    matmul(softmax(scores * scale, 3), v)
}

/// The tensor as it enters a product: rounded, with the gradient as it comes.
pub(crate) fn factor<B: Backend, const D: usize>(x: Tensor<B, D>) -> Tensor<B, D> {
    run::<B, _, 1, D>(Rounding::Value, [raw(x)])
}

/// A product as it is, whose gradient is rounded before it enters the two products that follow.
pub(crate) fn product<B: Backend, const D: usize>(y: Tensor<B, D>) -> Tensor<B, D> {
    run::<B, _, 1, D>(Rounding::Gradient, [raw(y)])
}

/// What is rounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rounding {
    Value,
    Gradient,
}

impl Fused<Flex, 1> for Rounding {
    type Saved = ();

    fn forward(&self, [x]: [FlexTensor; 1]) -> (FlexTensor, ()) {
        match self {
            Self::Value => (rounded(x), ()),
            Self::Gradient => (x, ()),
        }
    }

    fn backward(&self, (): (), gradient: FlexTensor, _: [bool; 1]) -> [Option<FlexTensor>; 1] {
        match self {
            Self::Value => [Some(gradient)],
            Self::Gradient => [Some(rounded(gradient))],
        }
    }
}

fn rounded(x: FlexTensor) -> FlexTensor {
    if x.dtype() != DType::F32 {
        return x;
    }
    let mut x = owned(x);
    update(x.storage_mut::<f32>(), nearest);
    x
}

/// The nearest number of bf16; of two, the one with an even last digit.
#[inline(always)]
fn nearest(x: f32) -> f32 {
    let bits = x.to_bits();
    let even = (bits >> 16) & 1;
    let nearest = f32::from_bits((bits.wrapping_add(0x7fff + even)) & 0xffff_0000);
    if x.is_nan() { x } else { nearest }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_number_is_found_on_both_sides_and_ties_are_even() {
        let ulp = 2.0_f32.powi(-7);
        for (x, expected) in [
            (1.0, 1.0),
            (1.0 + 0.49 * ulp, 1.0),
            (1.0 + 0.5 * ulp, 1.0),
            (1.0 + 0.51 * ulp, 1.0 + ulp),
            (1.0 + 1.5 * ulp, 1.0 + 2.0 * ulp),
            (-1.0 - 0.51 * ulp, -1.0 - ulp),
            (2.0 - 0.25 * ulp, 2.0),
            (0.0, 0.0),
            // The smallest and the largest numbers.
            (f32::from_bits(0x0000_8001), f32::from_bits(0x0001_0000)),
            (f32::MAX, f32::INFINITY),
            (f32::INFINITY, f32::INFINITY),
            (f32::NEG_INFINITY, f32::NEG_INFINITY),
        ] {
            assert_eq!(nearest(x), expected, "{x}");
        }
        assert!(nearest(f32::from_bits(0x7fff_ffff)).is_nan());
    }
}
