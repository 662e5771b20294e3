//! The classical Runge–Kutta method.

use crate::runge_kutta::{ExplicitRk, Tableau};

/// The classical method of order 4, four evaluations per step.
///
/// Source: Kutta 1901.
pub const RK4: ExplicitRk = ExplicitRk(&Tableau {
    name: "rk4",
    order: 4,
    a: &[&[], &[0.5], &[0.0, 0.5], &[0.0, 0.0, 1.0]],
    b: &[1.0 / 6.0, 1.0 / 3.0, 1.0 / 3.0, 1.0 / 6.0],
    c: &[0.0, 0.5, 0.5, 1.0],
    first_same_as_last: false,
});
