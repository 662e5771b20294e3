//! The value, however it is taken: `y[o, p] = bias[o] + Σ_{c, place} W[o, c, place]·x[c, p·stride + place]`

use super::gather::Planes;
use std::ops::Range;

/// What is slid over what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Correlation {
    /// The input.
    pub(super) planes: Planes,
    /// Rows and columns of the kernel.
    pub(super) kernel: [usize; 2],
    /// From one output to the next.
    pub(super) stride: usize,
    /// Channels of the output.
    pub(super) outputs: usize,
    /// Height and width of the output.
    pub(super) size: [usize; 2],
}

/// What of the output a task writes: some samples, or where they are few, some channels of one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deal {
    /// At most.
    pub(super) at_once: usize,
    /// Channels of the output.
    pub(super) channels: usize,
    outputs: usize,
}

impl Deal {
    /// So many samples at once of a batch, or channels by panels of so many.
    pub(super) fn new(outputs: usize, batch: usize, samples: usize, panel: usize) -> Self {
        let parts = match batch < 8 {
            true => outputs.div_ceil(4 * panel).min(4),
            false => 1,
        };
        let (at_once, channels) = match parts > 1 && outputs.is_multiple_of(parts * panel) {
            true => (1, outputs / parts),
            false => (samples.min(batch), outputs),
        };
        Self {
            at_once,
            channels,
            outputs,
        }
    }

    /// Numbers of the output that a task writes, at most.
    pub(super) fn len(&self, pixels: usize) -> usize {
        self.at_once * self.channels * pixels
    }

    /// The samples of a task that writes so many numbers.
    pub(super) fn samples(&self, index: usize, numbers: usize, pixels: usize) -> Range<usize> {
        let parts = self.outputs / self.channels;
        let first = index / parts * self.at_once;
        first..first + numbers / (self.channels * pixels)
    }

    /// The first channel that it writes.
    pub(super) fn channel(&self, index: usize) -> usize {
        index % (self.outputs / self.channels) * self.channels
    }
}
