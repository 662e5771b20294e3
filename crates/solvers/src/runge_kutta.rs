//! Explicit Runge–Kutta methods, on one stage loop.
//!
//! `k_i = u(t + c_i·h, x + h·Σ_{j<i} a_ij·k_j)`, `x' = x + h·Σ b_i·k_i`, `h = s − t`

mod embedded;
mod explicit;
mod last_slope;
mod tableau;

pub use embedded::EmbeddedRk;
pub use explicit::ExplicitRk;
pub use last_slope::LastSlope;
pub use tableau::Tableau;
