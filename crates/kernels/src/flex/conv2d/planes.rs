//! The planes of a sample, laid out with the zeros that a window meets.

use crate::flex::float::Float;

/// How the channels of a sample are laid out, so that a window can slide over them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Planes {
    pub(super) channels: usize,
    /// Height and width of a channel without padding.
    pub(super) size: [usize; 2],
    /// Rows and columns of zeros before the first pixel.
    pub(super) padding: [usize; 2],
    /// Distance from one pixel to the next, with zeros between them.
    pub(super) spread: usize,
    /// Height and width with padding and spread.
    pub(super) padded: [usize; 2],
}

impl Planes {
    /// Numbers per sample.
    pub(super) fn len(&self) -> usize {
        self.channels * self.plane()
    }

    /// Numbers per channel.
    pub(super) fn plane(&self) -> usize {
        self.padded[0] * self.padded[1]
    }

    /// Lays samples out. `out` has to hold zeros wherever no pixel falls. Pixels beyond the padded
    /// size are left out.
    pub(super) fn fill<T: Float>(&self, x: &[T], out: &mut [T]) {
        let [height, width] = self.size;
        let columns = self.padded[1];
        if height * width == 0 {
            return;
        }
        let fits = |extent: usize, padding: usize, count: usize| {
            let room = extent.saturating_sub(padding).div_ceil(self.spread);
            room.min(count)
        };
        let (rows, kept) = (
            fits(self.padded[0], self.padding[0], height),
            fits(columns, self.padding[1], width),
        );
        let channels = x
            .chunks_exact(height * width)
            .zip(out.chunks_exact_mut(self.plane()));
        for (channel, plane) in channels {
            for (y, row) in channel.chunks_exact(width).take(rows).enumerate() {
                let start = (self.padding[0] + y * self.spread) * columns + self.padding[1];
                let row = &row[..kept];
                if self.spread == 1 {
                    copy(row, &mut plane[start..start + kept]);
                    continue;
                }
                for (x, value) in row.iter().enumerate() {
                    plane[start + x * self.spread] = *value;
                }
            }
        }
    }
}

/// Copies a row without a call, since rows are usually short.
#[inline(always)]
fn copy<T: Float>(from: &[T], to: &mut [T]) {
    let ((fours, rest), (to, last)) = (from.as_chunks::<4>(), to.as_chunks_mut::<4>());
    for (to, four) in to.iter_mut().zip(fours) {
        *to = *four;
    }
    for (to, value) in last.iter_mut().zip(rest) {
        *to = *value;
    }
}
