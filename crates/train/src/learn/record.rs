//! The log of a training.

use serde::{Deserialize, Serialize};

/// An entry in the log of a training: one line of `metrics.jsonl`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The steps taken.
    pub step: u64,
    /// The mean loss of the batches since the previous record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<f64>,
    /// The loss of the averaged model on held-out data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<f64>,
    /// The learning rate of the last step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learning_rate: Option<f64>,
    /// Seconds of training so far, without interruptions.
    pub seconds: f64,
}
