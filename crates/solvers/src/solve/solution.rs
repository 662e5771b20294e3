//! The result of an adaptive solve, complete or up to where it stopped.
//!
//! `x(t)` at the end, at the saved times, and in between

use super::dense_output::DenseOutput;
use crate::error::SolveError;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use std::fmt;

/// The cost of a solve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statistics {
    /// Steps that were kept.
    pub steps: usize,
    /// Steps that were tried and rejected.
    pub rejections: usize,
    /// Evaluations of the field (NFE in the literature).
    pub evaluations: usize,
}

impl std::ops::AddAssign for Statistics {
    fn add_assign(&mut self, other: Self) {
        self.steps += other.steps;
        self.rejections += other.rejections;
        self.evaluations += other.evaluations;
    }
}

/// The result for one sample that was solved with steps of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The time it reached.
    pub t: f64,
    /// Which event ended it; `None` if it reached the end or failed.
    pub event: Option<usize>,
    /// Why it did not reach the end; `None` if it did, or if an event ended it.
    pub failure: Option<SolveError>,
    /// Its own cost.
    pub statistics: Statistics,
}

/// The result of an adaptive solve.
#[derive(Debug, Clone)]
pub struct Solution<B: Backend, const D: usize> {
    /// The time that was reached: the end of the span, the time of the event, or where the solve
    /// stopped. Where samples have steps of their own, the time that all of them have reached.
    pub t: f64,
    /// The state there; where samples have steps of their own, the last state of each.
    pub x: Tensor<B, D>,
    /// The states at the times that were asked for, with their times, in the order of asking. A
    /// shared solve omits the times that it did not reach. Where samples have steps of their own,
    /// the rows of those that did not reach a time are NaN.
    pub saved: Vec<(f64, Tensor<B, D>)>,
    /// Which event ended the solve; `None` if it reached the end. Where samples have steps of their
    /// own, look in `samples`.
    pub event: Option<usize>,
    /// The cost. Where samples have steps of their own, the sum over samples: an evaluation is one
    /// of one row.
    pub statistics: Statistics,
    /// The result for each sample, where they have steps of their own; otherwise empty.
    pub samples: Vec<Outcome>,
    pub(super) dense: Option<DenseOutput<B, D>>,
}

impl<B: Backend, const D: usize> Solution<B, D> {
    /// A solve that has not begun.
    pub(super) fn unsolved(t: f64, x: Tensor<B, D>) -> Self {
        Self {
            t,
            x,
            saved: Vec::new(),
            event: None,
            statistics: Statistics::default(),
            samples: Vec::new(),
            dense: None,
        }
    }

    /// The state at any time that was reached, if [`Save::dense`](crate::Save::dense) was set.
    ///
    /// `None` outside what was solved. Where samples have steps of their own, the rows of those
    /// that did not reach the time are NaN.
    pub fn at(&self, time: f64) -> Option<Tensor<B, D>> {
        self.dense.as_ref()?.at(time)
    }

    /// The steps that carried a sample, as (from, to), if [`Save::dense`](crate::Save::dense) was
    /// set; otherwise empty. All samples of a shared solve have the same steps.
    ///
    /// # Panics
    /// If samples have steps of their own and there is no such sample.
    pub fn steps(&self, sample: usize) -> Vec<(f64, f64)> {
        let dense = self.dense.as_ref();
        dense.map_or_else(Vec::new, |dense| dense.steps(sample))
    }

    /// How many samples with steps of their own failed.
    pub fn failures(&self) -> usize {
        self.samples.iter().filter(|s| s.failure.is_some()).count()
    }
}

/// A solve that stopped before its end: the reason, and the solution up to there.
#[derive(Debug, Clone)]
pub struct Stopped<B: Backend, const D: usize> {
    /// The reason.
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
