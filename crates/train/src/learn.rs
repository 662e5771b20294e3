//! Training: data in, a model out.
//!
//! `θ ← AdamW(θ, ∇L(θ; batch_k))`, `θ̄ ← EMA(θ̄, θ)`, for k = 0, 1, …
//!
//! A [`Trainer`] is a model in training. A [`Batcher`] makes its batches on other threads, as a
//! pure function of the seed and the step. [`Trainer::run`] trains and reports progress to a
//! [`Watcher`]; a [`Recorder`] is a watcher that saves checkpoints and metrics in the folder of a
//! [`Run`]. Several processes that form a [`Group`] train one model together.

pub mod average;
mod batch;
pub mod checkpoint;
mod error;
mod group;
mod latest;
mod loss;
mod numbers;
mod optimizer;
mod order;
mod pairs;
mod record;
mod recorder;
mod run;
mod tensorboard;
mod trainer;
mod watcher;
mod weights;

pub use average::{Average, Law, WIDTHS};
pub use batch::{Batch, Batcher, prefetch};
pub use checkpoint::{Checkpoint, CheckpointError};
pub use error::TrainError;
pub use group::{Alone, Group, leader_first};
pub use latest::{Latest, WeightsError};
pub use numbers::Numbers;
pub use optimizer::{AdamW, AdamWConfig, LearningRate};
pub use order::Order;
pub use pairs::Pairs;
pub use record::Record;
pub use recorder::Recorder;
pub use run::{Metrics, Run, RunError, RunLock};
pub use tensorboard::{EventFile, Summary};
pub use trainer::Trainer;
pub use watcher::{Next, Outcome, Watcher};
pub use weights::Weights;
