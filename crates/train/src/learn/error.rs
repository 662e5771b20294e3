//! Errors of training.

use super::{CheckpointError, RunError};

/// Why a training stopped before its last step.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The loss became infinite or undefined.
    #[error(
        "the loss is {loss} at step {step}; lower the learning rate (training.learning-rate), or \
         bound the gradient's norm (training.clip=1)"
    )]
    Diverged {
        /// The mean loss since the last one that was read.
        loss: f64,
        /// The step at which it was read.
        step: u64,
    },
    /// The folder of the run cannot be used.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A checkpoint cannot be read or written.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}
