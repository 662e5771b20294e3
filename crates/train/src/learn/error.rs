//! Why training stops short.

use super::{CheckpointError, RunError};

/// Why a training stopped short.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The numbers ran away.
    #[error(
        "the loss is {loss} at step {step}; lower the learning rate (training.learning-rate), or \
         bound the gradient's norm (training.clip=1)"
    )]
    Diverged {
        /// The loss.
        loss: f64,
        /// Where it was seen.
        step: u64,
    },
    /// The folder cannot be used.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A checkpoint cannot be read or written.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}
