//! Pairs of noise and data that are given, in place of those that a path draws.

use pyroclast_core::condition::Given;

/// Noise and the samples that belong to it, such as those that a teacher carries it to.
///
/// # Shapes
/// - x0, x1: `[n, dim]`, row-major, on the model's scale; given: n conditions, or nothing
#[derive(Debug, Clone, PartialEq)]
pub struct Pairs {
    /// Source points.
    pub x0: Vec<f32>,
    /// The data of each.
    pub x1: Vec<f32>,
    /// The conditions of the data.
    pub given: Given,
    /// The numbers of a sample.
    pub dim: usize,
}

impl Pairs {
    /// The number of pairs.
    pub fn len(&self) -> usize {
        self.x1.len() / self.dim
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.x1.is_empty()
    }

    /// Some of the pairs.
    pub(super) fn select(&self, rows: &[usize]) -> Self {
        let gather = |of: &[f32]| {
            let row = |&row: &usize| &of[row * self.dim..(row + 1) * self.dim];
            rows.iter().flat_map(row).copied().collect()
        };
        Self {
            x0: gather(&self.x0),
            x1: gather(&self.x1),
            given: self.given.select(rows),
            dim: self.dim,
        }
    }

    /// The first pairs, to train on, and the last twentieth, to validate on.
    #[must_use]
    pub fn divided(&self) -> [Self; 2] {
        let held_out = self.len() / 20;
        let rows: Vec<usize> = (0..self.len()).collect();
        let (training, validation) = rows.split_at(self.len() - held_out);
        [self.select(training), self.select(validation)]
    }
}
