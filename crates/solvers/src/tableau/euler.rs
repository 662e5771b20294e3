//! Euler's method.

use crate::runge_kutta::{ExplicitRk, Tableau};

/// Euler's method, order 1, one evaluation per step.
///
/// `x' = x + h·u(t, x)`
///
/// Source: Euler 1768.
pub const EULER: ExplicitRk = ExplicitRk(&Tableau {
    name: "euler",
    order: 1,
    a: &[&[]],
    b: &[1.0],
    c: &[0.0],
    first_same_as_last: false,
});
