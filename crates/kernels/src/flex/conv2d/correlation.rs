//! The value of a convolution.
//!
//! `y[o, p] = bias[o] + Σ_{c, place} W[o, c, place]·x[c, p·stride + place]`

use crate::flex::conv2d::planes::Planes;
use crate::flex::conv2d::unpadded::Unpadded;
use crate::flex::float::Float;
use std::borrow::Cow;

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
    /// Multiplications per sample, without any trick.
    pub(super) fn multiplications(&self) -> usize {
        let [[rows, columns], [height, width]] = [self.kernel, self.size];
        self.planes.channels * self.outputs * rows * columns * height * width
    }

    /// The window over planes without padding, where stride and sizes allow that.
    pub(super) fn unpadded(&self) -> Option<Unpadded> {
        let planes = &self.planes;
        let is_same = self.stride == 1 && planes.spread == 1 && planes.size == self.size;
        let unpadded = || Unpadded::new(planes.size, planes.padding, self.kernel);
        is_same.then(unpadded).flatten()
    }
}

/// The kernels of a correlation, where they lie.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kernels<'a, T> {
    /// Row-major `[outputs, channels, rows, columns]`, or what `turned` says.
    pub(super) weight: &'a [T],
    /// The number of kernels side by side: channels, or outputs if turned.
    pub(super) row: usize,
    /// Whether they are rotated by 180°, with outputs and channels exchanged.
    pub(super) turned: bool,
    /// Numbers of a kernel.
    pub(super) places: usize,
}

impl<T: Float> Kernels<'_, T> {
    /// The numbers of the kernel from a channel to an output, in reverse order if turned.
    #[inline(always)]
    pub(super) fn at(&self, output: usize, channel: usize) -> &[T] {
        let (first, second) = if self.turned {
            (channel, output)
        } else {
            (output, channel)
        };
        let start = (first * self.row + second) * self.places;
        &self.weight[start..start + self.places]
    }

    /// Row-major `[outputs, channels, rows, columns]`.
    pub(super) fn in_order(&self) -> Cow<'_, [T]> {
        if !self.turned {
            return Cow::Borrowed(self.weight);
        }
        let (outputs, channels) = (
            self.row,
            self.weight.len() / (self.row * self.places).max(1),
        );
        let mut out = Vec::with_capacity(self.weight.len());
        for o in 0..outputs {
            for c in 0..channels {
                out.extend(self.at(o, c).iter().rev());
            }
        }
        Cow::Owned(out)
    }
}
