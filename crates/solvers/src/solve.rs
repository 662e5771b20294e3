//! Ways to run a method from one end of a span to the other.
//!
//! `x_{i+1} = step(t_i, t_{i+1}, x_i)`, over a given grid or with steps chosen by their error
//!
//! [`integrate()`] runs over a [`TimeGrid`](crate::TimeGrid). An [`Adaptive`] solve chooses its
//! steps, for the whole batch or for each sample. It can also save states, interpolate between
//! steps, and stop at events.

mod adaptive;
mod clock;
mod clocking;
mod control;
mod controller;
mod dense_output;
mod event;
mod integrate;
mod own;
mod run;
mod save;
mod segment;
mod shared;
mod solution;
mod stepping;

pub use adaptive::{Adaptive, OwnSteps, SharedSteps};
pub use control::{Control, Pid};
pub use event::{Direction, Event};
pub use integrate::{integrate, integrate_observed};
pub use save::Save;
pub use solution::{Outcome, Solution, Statistics, Stopped};

pub(crate) use adaptive::{land, solve_measured};
pub(crate) use shared::Measured;
