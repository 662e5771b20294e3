//! Butcher tableaus: each method is its coefficients.
//!
//! `k_i = u(t + c_i·h, x + h·Σ_{j<i} a_ij·k_j)`, `x' = x + h·Σ b_i·k_i`, `error = h·Σ (b_i − b̂_i)·k_i`
//!
//! The order conditions of every rooted tree are checked by the tests, so a wrong digit cannot pass.

mod bogacki_shampine;
mod dopri5;
mod dopri8;
mod euler;
mod heun;
mod midpoint;
mod ralston;
mod rk4;
mod tsit5;

pub use bogacki_shampine::BOGACKI_SHAMPINE;
pub use dopri5::DOPRI5;
pub use dopri8::DOPRI8;
pub use euler::EULER;
pub use heun::HEUN;
pub use midpoint::MIDPOINT;
pub use ralston::RALSTON;
pub use rk4::RK4;
pub use tsit5::TSIT5;

/// The coefficients of an explicit Runge–Kutta method.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tableau {
    /// The name of the method on the command line.
    pub name: &'static str,
    /// The order of the step.
    pub order: usize,
    /// Row i holds a_ij, j < i; the first row is empty.
    pub a: &'static [&'static [f64]],
    /// Weights of the step.
    pub b: &'static [f64],
    /// Where the stages stand; `c_i = Σ_j a_ij`.
    pub c: &'static [f64],
    /// Whether the last stage is the first of the next step: its row of a is b and c = 1.
    pub first_same_as_last: bool,
}
