//! Butcher tableaus.
//!
//! `c | A` over `b`: the times of the stages, the weights of each, and the weights of the
//! step

/// The coefficients of an explicit Runge–Kutta method.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tableau {
    /// The name of the method in configurations.
    pub name: &'static str,
    /// The order of the step.
    pub order: usize,
    /// Row i holds a_ij, j < i; the first row is empty.
    pub a: &'static [&'static [f64]],
    /// The weights of the step.
    pub b: &'static [f64],
    /// The times of the stages, as shares of the step; `c_i = Σ_j a_ij`.
    pub c: &'static [f64],
    /// Whether the last stage is the first of the next step: its row of a is b, and c = 1.
    pub first_same_as_last: bool,
}
