//! The result of entropic transport: a joint distribution on the pairs, `Σⱼ π_ij = Σᵢ π_ij = 1/n`
//! or, where the marginals are relaxed, near it; and draws from it.

use crate::noise::Draws;

/// A joint distribution of the rows of x0 and of x1: `π_ij = exp((fᵢ + gⱼ − c_ij)/ε)`,
/// `Σⱼ π_ij = Σᵢ π_ij = 1/n`, or near it where the marginals are relaxed.
///
/// Made by [`Sinkhorn`](super::Sinkhorn).
#[derive(Debug, Clone, PartialEq)]
pub struct EntropicCoupling {
    mass: Vec<f64>,
    n: usize,
    /// Steps that it took, sweeps over both marginals or Newton's, at all ε together.
    pub iterations: usize,
    /// `Σᵢ |Σⱼ π_ij − 1/n| + Σⱼ |Σᵢ π_ij − 1/n|`: the error of the marginals, of a mass of 1; for
    /// relaxed ones, by how much they are missed.
    pub marginal_error: f64,
}

impl EntropicCoupling {
    pub(super) fn new(mass: Vec<f64>, n: usize, iterations: usize) -> Self {
        let share = 1.0 / n as f64;
        let mut columns = vec![0.0; n];
        let mut marginal_error = 0.0;
        for row in mass.chunks_exact(n.max(1)) {
            marginal_error += (row.iter().sum::<f64>() - share).abs();
            for (sum, mass) in columns.iter_mut().zip(row) {
                *sum += mass;
            }
        }
        marginal_error += columns.iter().map(|sum| (sum - share).abs()).sum::<f64>();
        Self {
            mass,
            n,
            iterations,
            marginal_error,
        }
    }

    /// The number of points on either side.
    pub fn len(&self) -> usize {
        self.n
    }

    /// Whether there are no points.
    pub fn is_empty(&self) -> bool {
        self.n == 0
    }

    /// The whole mass `Σ π_ij`: 1, or less where the marginals are relaxed.
    pub fn total(&self) -> f64 {
        self.mass.iter().sum()
    }

    /// The masses `π_i·` of the pairs of a row of x0, which sum to 1/n unless the marginals are
    /// relaxed.
    ///
    /// # Panics
    /// If there is no row `i`.
    pub fn row(&self, i: usize) -> &[f64] {
        assert!(i < self.n, "no row {i} of {}", self.n);
        &self.mass[i * self.n..(i + 1) * self.n]
    }

    /// `n` pairs of a row of x0 and a row of x1, in proportion to their masses. One draw per pair.
    ///
    /// Draw k falls in the k-th of n equal parts of the mass, counted row by row. So a row of x0
    /// comes up once where all rows have the same mass, and else as often as its share says, give or
    /// take one. A row of x1 can come up several times, or not at all.
    ///
    /// # Panics
    /// If there are points, but none of them has a mass above 0.
    pub fn pairs(&self, draws: &mut Draws) -> Vec<(usize, usize)> {
        let uniforms = draws.uniforms(self.n);
        let rows = self.mass.chunks_exact(self.n.max(1));
        let sums: Vec<f64> = rows.map(|row| row.iter().sum()).collect();
        let part = sums.iter().sum::<f64>() / self.n as f64;
        let last = sums.iter().rposition(|sum| *sum > 0.0);
        let (mut row, mut passed) = (0, 0.0);
        let pair = |(k, u): (usize, f64)| {
            let mass = (k as f64 + u) * part;
            while row < last.expect("a plan has mass") && mass >= passed + sums[row] {
                passed += sums[row];
                row += 1;
            }
            (row, quantile(self.row(row), mass - passed))
        };
        uniforms.into_iter().enumerate().map(pair).collect()
    }
}

/// The first index at which the running sum of the masses exceeds this.
fn quantile(row: &[f64], mut left: f64) -> usize {
    let mut last = 0;
    for (j, &mass) in row.iter().enumerate() {
        if mass > 0.0 {
            if left < mass {
                return j;
            }
            left -= mass;
            last = j;
        }
    }
    // Rounding can leave a sliver beyond the last mass.
    last
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::{Noise, Stream};

    #[test]
    fn pairs_are_drawn_in_proportion_to_their_mass() {
        let law = [
            [0.10, 0.05, 0.05, 0.05],
            [0.00, 0.15, 0.10, 0.00],
            [0.05, 0.05, 0.05, 0.10],
            [0.10, 0.00, 0.05, 0.10],
        ];
        let coupling = EntropicCoupling::new(law.concat(), 4, 0);
        assert!(coupling.marginal_error < 1e-15);
        let n = 40_000;
        let mut counts = [[0_u32; 4]; 4];
        for step in 0..n {
            let mut draws = Noise::new(1).draws(Stream::Coupling, step);
            for (row, (i, j)) in coupling.pairs(&mut draws).into_iter().enumerate() {
                assert_eq!(i, row);
                counts[i][j] += 1;
            }
        }
        for (counts, row) in counts.iter().zip(law) {
            for (&count, mass) in counts.iter().zip(row) {
                let p = 4.0 * mass;
                let bound = 5.0 * (p * (1.0 - p) / n as f64).sqrt();
                let frequency = f64::from(count) / n as f64;
                assert!((frequency - p).abs() <= bound, "{frequency} against {p}");
            }
        }
    }

    #[test]
    fn what_has_no_mass_is_never_drawn() {
        let last = 1.0 - f64::EPSILON;
        for (row, u, expected) in [
            ([0.0, 0.5, 0.0], 1e-300, 1),
            ([0.0, 0.5, 0.0], last, 1),
            ([0.1, 0.0, 0.3], 0.24, 0),
            ([0.1, 0.0, 0.3], 0.26, 2),
            ([0.3, 0.1, 0.0], last, 1),
        ] {
            let mass = u * row.iter().sum::<f64>();
            assert_eq!(quantile(&row, mass), expected, "{row:?} at {u}");
        }
    }

    #[test]
    fn rows_of_unequal_mass_come_up_as_often_as_their_share_says() {
        let law = [[0.0, 0.0, 0.0], [0.30, 0.02, 0.10], [0.08, 0.10, 0.0]];
        let coupling = EntropicCoupling::new(law.concat(), 3, 0);
        assert!((coupling.total() - 0.6).abs() < 1e-15);
        let (steps, n) = (40_000, 3.0);
        let mut counts = [[0_u32; 3]; 3];
        for step in 0..steps {
            let mut draws = Noise::new(3).draws(Stream::Coupling, step);
            let mut of_row = [0; 3];
            for (i, j) in coupling.pairs(&mut draws) {
                counts[i][j] += 1;
                of_row[i] += 1;
            }
            // Shares of 2.1 and 0.9 of three draws.
            assert!(of_row[0] == 0 && (1..=3).contains(&of_row[1]));
        }
        for (counts, row) in counts.iter().zip(law) {
            for (&count, mass) in counts.iter().zip(row) {
                // A count of three draws, each at most once: its variance is at most n·p.
                let p = n * mass / 0.6;
                let bound = 5.0 * (n * p / f64::from(steps as u32)).sqrt();
                let frequency = f64::from(count) / f64::from(steps as u32);
                assert!((frequency - p).abs() <= bound, "{frequency} against {p}");
                assert!(mass > 0.0 || count == 0);
            }
        }
    }
}
