//! Planes without padding: pixels are read where they lie in the sample, with nothing between its
//! rows, and those beyond a border are masked.

use crate::flex::float::Float;

/// The most masks that are worth making: those of a channel of 128×128 pixels and a kernel of 3×3.
const MASKS: usize = 128 * 128 * 9;

/// A window of stride 1 whose output is as large as its input.
///
/// The input pixel under a given place of the kernel then lies at the same distance from the output
/// pixel, across rows and channels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unpadded {
    size: [usize; 2],
    padding: [usize; 2],
    kernel: [usize; 2],
}

impl Unpadded {
    /// `None` where the masks would be too large.
    pub(super) fn new(size: [usize; 2], padding: [usize; 2], kernel: [usize; 2]) -> Option<Self> {
        let masks = size[0] * size[1] * kernel[0] * kernel[1];
        (masks <= MASKS).then_some(Self {
            size,
            padding,
            kernel,
        })
    }

    /// Samples with room before and after them for what a window reads there.
    pub(super) fn framed<T: Float>(&self, x: &[T]) -> Vec<T> {
        let [before, after] = [[0, 0], [self.kernel[0] - 1, self.kernel[1] - 1]]
            .map(|[i, j]| self.padding[0].abs_diff(i) * self.size[1] + self.padding[1].abs_diff(j));
        let mut out = Vec::with_capacity(before + x.len() + after);
        out.resize(before, T::default());
        out.extend_from_slice(x);
        out.resize(before + x.len() + after, T::default());
        out
    }

    /// For each run of pixels and each place of the kernel: 1 where the pixel under it lies inside
    /// the plane, 0 where it lies outside.
    pub(super) fn masks<T: Float>(&self, run: usize) -> Vec<T> {
        let ([height, width], [rows, columns]) = (self.size, self.kernel);
        let mut out = Vec::with_capacity(height * width * rows * columns);
        let inside = |at: usize, place: usize, padding: usize, size: usize| {
            (padding..padding + size).contains(&(at + place))
        };
        for start in (0..height * width).step_by(run) {
            for i in 0..rows {
                for j in 0..columns {
                    out.extend((start..start + run).map(|p| {
                        let is_inside = inside(p / width, i, self.padding[0], height)
                            && inside(p % width, j, self.padding[1], width);
                        if is_inside { T::ONE } else { T::default() }
                    }));
                }
            }
        }
        out
    }
}
