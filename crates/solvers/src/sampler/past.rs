//! What a multistep method remembers.
//!
//! `(t_i, m_i), (t_{i−1}, m_{i−1}), …`: evaluations and their times, the newest first

use crate::method::{Memory, Parts};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use std::collections::VecDeque;

/// Evaluations of earlier steps, and how many steps have been taken.
#[derive(Debug, Clone)]
pub struct Past<B: Backend, const D: usize> {
    entries: VecDeque<(f64, Tensor<B, D>)>,
    /// Steps taken.
    pub steps: u64,
}

impl<B: Backend, const D: usize> Past<B, D> {
    /// Before the first step.
    pub fn none() -> Self {
        Self {
            entries: VecDeque::new(),
            steps: 0,
        }
    }

    /// Adds the evaluation at t, counts a step, and forgets all but the newest `kept`.
    pub(super) fn remember(&mut self, t: f64, evaluation: Tensor<B, D>, kept: usize) {
        self.entries.push_front((t, evaluation));
        self.entries.truncate(kept);
        self.steps += 1;
    }

    /// How many evaluations are remembered.
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

impl<B: Backend, const D: usize> Memory<B, D> for Past<B, D> {
    fn into_parts(self) -> Parts<B, D> {
        let (times, tensors) = self.entries.into_iter().unzip();
        Parts {
            tensors,
            times,
            steps: self.steps,
        }
    }

    fn from_parts(parts: Parts<B, D>) -> Self {
        Self {
            entries: parts.times.into_iter().zip(parts.tensors).collect(),
            steps: parts.steps,
        }
    }
}

/// What a predictor–corrector of evaluations remembers: the past, and where its last step started, to take it again.
#[derive(Debug, Clone)]
pub struct Corrected<B: Backend, const D: usize> {
    /// x where the last step started, once there was one.
    pub(super) start: Option<Tensor<B, D>>,
    /// The evaluations.
    pub(super) past: Past<B, D>,
    /// The order of the last step.
    pub(super) order: usize,
}

impl<B: Backend, const D: usize> Corrected<B, D> {
    /// Before the first step.
    pub(super) fn none() -> Self {
        Self {
            start: None,
            past: Past::none(),
            order: 0,
        }
    }
}

impl<B: Backend, const D: usize> Memory<B, D> for Corrected<B, D> {
    fn into_parts(self) -> Parts<B, D> {
        let mut parts = self.past.into_parts();
        // The order is a small whole number, and travels with the times.
        parts.times.push(self.order as f64);
        parts.tensors.extend(self.start);
        parts
    }

    fn from_parts(mut parts: Parts<B, D>) -> Self {
        let order = parts.times.pop().unwrap_or(0.0) as usize;
        let has_start = parts.tensors.len() > parts.times.len();
        Self {
            start: if has_start { parts.tensors.pop() } else { None },
            past: Past::from_parts(parts),
            order,
        }
    }
}
