//! Which steps of a table a sampler of fewer steps visits.
//!
//! leading `i·⌊T/n⌋ + offset` · linspace `round(i·(T − 1)/(n − 1))` · trailing
//! `round(T − i·T/n) − 1`

use super::BetaTable;

/// The rule by which n of T steps are picked. Halves are rounded to even, as the field's code does.
///
/// Source: Lin et al. 2024, table 2. Only trailing starts at the last step for every n, as zero
/// terminal SNR needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spacing {
    /// `i·⌊T/n⌋ + offset` for i < n: keeps the least noise, and stops short of the most.
    Leading {
        /// Added to every index; 1 in latent diffusion.
        offset: usize,
    },
    /// `round(i·(T − 1)/(n − 1))` for i < n: both ends. A single one is step 0, the least noise.
    Linspace,
    /// `round(T − i·T/n) − 1` for i < n: keeps the most noise.
    Trailing,
}

/// Where a sampler that runs through a table ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// At t = 1: the last step goes to clean data.
    Data,
    /// At the last step's own noise level.
    Last,
}

impl Spacing {
    /// The n steps of a table of `table_steps`, from noisy to clean.
    ///
    /// # Panics
    /// If n is 0 or larger than the table, or the offset leads out of it.
    pub fn indices(self, table_steps: usize, n: usize) -> Vec<usize> {
        assert!(
            (1..=table_steps).contains(&n),
            "{n} steps are not within a table of {table_steps}; pick 1 to {table_steps}"
        );
        let total = table_steps as f64;
        match self {
            Self::Leading { offset } => {
                let stride = table_steps / n;
                let noisiest = (n - 1) * stride + offset;
                assert!(
                    noisiest < table_steps,
                    "offset {offset} leads to step {noisiest} of a table of {table_steps}; lower it or pick fewer steps"
                );
                (0..n).rev().map(|i| i * stride + offset).collect()
            }
            Self::Linspace => {
                // One point alone has no stride.
                let stride = (total - 1.0) / (n.max(2) - 1) as f64;
                let index = |i: usize| (i as f64 * stride).round_ties_even() as usize;
                (0..n).rev().map(index).collect()
            }
            Self::Trailing => {
                let stride = total / n as f64;
                let index = |i: usize| (total - i as f64 * stride).round_ties_even() as usize - 1;
                (0..n).map(index).collect()
            }
        }
    }
}

impl BetaTable {
    /// The times of a sampler that visits these steps, ascending.
    ///
    /// # Panics
    /// If an index is not in the table.
    pub fn times(&self, indices: &[usize], end: End) -> Vec<f64> {
        let inside = |&k: &usize| {
            assert!(k < self.steps(), "step {k} is not in {self:?}");
            self.time(k)
        };
        let last = match end {
            End::Data => Some(1.0),
            End::Last => None,
        };
        indices.iter().map(inside).chain(last).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Spacing; 3] = [
        Spacing::Leading { offset: 0 },
        Spacing::Linspace,
        Spacing::Trailing,
    ];

    #[test]
    fn ten_of_a_thousand_are_those_of_the_paper() {
        // Lin et al. 2024, table 2, which counts from 1.
        let cases: [(Spacing, [usize; 10]); 3] = [
            (
                Spacing::Leading { offset: 0 },
                [901, 801, 701, 601, 501, 401, 301, 201, 101, 1],
            ),
            (
                Spacing::Linspace,
                [1000, 889, 778, 667, 556, 445, 334, 223, 112, 1],
            ),
            (
                Spacing::Trailing,
                [1000, 900, 800, 700, 600, 500, 400, 300, 200, 100],
            ),
        ];
        for (spacing, expected) in cases {
            let counted: Vec<usize> = spacing.indices(1000, 10).iter().map(|k| k + 1).collect();
            assert_eq!(counted, expected, "{spacing:?}");
        }
    }

    #[test]
    fn halves_are_rounded_to_even() {
        // 10 − 2.5·i is 10, 7.5, 5, 2.5.
        assert_eq!(Spacing::Trailing.indices(10, 4), [9, 7, 4, 1]);
        // 1.5·i is 0, 1.5, 3, 4.5, 6.
        assert_eq!(Spacing::Linspace.indices(7, 5), [6, 4, 3, 2, 0]);
    }

    #[test]
    fn an_offset_moves_every_step() {
        let moved = Spacing::Leading { offset: 1 }.indices(1000, 30);
        assert_eq!((moved[0], moved[29]), (29 * 33 + 1, 1));
    }

    #[test]
    fn steps_are_distinct_and_as_many_as_asked_for() {
        for spacing in ALL {
            for total in [1, 2, 7, 50, 199] {
                for n in 1..=total {
                    let indices = spacing.indices(total, n);
                    assert_eq!(indices.len(), n);
                    assert!(indices.is_sorted_by(|a, b| a > b), "{spacing:?} {n}");
                    assert!(indices[0] < total);
                }
                let whole: Vec<usize> = (0..total).rev().collect();
                assert_eq!(spacing.indices(total, total), whole);
            }
        }
    }

    #[test]
    fn one_step_is_the_end_that_a_rule_keeps() {
        assert_eq!(ALL.map(|s| s.indices(1000, 1)[0]), [0, 0, 999]);
    }

    #[test]
    fn times_ascend_and_end_where_they_are_told_to() {
        let table = BetaTable::default();
        let indices = Spacing::Trailing.indices(1000, 4);
        assert_eq!(
            table.times(&indices, End::Data),
            [0.0, 0.25, 0.5, 0.75, 1.0]
        );
        assert_eq!(table.times(&indices, End::Last), [0.0, 0.25, 0.5, 0.75]);
    }

    #[test]
    #[should_panic(expected = "11 steps are not within a table of 10; pick 1 to 10")]
    fn more_steps_than_the_table_has_are_refused() {
        Spacing::Trailing.indices(10, 11);
    }

    #[test]
    #[should_panic(expected = "offset 1 leads to step 10 of a table of 10")]
    fn an_offset_out_of_the_table_is_refused() {
        Spacing::Leading { offset: 1 }.indices(10, 10);
    }
}
