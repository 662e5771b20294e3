//! The value: lanes are tiles, and each of the 16 places is a product over the input channels.

use super::super::super::arch::arch;
use super::super::super::float::Float;
use super::super::super::simd;
use super::super::super::tile::{product, store, zeros};
use super::super::correlate::{Correlation, Deal};
use super::super::gather::{by_run, gather, run_length};
use super::{PLACES, filters, put, transform_back, transform_pixels};
use rayon::prelude::*;

/// The output, `[batch, outputs, height, width]`.
pub(in super::super) fn run<T: Float, const MR: usize, const NR: usize>(
    correlation: &Correlation,
    x: &[T],
    weight: &[T],
    bias: Option<&[T]>,
) -> Vec<T> {
    let Correlation {
        planes,
        outputs,
        size: [height, width],
        ..
    } = *correlation;
    let (pixels, channels) = (height * width, planes.channels);
    let sample = channels * pixels;
    let batch = x.len().checked_div(sample).unwrap_or(0);
    let mut y = simd::zeros(batch * outputs * pixels);
    if y.is_empty() {
        return y;
    }
    let filters = filters::of::<T, MR>(weight, outputs, channels);
    let deal = Deal::new(outputs, batch, (2 * NR).div_ceil(pixels / 4), MR);
    let (at_once, part) = (deal.at_once, deal.channels);
    // Tiles beside each other in a row.
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
        let samples = deal.samples(index, out.len(), pixels);
        let channel = deal.channel(index);
        let runs = samples.len() * pixels / 4 / run;
        let x = &x[samples.start * sample..samples.end * sample];
        planes.fill(x, &mut scratch.buffer);
        let panels = channel / MR..(channel + part).div_ceil(MR);
        let task = Task {
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
        };
        by_run!(run, NR, RUN => {
            let filtering: Filtering<'_, T, MR, NR, { 2 * RUN }> = Filtering { task, scratch, out };
            arch().dispatch(filtering)
        });
    };
    let size = deal.len(pixels);
    // A thread that goes on with the next task keeps what it writes to.
    let least = y.len().div_ceil(size * 2 * rayon::current_num_threads());
    y.par_chunks_mut(size)
        .enumerate()
        .with_min_len(least)
        .for_each_init(scratch, task);
    y
}

/// What a thread writes to, from one task to the next.
struct Scratch<T, const MR: usize, const NR: usize> {
    /// The samples with their borders.
    buffer: Vec<T>,
    /// The transformed pixels, `[places, channels]` of a tile's columns.
    columns: Vec<[T; NR]>,
    /// The sums, `[panels, places]`.
    sums: Vec<[[T; NR]; MR]>,
}

/// Some samples, and some channels of their output.
struct Task<'a, T, const MR: usize> {
    channels: usize,
    /// From one channel of the buffer to the next.
    plane: usize,
    /// From one row of the buffer to the next.
    line: usize,
    /// Where each run of tiles starts in the buffer.
    starts: &'a [usize],
    filters: &'a [[T; MR]],
    bias: Option<&'a [T]>,
    /// Where it starts in the output.
    ends: &'a [usize],
    outputs: usize,
    pixels: usize,
    width: usize,
}

/// The task in runs of tiles that are WIDE pixels wide, and where its output goes.
struct Filtering<'a, T, const MR: usize, const NR: usize, const WIDE: usize> {
    task: Task<'a, T, MR>,
    scratch: &'a mut Scratch<T, MR, NR>,
    out: &'a mut [T],
}

impl<T: Float, const MR: usize, const NR: usize, const WIDE: usize> pulp::WithSimd
    for Filtering<'_, T, MR, NR, WIDE>
{
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, simd: S) {
        let Self { task, scratch, out } = self;
        let Scratch {
            buffer,
            columns,
            sums,
        } = scratch;
        let channels = task.channels;
        let runs = 2 * NR / WIDE;
        let mut lines = [[[T::default(); NR]; 2]; 8];
        for (starts, ends) in task.starts.chunks(runs).zip(task.ends.chunks(runs)) {
            // Lanes beyond the last tile compute it again, and are not written.
            let mut all = [starts[starts.len() - 1]; NR];
            all[..starts.len()].copy_from_slice(starts);
            for c in 0..channels {
                for (l, line) in lines.iter_mut().enumerate() {
                    let offset = c * task.plane + l / 2 * task.line + l % 2 * 2;
                    gather::<T, WIDE>(buffer, &all[..runs], offset, line.as_flattened_mut());
                }
                for half in 0..2 {
                    let places = transform_pixels::<S, T>(simd, seen(simd, &lines, half));
                    put::<S, T, NR>(places, half, &mut columns[c..], channels);
                }
            }
            for (panel, sums) in sums.chunks_exact_mut(PLACES).enumerate() {
                let filters = &task.filters[panel * PLACES * channels..];
                let places = filters
                    .chunks_exact(channels)
                    .zip(columns.chunks_exact(channels));
                for (sums, (filter, columns)) in sums.iter_mut().zip(places) {
                    let steps = filter.iter().zip(columns);
                    store::<S, T, MR, NR>(product(simd, zeros::<S, T, MR>(simd), steps), sums);
                }
            }
            for o in 0..task.outputs {
                let sums = sums[o / MR * PLACES..]
                    .first_chunk()
                    .expect("a panel's places");
                let bias = task.bias.map_or(T::default(), |bias| bias[o]);
                let rows = output_rows::<S, T, MR, NR>(simd, sums, o % MR, bias);
                for (i, row) in rows.iter().enumerate() {
                    let (pairs, _) = row.as_flattened().as_chunks::<WIDE>();
                    for (end, run) in ends.iter().zip(pairs) {
                        let to = end + o * task.pixels + i * task.width;
                        out[to..to + WIDE].copy_from_slice(run);
                    }
                }
            }
        }
    }
}

/// Half of the pixels that tiles see: of 8 lines, each the even and odd pixels of two of a tile's four columns.
#[inline(always)]
fn seen<S: pulp::Simd, T: Float, const NR: usize>(
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

/// `Aᵀ m A + bias` of one output channel: two rows of pixels.
#[inline(always)]
fn output_rows<S: pulp::Simd, T: Float, const MR: usize, const NR: usize>(
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
