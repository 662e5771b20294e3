//! The explicit midpoint method.

use crate::runge_kutta::{ExplicitRk, Tableau};

/// The explicit midpoint method, order 2, two evaluations per step.
///
/// `x' = x + h·u(t + h/2, x + h/2·u(t, x))`
///
/// Source: Runge 1895.
pub const MIDPOINT: ExplicitRk = ExplicitRk(&Tableau {
    name: "midpoint",
    order: 2,
    a: &[&[], &[0.5]],
    b: &[0.0, 1.0],
    c: &[0.0, 0.5],
    first_same_as_last: false,
});
