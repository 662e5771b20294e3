//! The solution within one step of every clock.
//!
//! `x_k(t_k + θ_k·h_k)`

use super::clocking::Clocking;
use crate::dense::{DenseStep, Polynomial};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// The solution within one step of every active clock.
#[derive(Debug, Clone)]
pub(super) enum Segment<B: Backend, const D: usize> {
    /// One step of the whole batch.
    Shared(DenseStep<B, D>),
    /// A step of each row, from its t to its s.
    PerRow {
        polynomial: Polynomial<B, D>,
        t: Vec<f64>,
        s: Vec<f64>,
    },
}

impl<B: Backend, const D: usize> Segment<B, D> {
    /// The states of clocks at times of their steps, one after another in as few tensors as
    /// possible.
    pub(super) fn at(&self, asked: &[(usize, f64)]) -> Vec<Tensor<B, D>> {
        match self {
            _ if asked.is_empty() => Vec::new(),
            Self::Shared(step) => asked.iter().map(|&(_, time)| step.at(time)).collect(),
            Self::PerRow { polynomial, t, s } => {
                let rows: Vec<usize> = asked.iter().map(|&(row, _)| row).collect();
                let theta = |&(row, time): &(usize, f64)| {
                    if time == s[row] {
                        1.0
                    } else {
                        (time - t[row]) / (s[row] - t[row])
                    }
                };
                vec![polynomial.at(&rows, &asked.iter().map(theta).collect::<Vec<_>>())]
            }
        }
    }

    /// The same with one tensor per clock and time.
    pub(super) fn each(&self, asked: &[(usize, f64)]) -> Vec<Tensor<B, D>> {
        let clocking = match self {
            Self::Shared(_) => Clocking::Shared,
            Self::PerRow { .. } => Clocking::PerRow,
        };
        clocking.split(self.at(asked))
    }
}
