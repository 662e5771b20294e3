//! The log of a training.

use serde::{Deserialize, Serialize};

/// An entry in the log of a training: one line of `metrics.jsonl`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
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
    /// The norm of the gradient of the last step, before it was clipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gradient_norm: Option<f64>,
    /// The samples that were trained on per second since the previous record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples_per_second: Option<f64>,
    /// The share of the time since the previous record that the device waited for batches, in
    /// [0, 1].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<f64>,
    /// Seconds of training so far, without interruptions.
    pub seconds: f64,
}
