//! Time grids: where a fixed-grid solve puts its steps.
//!
//! `t_0, t_1, …, t_n`, strictly monotone, forward or backward

use std::fmt;

/// The times of a fixed-grid solve, first and last included.
#[derive(Debug, Clone, PartialEq)]
pub struct TimeGrid(Vec<f64>);

/// Why a list of times is not a grid.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum GridError {
    /// Fewer than two times.
    #[error("a time grid of {0} times has no step; give at least 2 times (1 step)")]
    Empty(usize),
    /// Two neighbours are equal, or the direction changes, or a time is not a number.
    #[error(
        "times {0} and {1} break the direction of the grid; give strictly increasing or decreasing times"
    )]
    NotMonotone(f64, f64),
}

impl TimeGrid {
    /// `n` equal steps from `start` to `end`: `t_i = start + i·(end − start)/n`.
    ///
    /// # Panics
    /// If `n` is 0, or `start` and `end` are equal or not finite.
    pub fn uniform(start: f64, end: f64, n: usize) -> Self {
        assert!(n > 0, "a grid has at least one step");
        assert!(
            start != end && (end - start).is_finite(),
            "no step leads from {start} to {end}"
        );
        let at = |i: usize| start + (end - start) * (i as f64 / n as f64);
        let mut times: Vec<f64> = (0..n).map(at).collect();
        times.push(end);
        Self(times)
    }

    /// Karras' grid on a clock where the noise level is `σ_max·(1 − t)`, ending at no noise: n steps, the last one to σ = 0.
    ///
    /// `σ_i = (σ_max^{1/ρ} + i/(n − 1)·(σ_min^{1/ρ} − σ_max^{1/ρ}))^ρ, i < n, σ_n = 0, t = 1 − σ/σ_max`
    ///
    /// Source: Karras et al. 2022, eq. 5; theirs are ρ = 7, σ_min = 0.002, σ_max = 80.
    ///
    /// # Panics
    /// If `n` is 0 or not 0 < σ_min < σ_max.
    pub fn karras(sigma_min: f64, sigma_max: f64, rho: f64, n: usize) -> Self {
        assert!(n > 0, "a grid has at least one step");
        assert!(
            0.0 < sigma_min && sigma_min < sigma_max,
            "noise levels are 0 < σ_min < σ_max"
        );
        let (low, high) = (sigma_min.powf(1.0 / rho), sigma_max.powf(1.0 / rho));
        let last = (n - 1).max(1) as f64;
        let mut times: Vec<f64> = (0..n)
            .map(|i| 1.0 - (high + i as f64 / last * (low - high)).powf(rho) / sigma_max)
            .collect();
        times[0] = 0.0;
        times.push(1.0);
        Self(times)
    }

    /// A grid of the user's own.
    ///
    /// # Errors
    /// If there are fewer than two times, or they are not strictly monotone.
    pub fn new(times: Vec<f64>) -> Result<Self, GridError> {
        let [first, second, ..] = times[..] else {
            return Err(GridError::Empty(times.len()));
        };
        let forward = second > first;
        match times
            .windows(2)
            .find(|w| !(w[1] != w[0] && (w[1] > w[0]) == forward && (w[1] - w[0]).is_finite()))
        {
            Some(w) => Err(GridError::NotMonotone(w[0], w[1])),
            None => Ok(Self(times)),
        }
    }

    /// The times.
    pub fn times(&self) -> &[f64] {
        &self.0
    }

    /// The number of steps, at least 1.
    pub fn steps(&self) -> usize {
        self.0.len() - 1
    }

    /// The steps, as (from, to).
    pub fn intervals(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        self.0.windows(2).map(|w| (w[0], w[1]))
    }

    /// The same times in the other direction.
    pub fn reversed(mut self) -> Self {
        self.0.reverse();
        self
    }
}

impl fmt::Display for TimeGrid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} steps from {} to {}",
            self.steps(),
            self.0[0],
            self.0[self.steps()]
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uniform_grid_ends_exactly() {
        for n in [1, 3, 7, 49, 1000] {
            let grid = TimeGrid::uniform(0.1, 0.7, n);
            assert_eq!(grid.steps(), n);
            assert_eq!(grid.times()[n], 0.7);
        }
    }

    #[test]
    fn karras_grid_has_the_published_levels() {
        // Karras et al. 2022: σ_0 = 80, σ_{n−1} = 0.002, σ_n = 0, and no level twice.
        let grid = TimeGrid::karras(0.002, 80.0, 7.0, 18);
        let sigma: Vec<f64> = grid.times().iter().map(|t| 80.0 * (1.0 - t)).collect();
        assert_eq!(sigma[0], 80.0);
        assert!((sigma[17] - 0.002).abs() < 1e-10);
        assert_eq!(sigma[18], 0.0);
        assert!(sigma.windows(2).all(|w| w[1] < w[0]));
        let second =
            (80_f64.powf(1.0 / 7.0) * 16.0 / 17.0 + 0.002_f64.powf(1.0 / 7.0) / 17.0).powi(7);
        assert!((sigma[1] - second).abs() < 1e-9);
    }

    #[test]
    fn times_that_turn_back_are_no_grid() {
        assert_eq!(TimeGrid::new(vec![]), Err(GridError::Empty(0)));
        assert_eq!(
            TimeGrid::new(vec![0.0, 0.5, 0.5]),
            Err(GridError::NotMonotone(0.5, 0.5))
        );
        assert_eq!(
            TimeGrid::new(vec![1.0, 0.5, 0.7]),
            Err(GridError::NotMonotone(0.5, 0.7))
        );
        assert!(TimeGrid::new(vec![0.0, f64::NAN]).is_err());
        assert!(TimeGrid::new(vec![1.0, 0.5, 0.0]).is_ok());
    }
}
