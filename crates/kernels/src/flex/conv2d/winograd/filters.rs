//! 3×3 kernels as 16 places, and back.

use crate::flex::conv2d::correlation::Kernels;
use crate::flex::conv2d::winograd::PLACES;
use crate::flex::float::Float;
use crate::flex::simd::CHUNK;
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

/// `G g Gᵀ` as `[panels, places, channels, MR]`; outputs beyond the last are 0.
pub(super) fn of<S: Simd, T: Float, const MR: usize>(
    simd: S,
    weight: Kernels<'_, T>,
    outputs: usize,
    channels: usize,
) -> Vec<[T; MR]> {
    let panels = outputs.div_ceil(MR);
    let mut out = vec![[T::default(); MR]; panels * PLACES * channels];
    let panel = |(panel, out): (usize, &mut [[T; MR]])| {
        for c in 0..channels {
            let mut kernels = [[T::default(); MR]; 9];
            let rows = 0..MR.min(outputs - panel * MR);
            let rows = rows.map(|r| weight.at(panel * MR + r, c));
            for (r, kernel) in rows.enumerate() {
                let kernel: &[T; 9] = kernel.first_chunk().expect("3×3");
                for (p, value) in kernel.iter().enumerate() {
                    kernels[if weight.turned { 8 - p } else { p }][r] = *value;
                }
            }
            let mut columns = [[[T::default(); MR]; 4]; 3];
            for (j, column) in columns.iter_mut().enumerate() {
                *column = lines([&kernels[j], &kernels[3 + j], &kernels[6 + j]]);
            }
            for i in 0..4 {
                let row = lines([&columns[0][i], &columns[1][i], &columns[2][i]]);
                for (j, value) in row.iter().enumerate() {
                    out[(4 * i + j) * channels + c] = *value;
                }
            }
        }
    };
    out.par_chunks_mut(PLACES * channels)
        .with_min_len((CHUNK / (PLACES * channels * MR)).max(1))
        .enumerate()
        .for_each(|job| {
            simd.vectorize(
                #[inline(always)]
                || panel(job),
            );
        });
    out
}

/// `G g` of three lines.
#[inline(always)]
fn lines<T: Float, const MR: usize>([a, b, c]: [&[T; MR]; 3]) -> [[T; MR]; 4] {
    let half = T::of(0.5);
    let mut out = [*a, [T::default(); MR], [T::default(); MR], *c];
    for r in 0..MR {
        let (ends, middle) = (half * (a[r] + c[r]), half * b[r]);
        out[1][r] = ends + middle;
        out[2][r] = ends - middle;
    }
    out
}

/// `Gᵀ u G` of the sums u, tiles `[places, panels, lanes]`, as `[outputs, channels, 3, 3]`.
pub(super) fn gradient<S: Simd, T: Float, const MR: usize, const NR: usize>(
    simd: S,
    sums: &[[[T; NR]; MR]],
    outputs: usize,
    channels: usize,
) -> Vec<T> {
    let mut out = vec![T::default(); outputs * channels * 9];
    out.par_chunks_mut(MR * channels * 9)
        .enumerate()
        .for_each(|(panel, out)| {
            simd.vectorize(Panel {
                sums,
                panel,
                panels: outputs.div_ceil(MR),
                channels,
                out,
            });
        });
    out
}

/// MR outputs.
struct Panel<'a, T, const MR: usize, const NR: usize> {
    sums: &'a [[[T; NR]; MR]],
    panel: usize,
    panels: usize,
    channels: usize,
    out: &'a mut [T],
}

impl<T: Float, const MR: usize, const NR: usize> WithSimd for Panel<'_, T, MR, NR> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let lanes = self.channels.div_ceil(NR);
        for (r, out) in self.out.chunks_exact_mut(self.channels * 9).enumerate() {
            for (lane, out) in out.chunks_mut(NR * 9).enumerate() {
                let first = self.panel * lanes + lane;
                let places = self.sums[first..].iter().step_by(self.panels * lanes);
                let mut sums = [&self.sums[first][r]; PLACES];
                for (sums, place) in sums.iter_mut().zip(places) {
                    *sums = &place[r];
                }
                let mut kernel = [[T::default(); NR]; 9];
                for half in 0..2 {
                    let mut rows = [[T::splat(simd, T::default()); 3]; 4];
                    for (row, sums) in rows.iter_mut().zip(sums.as_chunks::<4>().0) {
                        let mut lines = [T::splat(simd, T::default()); 4];
                        for (line, sums) in lines.iter_mut().zip(sums) {
                            *line = T::vectors::<S>(&sums[..])[half];
                        }
                        *row = gradient_lines::<S, T>(simd, lines);
                    }
                    for j in 0..3 {
                        let lines = [rows[0][j], rows[1][j], rows[2][j], rows[3][j]];
                        let lines = gradient_lines::<S, T>(simd, lines);
                        for (i, line) in lines.into_iter().enumerate() {
                            T::vectors_mut::<S>(&mut kernel[3 * i + j])[half] = line;
                        }
                    }
                }
                for (c, out) in out.chunks_exact_mut(9).enumerate() {
                    for (out, kernel) in out.iter_mut().zip(&kernel) {
                        *out = kernel[c];
                    }
                }
            }
        }
    }
}

/// `Gᵀ u` of four lines.
#[inline(always)]
fn gradient_lines<S: Simd, T: Float>(
    simd: S,
    [a, b, c, d]: [T::Vector<S>; 4],
) -> [T::Vector<S>; 3] {
    let half = T::splat(simd, T::of(0.5));
    let (sum, difference) = (T::add_lanes(simd, b, c), T::sub_lanes(simd, b, c));
    let none = T::splat(simd, T::default());
    [
        T::fma_lanes(simd, half, sum, a),
        T::fma_lanes(simd, half, difference, none),
        T::fma_lanes(simd, half, sum, d),
    ]
}
