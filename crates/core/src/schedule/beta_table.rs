//! `β_0 … β_{T−1}`, `ᾱ_k = ∏_{i≤k}(1 − β_i)`, `t = 1 − (k + 1)/T`

mod families;
mod interpolation;

pub use families::{Betas, Chain, ChainError};

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// The noise that each step of a discrete diffusion adds, and the signal that is left after it.
///
/// `ᾱ_k = ∏_{i≤k}(1 − β_i)`, so that `α = √ᾱ_k` and `σ = √(1 − ᾱ_k)`
///
/// Source: Ho et al. 2020, eq. 2 and 4, where k counts from 1; here from 0, the least noise, to T −
/// 1.
///
/// As a [`Schedule`](crate::schedule::Schedule) α is linear in t between the table's times, and 1
/// at t = 1.
///
/// ```
/// use pyroclast_core::schedule::{BetaTable, Schedule};
///
/// let table = BetaTable::default(); // Ho et al. 2020
/// let t = table.time(499);
/// assert_eq!(t, 0.5);
/// assert_eq!(table.index(t), Some(499));
/// assert_eq!(table.at(t).alpha, table.alpha_bar(499).sqrt());
/// ```
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Chain", into = "Chain")]
pub struct BetaTable {
    chain: Chain,
    betas: Arc<[f64]>,
    alpha_bars: Arc<[f64]>,
    sigma_squares: Arc<[f64]>,
}

/// Why numbers are no table.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// There are no steps.
    #[error("a table of 0 steps adds no noise; give at least one beta")]
    Empty,
    /// A β is not the variance of a step.
    #[error("beta = {beta} at step {index} is outside of (0, 1]; give each step a share of noise")]
    Range {
        /// The step.
        index: usize,
        /// Its β.
        beta: f64,
    },
    /// ᾱ is 0 before the last step, so that the steps after it have no posterior.
    #[error(
        "no signal is left after step {index} of {steps}; end the table there or give smaller betas"
    )]
    NoSignal {
        /// The step.
        index: usize,
        /// How many there are.
        steps: usize,
    },
}

impl fmt::Debug for BetaTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, last) = (self.betas[0], self.betas[self.steps() - 1]);
        write!(f, "BetaTable({} steps, {first}…{last})", self.steps())
    }
}

impl BetaTable {
    /// The table of given β, from the least noise to the most.
    ///
    /// # Errors
    /// If there is none, one is not in (0, 1], or no signal is left before the last step. A last β
    /// of 1 is zero terminal SNR.
    pub fn new(betas: Vec<f64>) -> Result<Self, TableError> {
        let chain = Chain {
            timesteps: betas.len(),
            betas: Betas::Given(betas.clone()),
            zero_terminal_snr: false,
        };
        Self::of_chain(chain, betas)
    }

    /// The table of a chain with these β.
    fn of_chain(chain: Chain, betas: Vec<f64>) -> Result<Self, TableError> {
        let steps = betas.len();
        if steps == 0 {
            return Err(TableError::Empty);
        }
        let (mut alpha_bars, mut sigma_squares) = (vec![], vec![]);
        let (mut alpha_bar, mut sigma_square) = (1.0_f64, 0.0_f64);
        for (index, &beta) in betas.iter().enumerate() {
            if !(beta > 0.0 && beta <= 1.0) {
                return Err(TableError::Range { index, beta });
            }
            // 1 − ᾱ_k = (1 − ᾱ_{k−1}) + β_k·ᾱ_{k−1}: a sum keeps the digits that the difference
            // loses where ᾱ is near 1.
            sigma_square = (sigma_square + beta * alpha_bar).min(1.0);
            alpha_bar *= 1.0 - beta;
            if alpha_bar == 0.0 {
                if index + 1 < steps {
                    return Err(TableError::NoSignal { index, steps });
                }
                sigma_square = 1.0;
            }
            alpha_bars.push(alpha_bar);
            sigma_squares.push(sigma_square);
        }
        Ok(Self {
            chain,
            betas: betas.into(),
            alpha_bars: alpha_bars.into(),
            sigma_squares: sigma_squares.into(),
        })
    }

    /// T.
    pub fn steps(&self) -> usize {
        self.betas.len()
    }

    /// `β_k`.
    ///
    /// # Panics
    /// If there is no step k.
    pub fn beta(&self, k: usize) -> f64 {
        self.betas[k]
    }

    /// `ᾱ_k`.
    ///
    /// # Panics
    /// If there is no step k.
    pub fn alpha_bar(&self, k: usize) -> f64 {
        self.alpha_bars[k]
    }

    /// `1 − ᾱ_k`, to full relative precision where ᾱ is near 1.
    ///
    /// # Panics
    /// If there is no step k.
    pub fn sigma_square(&self, k: usize) -> f64 {
        self.sigma_squares[k]
    }

