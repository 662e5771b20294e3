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
    /// The network changes too fast in the time, or in the state, for a difference.
    #[error(
        "the derivative of the network is found by a difference, which changes by {disagreement:.2} \
         of its size at step {step} as its step is doubled; give the network slower embeddings of \
         the time and the duration, or implement Network::tangent_over"
    )]
    Rough {
        /// By how much, as [`FewStep::disagreement`](pyroclast_core::few_step::FewStep::disagreement)
        /// has it.
        disagreement: f64,
        /// The step at which it was seen.
        step: u64,
    },
    /// The folder of the run cannot be used.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A checkpoint cannot be read or written.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}
