//! Ralston's method with Euler's as its error estimate.

use crate::dense::DenseWeights;
use crate::runge_kutta::{EmbeddedRk, ExplicitRk, Tableau};

/// Ralston's method 2(1): order 2 with the least bound on its truncation error, two evaluations per
/// step.
///
/// `x' = x + h·(k1/4 + 3·k2/4), k2 = u(t + 2h/3, x + 2h/3·k1)`
///
/// Source: Ralston 1962.
pub const RALSTON: EmbeddedRk = EmbeddedRk {
    method: ExplicitRk(&Tableau {
        name: "ralston",
        order: 2,
        a: &[&[], &[2.0 / 3.0]],
        b: &[0.25, 0.75],
        c: &[0.0, 2.0 / 3.0],
        first_same_as_last: false,
    }),
    embedded: &[1.0, 0.0],
    embedded_order: 1,
    dense: DenseWeights::Hermite,
};
