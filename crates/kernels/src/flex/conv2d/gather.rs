//! The planes of one sample with their zero border, and columns of pixels gathered from them.

use super::super::float::Float;

/// How the channels of a sample are laid out for a window to slide over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Planes {
    pub(super) channels: usize,
    /// Height and width of a channel.
    pub(super) size: [usize; 2],
    /// Rows and columns of zeros before the first.
    pub(super) padding: [usize; 2],
    /// From one pixel to the next: those between are zeros.
    pub(super) spread: usize,
    /// Height and width with everything.
    pub(super) padded: [usize; 2],
}

impl Planes {
    /// Numbers that one sample takes.
    pub(super) fn len(&self) -> usize {
        self.channels * self.plane()
    }

    /// Numbers that one channel takes.
    pub(super) fn plane(&self) -> usize {
        self.padded[0] * self.padded[1]
    }

    /// Lays a sample out; `out` holds zeros wherever no pixel falls. Pixels beyond the padded size are left out.
    pub(super) fn fill<T: Float>(&self, sample: &[T], out: &mut [T]) {
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
        let channels = sample
            .chunks_exact(height * width)
            .zip(out.chunks_exact_mut(self.plane()));
        for (channel, plane) in channels {
            for (y, row) in channel.chunks_exact(width).take(rows).enumerate() {
                let start = (self.padding[0] + y * self.spread) * columns + self.padding[1];
                let row = &row[..kept];
                match self.spread {
                    1 => plane[start..start + kept].copy_from_slice(row),
                    spread => {
                        for (x, value) in row.iter().enumerate() {
                            plane[start + x * spread] = *value;
                        }
                    }
                }
            }
        }
    }
}

/// The longest run of pixels that always lies in one row of the output, and so in one stretch of memory: a power of two.
pub(super) fn run_length(width: usize, stride: usize, most: usize) -> usize {
    if stride > 1 {
        return 1;
    }
    (1 << width.trailing_zeros()).min(most)
}

/// Copies NR pixels, in runs of RUN, from where `starts` says plus an offset.
#[inline(always)]
pub(super) fn gather<T: Float, const NR: usize, const RUN: usize>(
    planes: &[T],
    starts: &[usize],
    offset: usize,
    out: &mut [T; NR],
) {
    let (runs, _) = out.as_chunks_mut::<RUN>();
    for (run, start) in runs.iter_mut().zip(starts) {
        let from = start + offset;
        *run = *planes[from..from + RUN]
            .first_chunk()
            .expect("as long as the range");
    }
}
