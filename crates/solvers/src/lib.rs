//! Integrators of Pyroclast: ODE and SDE methods on any field, diffusion samplers, and gradients
//! through a solve.
//!
//! `dX = u_t(X) dt`, `dX = f_t(X) dt + g_t(X) dW`
//!
//! A [`method`] takes one step from t to s. [`integrate()`] runs it over a [`TimeGrid`] and never
//! waits for the device; an [`Adaptive`] solve chooses the steps itself. The compiler checks what a
//! method can integrate: a Runge–Kutta method takes a
//! [`VectorField`](pyroclast_core::field::VectorField), Euler–Maruyama an
//! [`Sde`](pyroclast_core::field::Sde) of Itô's calculus or with additive noise, a [`sampler`] a
//! [`Denoiser`](pyroclast_core::field::Denoiser).

#![warn(clippy::print_stdout, clippy::print_stderr)]

pub mod brownian;
mod dense;
pub mod divergence;
pub mod entry;
mod error;
pub mod flow_map;
pub mod gradient;
pub mod grid;
pub mod langevin;
pub mod likelihood;
pub mod method;
pub mod noise_levels;
mod requirement;
mod rows;
mod runge_kutta;
pub mod sampler;
pub mod sde;
pub mod solve;
pub mod table;
pub mod tableau;

pub use brownian::{BrownianMotion, BrownianTree, Increments};
pub use dense::{DenseStep, DenseWeights, KeptStep};
pub use divergence::{Probe, Trace};
pub use error::SolveError;
pub use grid::TimeGrid;
pub use langevin::{AdjustedLangevin, LangevinDynamics};
pub use method::{EmbeddedMethod, Memory, Method};
pub use runge_kutta::{EmbeddedRk, ExplicitRk, LastSlope, Tableau};
pub use sde::*;
pub use solve::{
    Adaptive, Control, Direction, Event, Outcome, OwnSteps, Pid, Save, SharedSteps, Solution,
    Statistics, Stopped, integrate, integrate_observed,
};
pub use tableau::*;
