//! Columns of a tile, gathered from runs of pixels.

use crate::flex::float::Float;

/// The longest run, a power of two, that divides a length.
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
        // Whole arrays are loaded first, so that choosing between them needs no branch.
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

/// Fills a slice with runs of RUN pixels that begin at `starts`, each plus an offset.
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
