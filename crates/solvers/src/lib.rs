//! Integrators of Pyroclast: ODE and SDE methods on any field, and their gradients.
//!
//! A [`method`] takes one step from t to s; [`integrate()`] runs it over a [`grid::TimeGrid`] and never waits for the device;
//! [`integrate_adaptive`] chooses the steps itself. What a method can integrate is checked by the compiler: a Runge–Kutta
//! method takes a [`VectorField`](pyroclast_core::field::VectorField), Euler–Maruyama an [`Sde`](pyroclast_core::field::Sde) of
//! Itô's calculus or with additive noise.

#![warn(clippy::print_stdout, clippy::print_stderr)]

mod adaptive;
pub mod brownian;
pub mod control;
mod dense;
pub mod divergence;
mod error;
mod euler_maruyama;
pub mod event;
pub mod gradient;
pub mod grid;
mod integrate;
mod interpolant;
mod landing;
pub mod langevin;
pub mod likelihood;
pub mod method;
mod milstein;
pub mod noise_levels;
mod per_sample;
mod runge_kutta;
pub mod sampler;
mod shark;
mod solution;
mod sra1;
mod stochastic_heun;
pub mod tableau;

pub use adaptive::integrate_adaptive;
pub use brownian::{BrownianMotion, BrownianTree, Increments};
pub use control::{Control, Pid};
pub use dense::{DenseSolution, integrate_dense, integrate_saving};
pub use divergence::{Probe, Trace};
pub use error::SolveError;
pub use euler_maruyama::EulerMaruyama;
pub use event::{Direction, Event, EventSolution, integrate_until};
pub use grid::TimeGrid;
pub use integrate::{integrate, integrate_observed};
pub use interpolant::{DenseWeights, Interpolant};
pub use landing::integrate_landing;
pub use langevin::{AdjustedLangevin, LangevinDynamics};
pub use method::{DenseMethod, EmbeddedMethod, Memory, Method};
pub use milstein::Milstein;
pub use per_sample::{BatchSolution, SampleOutcome, integrate_per_sample};
pub use runge_kutta::{EmbeddedRk, ExplicitRk, LastSlope};
pub use shark::Shark;
pub use solution::{Solution, Statistics, Stopped};
pub use sra1::Sra1;
pub use stochastic_heun::StochasticHeun;
pub use tableau::{BOGACKI_SHAMPINE, DOPRI5, DOPRI8, EULER, HEUN, MIDPOINT, RALSTON, RK4, TSIT5};
