//! Heun's method with Euler's as its error estimate.

use crate::dense::DenseWeights;
use crate::runge_kutta::{EmbeddedRk, ExplicitRk, Tableau};

/// Heun's method 2(1), the explicit trapezoidal rule: order 2, two evaluations per step.
///
/// `x' = x + h/2·(k1 + k2), k2 = u(t + h, x + h·k1)`
///
/// Source: Heun 1900. Not to be confused with his method of order three.
pub const HEUN: EmbeddedRk = EmbeddedRk {
    method: ExplicitRk(&Tableau {
        name: "heun",
        order: 2,
        a: &[&[], &[1.0]],
        b: &[0.5, 0.5],
        c: &[0.0, 1.0],
        first_same_as_last: false,
    }),
    embedded: &[1.0, 0.0],
    embedded_order: 1,
    dense: DenseWeights::Hermite,
};
