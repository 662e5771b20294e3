//! The value: lanes are tiles, and each of the 16 places is a product over the input channels.

use crate::flex::conv2d::correlation::{Correlation, Kernels};
use crate::flex::conv2d::gather::{by_run, gather, run_length};
use crate::flex::conv2d::split::Split;
use crate::flex::conv2d::winograd::{PLACES, filters, put, transform_back, transform_pixels};
use crate::flex::float::Float;
use crate::flex::simd::zeros as zeroed;
use crate::flex::tile::{Tiled, product, store, zeros};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

/// The correlation of images with a 3×3 kernel.
pub(in crate::flex::conv2d) struct Winograd<'a, T> {
    pub(in crate::flex::conv2d) of: &'a Correlation,
    pub(in crate::flex::conv2d) x: &'a [T],
    pub(in crate::flex::conv2d) weight: Kernels<'a, T>,
    pub(in crate::flex::conv2d) bias: Option<&'a [T]>,
}

impl<T: Float> Tiled<T> for Winograd<'_, T> {
    /// `[batch, outputs, height, width]`.
    type Output = Vec<T>;

    fn run<S: Simd, const MR: usize, const NR: usize>(self, simd: S) -> Vec<T> {
        let Self {
            of,
            x,
            weight,
            bias,
        } = self;
        let Correlation {
            planes,
            outputs,
            size: [height, width],
            ..
        } = *of;
        let (pixels, channels) = (height * width, planes.channels);
        let sample = channels * pixels;
        let batch = x.len().checked_div(sample).unwrap_or(0);
        let mut y = zeroed(batch * outputs * pixels);
        if y.is_empty() {
            return y;
        }
        let filters = filters::of::<S, T, MR>(simd, weight, outputs, channels);
        let samples = (2 * NR).div_ceil(pixels / 4);
        let split = Split::new(outputs, batch, samples, MR, of.multiplications());
        let (at_once, part) = (split.at_once, split.channels);
        // Tiles side by side in a row.
        let run = run_length(width / 2, NR);
        let tiles = |sample: usize, line: usize| -> Vec<usize> {
            let rows =
                (0..at_once).flat_map(|s| (0..height / 2).map(move |i| s * sample + 2 * i * line));
            rows.flat_map(|row| (0..width / 2).step_by(run).map(move |j| row + 2 * j))
                .collect()
        };
        let (starts, ends) = (
            tiles(planes.len(), planes.padded[1]),
            tiles(part * pixels, width),
        );
        let scratch = || Scratch::<T, MR, NR> {
            buffer: vec![T::default(); at_once * planes.len()],
            columns: vec![[T::default(); NR]; PLACES * channels],
            sums: vec![[[T::default(); NR]; MR]; PLACES * part.div_ceil(MR)],
        };
        let task = |scratch: &mut Scratch<T, MR, NR>, (index, out): (usize, &mut [T])| {
            let samples = split.samples(index, out.len(), pixels);
            let channel = split.channel(index);
            let runs = samples.len() * pixels / 4 / run;
            let x = &x[samples.start * sample..samples.end * sample];
            planes.fill(x, &mut scratch.buffer);
            let panels = channel / MR..(channel + part).div_ceil(MR);
            let task = Task::<'_, T, MR, NR> {
                channels,
                plane: planes.plane(),
                line: planes.padded[1],
                starts: &starts[..runs],
                filters: &filters[panels.start * PLACES * channels..panels.end * PLACES * channels],
                bias: bias.map(|bias| &bias[channel..channel + part]),
                ends: &ends[..runs],
                outputs: part,
                pixels,
                width,
                run,
                scratch,
                out,
            };
            simd.vectorize(task);
        };
        let size = split.len(pixels);
        // A thread uses the same scratch memory for all its tasks.
        let least = y.len().div_ceil(size * 2 * rayon::current_num_threads());
        y.par_chunks_mut(size)
            .enumerate()
            .with_min_len(least)
            .for_each_init(scratch, task);
        y
    }
}

/// Memory that a thread writes to, in one task after another.
struct Scratch<T, const MR: usize, const NR: usize> {
    /// The samples with their padding.
    buffer: Vec<T>,
    /// The transformed pixels, `[places, channels]`.
    columns: Vec<[T; NR]>,
    /// The sums, `[panels, places]`.
    sums: Vec<[[T; NR]; MR]>,
}

/// Some samples, and some channels of their output.
struct Task<'a, T, const MR: usize, const NR: usize> {
    channels: usize,
    /// From one channel of the buffer to the next.
    plane: usize,
    /// From one row of the buffer to the next.
    line: usize,
    /// Where each run of tiles begins in the buffer.
    starts: &'a [usize],
    filters: &'a [[T; MR]],
    bias: Option<&'a [T]>,
    /// Where each run of tiles begins in the output.
    ends: &'a [usize],
    outputs: usize,
    pixels: usize,
    width: usize,
    /// Tiles per run.
    run: usize,
    scratch: &'a mut Scratch<T, MR, NR>,
    out: &'a mut [T],
}

