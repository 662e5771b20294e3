//! Methods for stochastic differential equations.
//!
//! `dX = f_t(X) dt + g_t(X) dW`
//!
//! The compiler checks that a method can solve an equation: Euler–Maruyama takes Itô equations,
//! Heun's method Stratonovich ones, [`Sra1`] and [`Shark`] additive noise, and [`Milstein`] either
//! calculus.

mod embedded;
mod euler_maruyama;
mod milstein;
mod shark;
mod sra1;
mod stochastic_heun;

pub use euler_maruyama::EulerMaruyama;
pub use milstein::Milstein;
pub use shark::Shark;
pub use sra1::Sra1;
pub use stochastic_heun::StochasticHeun;
