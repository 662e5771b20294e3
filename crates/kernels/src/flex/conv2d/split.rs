//! The output of a convolution, split into tasks.

use std::ops::Range;

/// Multiplications of a sample that are worth waking another thread for.
const MANY: usize = 1 << 21;

/// How the output is split into tasks: each writes some samples, or where there are few samples,
/// some channels of one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Split {
    /// Samples per task, at most.
    pub(super) at_once: usize,
    /// Output channels per task.
    pub(super) channels: usize,
    /// Output channels of a sample.
    outputs: usize,
}

impl Split {
    /// Tasks of `samples` samples of a batch, or of whole panels of channels where a sample takes
    /// many `multiplications`.
    pub(super) fn new(
        outputs: usize,
        batch: usize,
        samples: usize,
        panel: usize,
        multiplications: usize,
    ) -> Self {
        let parts = if batch < 8 && multiplications >= MANY {
            outputs.div_ceil(4 * panel).min(4)
        } else {
            1
        };
        let (at_once, channels) = if parts > 1 && outputs.is_multiple_of(parts * panel) {
            (1, outputs / parts)
        } else {
            (samples.min(batch), outputs)
        };
        Self {
            at_once,
            channels,
            outputs,
        }
    }

    /// Numbers that a task writes, at most.
    pub(super) fn len(&self, pixels: usize) -> usize {
        self.at_once * self.channels * pixels
    }

    /// The samples of the task `index`, which writes so many numbers.
    pub(super) fn samples(&self, index: usize, numbers: usize, pixels: usize) -> Range<usize> {
        let parts = self.outputs / self.channels;
        let first = index / parts * self.at_once;
        first..first + numbers / (self.channels * pixels)
    }

    /// The first channel that the task writes.
    pub(super) fn channel(&self, index: usize) -> usize {
        index % (self.outputs / self.channels) * self.channels
    }
}
