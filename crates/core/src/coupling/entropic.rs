//! The result of entropic transport: a joint distribution on the pairs, `Σⱼ π_ij = Σᵢ π_ij = 1/n`,
//! and draws from it.

use crate::noise::Draws;

/// A joint distribution of the rows of x0 and of x1: `π_ij = exp((fᵢ + gⱼ − c_ij)/ε)`,
/// `Σⱼ π_ij = Σᵢ π_ij = 1/n`.
///
/// Made by [`Sinkhorn`](super::Sinkhorn).
#[derive(Debug, Clone, PartialEq)]
pub struct EntropicCoupling {
    mass: Vec<f64>,
    n: usize,
    /// Sweeps over both marginals that it took.
    pub iterations: usize,
    /// `Σᵢ |Σⱼ π_ij − 1/n| + Σⱼ |Σᵢ π_ij − 1/n|`: the error of the marginals, of a mass of 1.
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

    /// The masses `π_i·` of the pairs of a row of x0, which sum to 1/n.
    ///
    /// # Panics
    /// If there is no row `i`.
    pub fn row(&self, i: usize) -> &[f64] {
        assert!(i < self.n, "no row {i} of {}", self.n);
        &self.mass[i * self.n..(i + 1) * self.n]
    }

    /// For each row of x0 a row of x1, drawn independently: `π(i) ~ n·π_i·`. One draw per row.
    ///
    /// A row of x1 can come up for several rows of x0, or for none: its count has mean 1, and is 1
    /// for certain only where π is a permutation.
    pub fn pairs(&self, draws: &mut Draws) -> Vec<usize> {
        let uniforms = draws.uniforms(self.n);
        let rows = self.mass.chunks_exact(self.n.max(1)).zip(uniforms);
        rows.map(|(row, u)| quantile(row, u)).collect()
    }
}

/// The first index at which the running sum of the masses exceeds the share `u` of them all.
fn quantile(row: &[f64], u: f64) -> usize {
    let mut left = u * row.iter().sum::<f64>();
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
            for (i, j) in coupling.pairs(&mut draws).into_iter().enumerate() {
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
            assert_eq!(quantile(&row, u), expected, "{row:?} at {u}");
        }
    }
}