    /// All β, from the least noise to the most.
    pub fn betas(&self) -> &[f64] {
        &self.betas
    }

    /// All ᾱ, falling.
    pub fn alpha_bars(&self) -> &[f64] {
        &self.alpha_bars
    }

    /// All 1 − ᾱ, rising.
    pub(super) fn sigma_squares(&self) -> &[f64] {
        &self.sigma_squares
    }

    /// The time of step k.
    ///
    /// `t = 1 − (k + 1)/T`
    pub fn time(&self, k: usize) -> f64 {
        1.0 - (k + 1) as f64 / self.steps() as f64
    }

    /// The step whose time is nearest to t; none at t = 1, which is clean data.
    ///
    /// `k = (1 − t)·T − 1`, rounded
    pub fn index(&self, t: f64) -> Option<usize> {
        let position = self.position(t);
        (position > 0.0).then(|| position.round().max(1.0) as usize - 1)
    }

    /// The step whose time is t, up to the rounding of t; none between the table's times, nor at t
    /// = 1.
    ///
    /// `(1 − t)·T = k + 1`
    pub fn exact_index(&self, t: f64) -> Option<usize> {
        let position = self.position(t);
        // The position is clamped to the table, so a time beyond it is compared with the time of
        // its step.
        let k = (position >= 1.0 && position.fract() == 0.0).then(|| position as usize - 1)?;
        ((self.time(k) - t).abs() <= 8.0 * f64::EPSILON).then_some(k)
    }

    /// `(1 − t)·T = k + 1` in [0, T]. What is off a whole number by no more than the rounding of t
    /// is that number.
    pub(super) fn position(&self, t: f64) -> f64 {
        let steps = self.steps() as f64;
        let position = ((1.0 - t) * steps).clamp(0.0, steps);
        let whole = position.round();
        if (position - whole).abs() <= 4.0 * f64::EPSILON * steps {
            whole
        } else {
            position
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_table_is_named() {
        let error = |betas: &[f64]| {
            BetaTable::new(betas.to_vec())
                .expect_err("not a table")
                .to_string()
        };
        assert_eq!(
            error(&[]),
            "a table of 0 steps adds no noise; give at least one beta"
        );
        for beta in [0.0, -0.1, 1.1, f64::NAN] {
            let expected = format!(
                "beta = {beta} at step 1 is outside of (0, 1]; give each step a share of noise"
            );
            assert_eq!(error(&[0.1, beta]), expected);
        }
        let no_signal = |index, steps| {
            format!(
                "no signal is left after step {index} of {steps}; end the table there or give smaller betas"
            )
        };
        assert_eq!(error(&[0.1, 1.0, 0.5]), no_signal(1, 3));
        // 10⁻¹⁶ per step: f64 ends near 10⁻³²³.
        assert_eq!(error(&[1.0 - 1e-16; 30]), no_signal(20, 30));
    }

    #[test]
    fn the_last_beta_may_be_one() {
        let table = BetaTable::new(vec![0.1, 1.0]).expect("a table");
        assert_eq!(table.alpha_bars(), [0.9, 0.0]);
        assert_eq!(table.sigma_square(1), 1.0);
    }

    #[test]
    fn times_and_indices_are_inverse_for_every_step_of_any_table() {
        for steps in [1, 3, 7, 49, 1000, 4096, 10_007] {
            let table = BetaTable::new(vec![1e-3; steps]).expect("a table");
            for k in 0..steps {
                assert_eq!(table.index(table.time(k)), Some(k), "{steps}");
                // Another route to the same time, off by its own rounding.
                let other = (steps - k - 1) as f64 / steps as f64;
                assert_eq!(table.index(other), Some(k), "{steps}");
                assert_eq!(table.position(other), (k + 1) as f64, "{steps}");
                assert_eq!(table.exact_index(other), Some(k), "{steps}");
                let beside = table.time(k) + 0.01 / steps as f64;
                assert_eq!(table.exact_index(beside), None, "{steps}");
            }
            for beyond in [-0.1, 1.0, 1.1, f64::NAN] {
                assert_eq!(table.exact_index(beyond), None, "{steps}");
            }
            assert_eq!(table.time(steps - 1), 0.0);
            assert_eq!(table.index(1.0), None);
        }
    }

    #[test]
    fn times_between_steps_have_the_nearest_index() {
        let table = BetaTable::new(vec![0.1; 10]).expect("a table");
        assert_eq!(table.index(0.74), Some(2));
        assert_eq!(table.index(0.76), Some(1));
        assert_eq!(table.index(0.9999), Some(0), "noisy, if by little");
        assert_eq!(table.index(-0.5), Some(9));
        assert_eq!(table.index(1.5), None);
    }
}
