//! Pairs of noise and data that are given, in place of those that a path draws.

use pyroclast_core::condition::Given;

/// One pair of this many is held out.
const HELD_OUT: usize = 20;

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

    /// Those to train on, and every twentieth, to validate on: pairs may be in the order of their
    /// classes.
    pub(super) fn divided(&self) -> [Self; 2] {
        let is_held_out = |row: &usize| row % HELD_OUT == HELD_OUT - 1;
        let (held_out, training): (Vec<usize>, Vec<usize>) = (0..self.len()).partition(is_held_out);
        [self.select(&training), self.select(&held_out)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_is_trained_on_and_held_out() {
        let labels: Vec<u32> = (0..400).map(|i| i / 100).collect();
        let x: Vec<f32> = (0..400).map(|i| i as f32).collect();
        let pairs = Pairs {
            x0: x.clone(),
            x1: x.iter().map(|x| -x).collect(),
            given: Given::labels(&labels, 4),
            dim: 1,
        };
        let [training, held_out] = pairs.divided();
        assert_eq!((training.len(), held_out.len()), (380, 20));
        for part in [training, held_out] {
            let labels = part.given.labels.expect("labels").labels;
            let of_class = |class| labels.iter().filter(|&&label| label == class).count();
            assert!((0..4).all(|class| of_class(class) == part.x0.len() / 4));
            assert!(part.x0.iter().zip(&part.x1).all(|(a, b)| *a == -b));
        }
    }
}
