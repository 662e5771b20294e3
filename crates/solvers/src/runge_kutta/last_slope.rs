//! The memory of a Runge–Kutta method.
//!
//! `k_1` of the next step, which is the last stage of this one for some methods

use crate::method::{Memory, Parts};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// The slope where the next step starts, if it is already known.
#[derive(Debug, Clone)]
pub struct LastSlope<B: Backend, const D: usize>(pub(super) Option<Tensor<B, D>>);

impl<B: Backend, const D: usize> Default for LastSlope<B, D> {
    fn default() -> Self {
        Self(None)
    }
}

impl<B: Backend, const D: usize> Memory<B, D> for LastSlope<B, D> {
    fn into_parts(self) -> Parts<B, D> {
        Parts {
            tensors: self.0.into_iter().collect(),
            ..Parts::default()
        }
    }

    fn from_parts(parts: Parts<B, D>) -> Self {
        Self(parts.tensors.into_iter().next())
    }
}
