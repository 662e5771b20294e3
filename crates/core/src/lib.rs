//! The mathematics of Pyroclast: schedules, paths, couplings, predictions, losses, noise and analytic oracles.
//!
//! `x_t = α(t)·x1 + σ(t)·x0`, t = 0 noise, t = 1 data. Time is `f64` on the host; data is a tensor on the device.
//!
//! A path is an [`interpolant`] over a [`schedule`]; a [`coupling`] pairs its ends; a [`flow::Flow`] is a [`network`] with
//! the schedule and the [`prediction`] that it is trained under; what comes out is a [`field`] that a solver integrates.

#![warn(clippy::print_stdout, clippy::print_stderr)]

pub mod analytic;
pub mod assignment;
pub mod coefficients;
pub mod conservation;
pub mod coupling;
pub mod ddpm;
pub mod extension;
pub mod field;
pub mod flow;
pub mod guidance;
pub mod input;
pub mod interpolant;
pub mod network;
pub mod noise;
pub mod prediction;
pub mod probability_flow;
pub mod schedule;
pub mod time_sampler;
pub mod weighting;
