//! How much noise a reverse step adds: `β̃ ≤ Σ ≤ β'`

use super::{BetaTable, Transition};
use crate::named;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

named! {
    /// The variance of a reverse step, fixed.
    ///
    /// Source: Ho et al. 2020, §3.2. The exact one lies between the two; they meet as the steps
    /// become small.
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub enum Variance as "variance" {
        /// `β̃`, exact for data that are one point. 0 for the step to clean data.
        "small" => Small,
        /// `β'`, exact for data distributed as N(0, I).
        "large" => Large,
    }
}

impl Variance {
    /// The variance of a step.
    pub fn at(self, transition: &Transition) -> f64 {
        match self {
            Self::Small => transition.small,
            Self::Large => transition.variance,
        }
    }
}

impl BetaTable {
    /// A substitute for the β̃ of the step to clean data, which is 0: that of the step before it.
    ///
    /// `β̃_1`, or β_0 in a table of one step
    ///
    /// Source: Nichol & Dhariwal 2021, in their code; it keeps the logarithm of the variance
    /// finite.
    pub fn floor(&self) -> f64 {
        if self.steps() > 1 {
            self.transition(1).small
        } else {
            self.beta(0)
        }
    }
}

/// The logarithm of a learned variance of a step.
///
/// `ln Σ = v·ln β' + (1 − v)·ln β̃`, `v = (output + 1)/2`
///
/// Source: Nichol & Dhariwal 2021, eq. 15, with their code's scale of v. `floor` is a variance, and
/// takes the place of a β̃ of 0; [`BetaTable::floor`] is theirs.
///
/// # Shapes
/// - output: any; the logarithm alike, per element
pub fn interpolated_log_variance<B: Backend, const D: usize>(
    transition: &Transition,
    floor: f64,
    output: Tensor<B, D>,
) -> Tensor<B, D> {
    let LogRange { middle, half } = LogRange::of(transition, floor);
    output * half + middle
}

/// The range of ln Σ: `middle − half` at output −1, `middle + half` at 1.
pub(super) struct LogRange {
    pub(super) middle: f64,
    pub(super) half: f64,
}

impl LogRange {
    pub(super) fn of(transition: &Transition, floor: f64) -> Self {
        let least = or_floor(transition.small, floor).ln();
        let most = transition.variance.ln();
        Self {
            middle: 0.5 * (most + least),
            half: 0.5 * (most - least),
        }
    }
}

pub(super) fn or_floor(variance: f64, floor: f64) -> f64 {
    if variance > 0.0 { variance } else { floor }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{DType, TensorData};
    use burn_ndarray::NdArray;

    fn log_variances(transition: &Transition, floor: f64, outputs: [f64; 4]) -> Vec<f64> {
        let output = Tensor::<NdArray<f64>, 1>::from_data(
            TensorData::from(outputs),
            (&Default::default(), DType::F64),
        );
        let logs = interpolated_log_variance(transition, floor, output);
        logs.into_data().to_vec().expect("f64 data")
    }

    #[test]
    fn a_learned_variance_lies_on_the_line_between_the_fixed_ones() {
        let table = BetaTable::default();
        for k in [1, 10, 500, 999] {
            let step = table.transition(k);
            let (small, large) = (step.small.ln(), step.variance.ln());
            let logs = log_variances(&step, table.floor(), [-1.0, 1.0, 0.0, 3.0]);
            let expected = [small, large, 0.5 * (small + large), 2.0 * large - small];
            for (got, expected) in logs.iter().zip(expected) {
                assert!((got - expected).abs() < 1e-13, "{k} {got} {expected}");
            }
        }
    }

    #[test]
    fn a_vanishing_variance_is_the_floor() {
        let table = BetaTable::default();
        let last = table.transition(0);
        assert_eq!(Variance::Small.at(&last), 0.0);
        let logs = log_variances(&last, table.floor(), [-1.0, 1.0, 0.0, 0.0]);
        assert!((logs[0] - table.floor().ln()).abs() < 1e-14);
        assert!((logs[1] - 1e-4_f64.ln()).abs() < 1e-14);
    }

    #[test]
    fn the_floor_is_the_small_variance_of_the_step_before() {
        let table = BetaTable::default();
        // β_1·(1 − ᾱ_0)/(1 − ᾱ_1) from β_0 = 10⁻⁴ and the next β alone.
        let beta = table.beta(1);
        let expected = beta * 1e-4 / (1e-4 + beta * (1.0 - 1e-4));
        assert!((table.floor() / expected - 1.0).abs() < 1e-13);
        assert_eq!(BetaTable::linear(1, 0.3, 0.3).floor(), 0.3);
    }
}
