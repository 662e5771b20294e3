//! Paths, fields, solvers, samplers and likelihoods, against closed forms. Nothing is trained.
//!
//! One program, since most of its time is that of compiling the same solvers.

mod adaptive;
mod convergence;
mod ddpm;
mod fields;
mod gradients;
mod guidance;
mod identities;
mod likelihood;
mod marginals;
mod sampler_matrix;
mod samplers;
mod stochastic;
#[path = "../support/mod.rs"]
mod support;
mod tableaus;
mod tables;
