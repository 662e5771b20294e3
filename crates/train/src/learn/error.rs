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
    /// A process of several starts from something else than the first.
    #[error(
        "process {rank} starts from another model or other data than process 0; give all processes \
         the same program, files and arguments"
    )]
    Apart {
        /// The number of the process.
        rank: usize,
    },
    /// A batch has no row for some process.
    #[error(
        "a batch of {batch} gives none of its rows to some of {processes} processes; start fewer, \
         or raise training.batch"
    )]
    TooMany {
        /// The pairs of a batch.
        batch: usize,
        /// The processes.
        processes: usize,
    },
    /// The folder of the run cannot be used.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A checkpoint cannot be read or written.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}
