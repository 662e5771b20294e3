//! The value of a convolution.
//!
//! `y[o, p] = bias[o] + Σ_{c, place} W[o, c, place]·x[c, p·stride + place]`

use crate::flex::conv2d::planes::Planes;
use crate::flex::conv2d::unpadded::Unpadded;

/// The sizes of a correlation of images with a kernel.
#[derive(Debug, Clone, Copy)]
pub(super) struct Correlation {
    /// The input.
    pub(super) planes: Planes,
    /// Rows and columns of the kernel.
    pub(super) kernel: [usize; 2],
    /// Pixels from one output to the next.
    pub(super) stride: usize,
    /// Channels of the output.
    pub(super) outputs: usize,
    /// Height and width of the output.
    pub(super) size: [usize; 2],
}

impl Correlation {
    /// The window over planes without padding, where stride and sizes allow that.
    pub(super) fn unpadded(&self) -> Option<Unpadded> {
        let planes = &self.planes;
        let is_same = self.stride == 1 && planes.spread == 1 && planes.size == self.size;
        let unpadded = || Unpadded::new(planes.size, planes.padding, self.kernel);
        is_same.then(unpadded).flatten()
    }
}
