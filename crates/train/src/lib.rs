//! Training and sampling: datasets, the training loop, checkpoints, model files, and samplers.
//!
//! - [`dataset`]: samples on the host, from memory, from files, or drawn from toy distributions; a
//!   [`task::Task`] is what is trained on and what is held out
//! - [`learn`]: a [`Trainer`](learn::Trainer) and the folder of its run
//! - [`model`]: a trained model in one file
//! - [`draw`]: samples of a model, by any method
//! - [`stored_model`]: a trained model in either place, with its data
//! - [`config`]: all of it named in a TOML file

#![warn(clippy::print_stdout, clippy::print_stderr)]

pub mod atomic_file;
pub mod config;
pub mod dataset;
mod digest;
pub mod draw;
pub mod learn;
pub mod model;
pub mod network;
pub mod numbered;
pub mod parameters;
pub mod rows;
pub mod stored_model;
pub mod task;
