//! Training and sampling: datasets, the training loop, checkpoints and samplers.
//!
//! A [`config::Config`] names everything that a run depends on. A [`trainer::Trainer`] takes one step a batch; what the batch
//! holds is a pure function of (seed, step), made by [`batch`] on another thread. A [`run::Run`] is the folder that a run lives
//! in. [`draw`] draws from a model.

#![warn(clippy::print_stdout, clippy::print_stderr)]

pub mod about;
pub mod atomic_file;
pub mod batch;
pub mod checkpoint;
pub mod config;
pub mod dataset;
pub mod draw;
pub mod ema;
pub mod model_file;
pub mod numbered;
pub mod optimizer;
pub mod parameters;
pub mod rows;
pub mod run;

pub mod task;
pub mod tensor_file;
pub mod trainer;
pub mod training;