impl<T: Float, const MR: usize, const NR: usize> WithSimd for Task<'_, T, MR, NR> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Scratch {
            buffer,
            columns,
            sums,
        } = self.scratch;
        let channels = self.channels;
        let runs = NR / self.run;
        let mut lines = [[[T::default(); NR]; 2]; 8];
        for (starts, ends) in self.starts.chunks(runs).zip(self.ends.chunks(runs)) {
            // Lanes beyond the last tile compute it again, and are not written.
            let mut all = [starts[starts.len() - 1]; NR];
            all[..starts.len()].copy_from_slice(starts);
            for c in 0..channels {
                let of = |l: usize| c * self.plane + l / 2 * self.line + l % 2 * 2;
                by_run!(self.run, NR, RUN => {
                    for (l, line) in lines.iter_mut().enumerate() {
                        let line = line.as_flattened_mut();
                        gather::<T, { 2 * RUN }>(buffer, &all[..runs], of(l), line);
                    }
                });
                for half in 0..2 {
                    let places = transform_pixels::<S, T>(simd, seen(simd, &lines, half));
                    put::<S, T, NR>(places, half, &mut columns[c..], channels);
                }
            }
            for (panel, sums) in sums.chunks_exact_mut(PLACES).enumerate() {
                let filters = &self.filters[panel * PLACES * channels..];
                let places = filters
                    .chunks_exact(channels)
                    .zip(columns.chunks_exact(channels));
                for (sums, (filter, columns)) in sums.iter_mut().zip(places) {
                    let steps = filter.iter().zip(columns);
                    store::<S, T, MR, NR>(product(simd, zeros::<S, T, MR>(simd), steps), sums);
                }
            }
            for o in 0..self.outputs {
                let sums = sums[o / MR * PLACES..]
                    .first_chunk()
                    .expect("a panel's places");
                let bias = self.bias.map_or(T::default(), |bias| bias[o]);
                let rows = output_rows::<S, T, MR, NR>(simd, sums, o % MR, bias);
                for (i, row) in rows.iter().enumerate() {
                    let out = &mut self.out[o * self.pixels + i * self.width..];
                    by_run!(self.run, NR, RUN => {
                        let (pairs, _) = row.as_flattened().as_chunks::<{ 2 * RUN }>();
                        for (end, run) in ends.iter().zip(pairs) {
                            out[*end..end + 2 * RUN].copy_from_slice(run);
                        }
                    });
                }
            }
        }
    }
}

/// Half of the pixels that the tiles depend on. Each of the 8 lines has the even and odd pixels of
/// two of a tile's four columns.
#[inline(always)]
fn seen<S: Simd, T: Float, const NR: usize>(
    simd: S,
    lines: &[[[T; NR]; 2]; 8],
    half: usize,
) -> [[T::Vector<S>; 4]; 4] {
    let mut rows = [[T::splat(simd, T::default()); 4]; 4];
    let pairs = rows.as_flattened_mut().as_chunks_mut::<2>().0;
    for (pair, line) in pairs.iter_mut().zip(lines) {
        let line = T::vectors::<S>(line.as_flattened());
        *pair = T::unzip_lanes(simd, [line[2 * half], line[2 * half + 1]]);
    }
    rows
}

/// `Aᵀ m A + bias` of one output channel, as two rows of pixels.
#[inline(always)]
fn output_rows<S: Simd, T: Float, const MR: usize, const NR: usize>(
    simd: S,
    sums: &[[[T; NR]; MR]; PLACES],
    row: usize,
    bias: T,
) -> [[[T; NR]; 2]; 2] {
    let bias = T::splat(simd, bias);
    let mut out = [[[T::default(); NR]; 2]; 2];
    for half in 0..2 {
        let mut places = [[T::splat(simd, T::default()); 4]; 4];
        for (place, sums) in places.as_flattened_mut().iter_mut().zip(sums) {
            *place = T::vectors::<S>(&sums[row])[half];
        }
        let pairs = transform_back::<S, T>(simd, places);
        for (out, [even, odd]) in out.iter_mut().zip(pairs) {
            let pair = [
                T::add_lanes(simd, even, bias),
                T::add_lanes(simd, odd, bias),
            ];
            let line = T::vectors_mut::<S>(out.as_flattened_mut());
            line[2 * half..2 * half + 2].copy_from_slice(&T::zip_lanes(simd, pair));
        }
    }
    out
}
