//! Integrators of Pyroclast: ODE and SDE methods on any field.
//!
//! A [`method`] takes one step from t to s; [`integrate()`] runs it over a [`grid::TimeGrid`] and never waits for the device;
//! [`integrate_adaptive`] chooses the steps itself. What a method can integrate is checked by the compiler: a Runge–Kutta
//! method takes a [`VectorField`](pyroclast_core::field::VectorField), Euler–Maruyama an [`Sde`](pyroclast_core::field::Sde).

#![warn(clippy::print_stdout, clippy::print_stderr)]

mod adaptive;
mod error;
mod euler_maruyama;
pub mod grid;
mod integrate;
pub mod method;
mod runge_kutta;
pub mod tableau;

pub use adaptive::{Solution, Statistics, Tolerance, integrate_adaptive};
pub use error::SolveError;
pub use euler_maruyama::EulerMaruyama;
pub use grid::TimeGrid;
pub use integrate::{integrate, integrate_observed};
pub use method::{EmbeddedMethod, Method};
pub use runge_kutta::{EmbeddedRk, ExplicitRk};
pub use tableau::{BOGACKI_SHAMPINE, DOPRI5, EULER, HEUN, MIDPOINT, RALSTON, RK4};
