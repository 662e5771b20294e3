//! The mathematics of Pyroclast: schedules, paths, couplings, predictions, losses, noise and
//! analytic oracles.
//!
//! `x_t = α(t)·x1 + σ(t)·x0`, t = 0 noise, t = 1 data. Time is `f64` on the host; data is a tensor
//! on the device.
//!
//! A [`path::Path`] says how source and data are joined: its [`schedule`], its [`coupling`], its
//! source and its times. An [`objective::Objective`] says what a [`network`] learns on it. A
//! [`flow::Flow`] is a network with both; under a condition it is a [`field`] that a solver
//! integrates.

#![warn(clippy::print_stdout, clippy::print_stderr)]

pub mod analytic;
pub mod assignment;
pub mod condition;
pub mod conservation;
pub mod coupling;
pub mod ddpm;
pub mod endpoints;
pub mod few_step;
pub mod field;
pub mod flow;
pub mod flow_map;
pub mod guidance;
pub mod jvp;
pub mod loss;
pub mod named;
pub mod network;
pub mod noise;
pub mod objective;
pub mod path;
pub mod per_sample;
pub mod preconditioning;
pub mod prediction;
pub mod probability_flow;
pub mod recompute;
pub mod rescheduled;
pub mod reverse_sde;
pub mod schedule;
pub mod shown;
pub mod time_sampler;
pub mod toy;
pub mod weighting;
