//! What comes of an adaptive solve, whole or in part.

use crate::error::SolveError;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use std::fmt;

/// What a solve cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statistics {
    /// Steps that were kept.
    pub steps: usize,
    /// Steps that were tried and not kept.
    pub rejections: usize,
    /// Evaluations of the field (the text's NFE).
    pub evaluations: usize,
}

impl std::ops::AddAssign for Statistics {
    fn add_assign(&mut self, other: Self) {
        self.steps += other.steps;
        self.rejections += other.rejections;
        self.evaluations += other.evaluations;
    }
}

/// Where an adaptive solve got to.
#[derive(Debug, Clone)]
pub struct Solution<B: Backend, const D: usize> {
    /// The time that was reached: the end of the span, or of what could be solved.
    pub t: f64,
    /// The state there.
    pub x: Tensor<B, D>,
    /// The states at the times that were asked for, with their times, in the order of asking. Of a solve that stopped, those
    /// that it reached.
    pub saved: Vec<(f64, Tensor<B, D>)>,
    /// What it cost.
    pub statistics: Statistics,
}

/// A solve that stopped before its end: why, and what it has.
#[derive(Debug, Clone)]
pub struct Stopped<B: Backend, const D: usize> {
    /// Why.
    pub reason: SolveError,
    /// The solution up to there.
    pub partial: Box<Solution<B, D>>,
}

impl<B: Backend, const D: usize> fmt::Display for Stopped<B, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason.fmt(f)
    }
}

impl<B: Backend, const D: usize> std::error::Error for Stopped<B, D> {}

impl<B: Backend, const D: usize> From<Stopped<B, D>> for SolveError {
    fn from(stopped: Stopped<B, D>) -> Self {
        stopped.reason
    }
}
