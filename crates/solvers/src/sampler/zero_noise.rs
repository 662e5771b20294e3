//! A Brownian motion without noise.
//!
//! `W = 0, H = 0`

use crate::brownian::{BrownianMotion, Interval, Replays};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// No noise: a stochastic sampler becomes the recursion of its means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ZeroNoise;

impl<B: Backend, const D: usize> BrownianMotion<B, D> for ZeroNoise {
    fn increment(&self, _: Interval, shape: [usize; D], like: &Tensor<B, D>) -> Tensor<B, D> {
        Tensor::zeros(shape, (&like.device(), like.dtype()))
    }

    fn increment_with_area(
        &self,
        interval: Interval,
        shape: [usize; D],
        like: &Tensor<B, D>,
    ) -> (Tensor<B, D>, Tensor<B, D>) {
        let zero = self.increment(interval, shape, like);
        (zero.clone(), zero)
    }
}

impl Replays for ZeroNoise {}
