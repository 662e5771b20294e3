//! The Runge–Kutta methods: each is its coefficients, in a file of its own.
//!
//! `k_i = u(t + c_i·h, x + h·Σ_{j<i} a_ij·k_j)`, `x' = x + h·Σ b_i·k_i`,
//! `error = h·Σ (b_i − b̂_i)·k_i`
//!
//! The tests check the order conditions of every rooted tree, so that a wrong digit cannot pass.

mod bogacki_shampine;
mod dopri5;
mod dopri8;
mod euler;
mod heun;
mod midpoint;
mod ralston;
mod rk4;
mod tsit5;

pub use crate::runge_kutta::Tableau;
pub use bogacki_shampine::BOGACKI_SHAMPINE;
pub use dopri5::DOPRI5;
pub use dopri8::DOPRI8;
pub use euler::EULER;
pub use heun::HEUN;
pub use midpoint::MIDPOINT;
pub use ralston::RALSTON;
pub use rk4::RK4;
pub use tsit5::TSIT5;

use crate::runge_kutta::{EmbeddedRk, ExplicitRk};

/// Every method of this crate. Lists of methods are made from it: a new tableau is one more entry.
pub const ALL: [ExplicitRk; 9] = [
    EULER,
    MIDPOINT,
    HEUN.method,
    RALSTON.method,
    RK4,
    BOGACKI_SHAMPINE.method,
    DOPRI5.method,
    TSIT5.method,
    DOPRI8.method,
];

/// The methods among [`ALL`] that estimate their error, and so can choose their steps.
pub const PAIRS: [EmbeddedRk; 6] = [HEUN, RALSTON, BOGACKI_SHAMPINE, DOPRI5, TSIT5, DOPRI8];
