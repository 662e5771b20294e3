//! The pixels that a window meets, and columns of them gathered for a tile.
//!
//! Where the output is as large as the input, pixels are read as they lie in the sample, with nothing between its rows, and those beyond a
//! border are masked; everywhere else they are read from planes laid out with their zeros.

use super::super::float::Float;
use super::correlate::Correlation;

/// Masks up to which they are worth making: a channel of 128×128 pixels under a kernel of 3×3.
const MASKS: usize = 128 * 128 * 9;

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

    /// Lays samples out; `out` holds zeros wherever no pixel falls. Pixels beyond the padded size are left out.
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
                match self.spread {
                    1 => copy(row, &mut plane[start..start + kept]),
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

/// Copies a row, which is short as a rule, without a call.
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

/// A window of stride 1 whose output is as large as its input: the pixel that a place of the kernel meets lies at one distance from
/// the output's, across rows and channels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unpadded {
    size: [usize; 2],
    padding: [usize; 2],
    kernel: [usize; 2],
}

impl Unpadded {
    pub(super) fn of(correlation: &Correlation) -> Option<Self> {
        let Correlation { planes, kernel, .. } = *correlation;
        let same = correlation.stride == 1 && planes.spread == 1 && planes.size == correlation.size;
        let masks = planes.size[0] * planes.size[1] * kernel[0] * kernel[1];
        (same && masks <= MASKS).then_some(Self {
            size: planes.size,
            padding: planes.padding,
            kernel,
        })
    }

    /// Samples with room before and behind for what a window reads beyond them.
    pub(super) fn framed<T: Float>(&self, x: &[T]) -> Vec<T> {
        let [before, behind] = [[0, 0], [self.kernel[0] - 1, self.kernel[1] - 1]].map(|[i, j]| {
            (self.padding[0].abs_diff(i)) * self.size[1] + self.padding[1].abs_diff(j)
        });
        let mut out = Vec::with_capacity(before + x.len() + behind);
        out.resize(before, T::default());
        out.extend_from_slice(x);
        out.resize(before + x.len() + behind, T::default());
        out
    }

    /// For each run of pixels and each place of the kernel, 1 where the pixel met lies inside, 0 where it doesn't.
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
                        let met = inside(p / width, i, self.padding[0], height)
                            && inside(p % width, j, self.padding[1], width);
                        if met { T::ONE } else { T::default() }
                    }));
                }
            }
        }
        out
    }
}

/// The longest run that any stretch of a length is made of: a power of two.
pub(super) fn run_length(length: usize, most: usize) -> usize {
    (1 << length.trailing_zeros()).min(most)
}

/// Evaluates an expression with a constant for the run's length.
macro_rules! by_run {
    ($run:expr, $most:ident, $name:ident => $body:expr) => {
        by_run!(@ $run, $most, $name => $body; 1 2 4 8 16 32)
    };
    (@ $run:expr, $most:ident, $name:ident => $body:expr; $($length:literal)*) => {
        match $run {
            $($length if $length <= $most => {
                const $name: usize = $length;
                $body
            })*
            _ => unreachable!("a power of two up to the tile's width"),
        }
    };
}
pub(super) use by_run;

/// [`gather`], with 0 where the mask of a run at the p-th place of the kernel is 0.
#[inline(always)]
pub(super) fn masked<T: Float, const NR: usize, const RUN: usize>(
    pixels: &[T],
    starts: &[usize],
    offset: usize,
    masks: &[&[T]; NR],
    p: usize,
    out: &mut [T; NR],
) {
    let (runs, _) = out.as_chunks_mut::<RUN>();
    for ((run, start), masks) in runs.iter_mut().zip(starts).zip(masks) {
        let from = start + offset;
        const LENGTH: &str = "as long as the range";
        // Whole arrays, so that they are loaded first and chosen from then.
        let pixels: [T; RUN] = *pixels[from..from + RUN].first_chunk().expect(LENGTH);
        let mask: [T; RUN] = *masks[p * RUN..(p + 1) * RUN].first_chunk().expect(LENGTH);
        for l in 0..RUN {
            run[l] = if mask[l] == T::ONE {
                pixels[l]
            } else {
                T::default()
            };
        }
    }
}

/// Fills a slice with runs of RUN pixels, from where `starts` says plus an offset.
#[inline(always)]
pub(super) fn gather<T: Float, const RUN: usize>(
    planes: &[T],
    starts: &[usize],
    offset: usize,
    out: &mut [T],
) {
    let (runs, _) = out.as_chunks_mut::<RUN>();
    for (run, start) in runs.iter_mut().zip(starts) {
        let from = start + offset;
        *run = *planes[from..from + RUN]
            .first_chunk()
            .expect("as long as the range");
    }
}
