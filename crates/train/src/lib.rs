//! Training and sampling: datasets, the training loop, checkpoints, model files, and samplers.
//!
//! - [`dataset`]: samples on the host, from memory, from files, or drawn from toy distributions;
//!   a [`task::Task`] splits them into training and held-out data
//! - [`learn`]: a [`Trainer`](learn::Trainer) and the folder of its run
//! - [`model_file`]: the parameters of a model and all that describes it, in one file
//! - [`latents`]: pictures encoded by an autoencoder, and back
//! - [`model`]: a trained model, which samples itself
//! - [`draw`]: sampling from a model with any method
//! - [`stored_model`]: a trained model opened from a run folder or from a file
//! - [`teacher`]: a stored model that one of few steps learns from
//! - [`reflow`]: pairs of noise and of what a teacher makes of it
//! - [`exchange`]: networks of other projects as models, and back
//! - [`config`]: data, path, network, training and sampling, described in one TOML file

#![warn(clippy::print_stdout, clippy::print_stderr)]

pub mod atomic_file;
pub mod config;
pub mod dataset;
mod digest;
pub mod draw;
pub mod exchange;
mod host;
pub mod latents;
pub mod learn;
pub mod model;
pub mod model_file;
pub mod network;
pub mod numbered;
pub mod parameters;
pub mod reflow;
pub mod rows;
pub mod stored_model;
pub mod task;
pub mod teacher;
