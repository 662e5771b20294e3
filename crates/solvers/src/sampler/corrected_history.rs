//! The history of a multistep method with a corrector.
//!
//! The evaluations, and `x` and the order of the last step, so that it can be repeated

use super::history::History;
use crate::method::{Memory, Parts};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// The history of a multistep method that repeats each step once the
/// evaluation at its end is known.
#[derive(Debug, Clone)]
pub struct CorrectedHistory<B: Backend, const D: usize> {
    /// x at the start of the last step; `None` before the first step.
    pub(super) start: Option<Tensor<B, D>>,
    /// The evaluations.
    pub(super) past: History<B, D>,
    /// The order of the last step.
    pub(super) order: usize,
}

impl<B: Backend, const D: usize> Default for CorrectedHistory<B, D> {
    fn default() -> Self {
        Self {
            start: None,
            past: History::default(),
            order: 0,
        }
    }
}

impl<B: Backend, const D: usize> Memory<B, D> for CorrectedHistory<B, D> {
    fn into_parts(self) -> Parts<B, D> {
        let mut parts = self.past.into_parts();
        parts.counts.push(self.order as u64);
        parts.tensors.extend(self.start);
        parts
    }

    fn from_parts(mut parts: Parts<B, D>) -> Self {
        let order = parts.counts.pop().unwrap_or_default() as usize;
        let has_start = parts.tensors.len() > parts.times.len();
        Self {
            start: if has_start { parts.tensors.pop() } else { None },
            past: History::from_parts(parts),
            order,
        }
    }
}
