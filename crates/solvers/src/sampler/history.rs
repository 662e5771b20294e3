//! The history of a multistep method.
//!
//! `(t_i, m_i), (t_{i−1}, m_{i−1}), …`: evaluations and their times, the newest first

use crate::method::{Memory, Parts};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use std::collections::VecDeque;

/// Evaluations of earlier steps, and the number of steps taken.
#[derive(Debug, Clone)]
pub struct History<B: Backend, const D: usize> {
    entries: VecDeque<(f64, Tensor<B, D>)>,
    /// Steps taken.
    pub steps: u64,
}

impl<B: Backend, const D: usize> Default for History<B, D> {
    fn default() -> Self {
        Self {
            entries: VecDeque::new(),
            steps: 0,
        }
    }
}

impl<B: Backend, const D: usize> History<B, D> {
    /// Adds the evaluation at t, counts a step, and forgets all but the newest `kept`.
    pub(super) fn remember(&mut self, t: f64, evaluation: Tensor<B, D>, kept: usize) {
        self.entries.push_front((t, evaluation));
        self.entries.truncate(kept);
        self.steps += 1;
    }

    /// The number of evaluations that are remembered.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The i-th newest evaluation.
    pub(super) fn value(&self, i: usize) -> &Tensor<B, D> {
        &self.entries[i].1
    }

    /// The time of the i-th newest evaluation.
    pub(super) fn time(&self, i: usize) -> f64 {
        self.entries[i].0
    }
}

impl<B: Backend, const D: usize> Memory<B, D> for History<B, D> {
    fn into_parts(self) -> Parts<B, D> {
        let (times, tensors) = self.entries.into_iter().unzip();
        Parts {
            tensors,
            times,
            counts: vec![self.steps],
        }
    }

    fn from_parts(parts: Parts<B, D>) -> Self {
        Self {
            entries: parts.times.into_iter().zip(parts.tensors).collect(),
            steps: parts.counts.first().copied().unwrap_or_default(),
        }
    }
}
