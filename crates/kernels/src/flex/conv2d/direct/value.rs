//! The value: the columns of a tile are pixels, gathered for one place of the kernel after another.

use super::super::super::arch::arch;
use super::super::super::float::Float;
use super::super::super::simd;
use super::super::super::tile::{load, panels, product, store};
use super::super::correlate::{Correlation, Deal};
use super::super::gather::{Unpadded, by_run, gather, masked, run_length};
use rayon::prelude::*;

/// Pixels that are worth a task of their own.
const PIXELS: usize = 256;

/// The output, `[batch, outputs, height, width]`.
pub(in super::super) fn run<T: Float, const MR: usize, const NR: usize>(
    correlation: &Correlation,
    x: &[T],
    weight: &[T],
    bias: Option<&[T]>,
) -> Vec<T> {
    let Correlation {
        planes,
        kernel: [rows, columns],
        stride,
        outputs,
        size: [height, width],
    } = *correlation;
    let (pixels, sample) = (
        height * width,
        planes.channels * planes.size[0] * planes.size[1],
    );
    let batch = x.len().checked_div(sample).unwrap_or(0);
    let mut y = simd::zeros(batch * outputs * pixels);
    if y.is_empty() {
        return y;
    }
    let depth = planes.channels * rows * columns;
    let weight = panels::<T, MR>(weight, outputs, depth);
    let unpadded = Unpadded::of(correlation);
    // Where each place of the kernel lies from a pixel's own.
    let (plane, line) = match unpadded {
        Some(_) => (pixels, width),
        None => (planes.plane(), planes.padded[1]),
    };
    let places: Vec<usize> = (0..planes.channels)
        .flat_map(|c| {
            (0..rows).flat_map(move |i| (0..columns).map(move |j| c * plane + i * line + j))
        })
        .collect();
    let deal = Deal::new(outputs, batch, PIXELS.div_ceil(pixels), MR);
    let part = deal.channels;
    let run_of = match (unpadded, stride) {
        (Some(_), _) => run_length(pixels, NR),
        (None, 1) => run_length(width, NR),
        (None, _) => 1,
    };
    let masks = unpadded.map(|unpadded| unpadded.masks::<T>(run_of));
    let task = |(index, out): (usize, &mut [T])| {
        let samples = deal.samples(index, out.len(), pixels);
        let channel = deal.channel(index);
        let x = &x[samples.start * sample..samples.end * sample];
        let samples = samples.len();
        let buffer = match unpadded {
            Some(unpadded) => unpadded.framed(x),
            None => {
                let mut buffer = vec![T::default(); samples * planes.len()];
                planes.fill(x, &mut buffer);
                buffer
            }
        };
        let (step, line) = match unpadded {
            Some(_) => (sample, width),
            None => (planes.len(), line),
        };
        let mut starts: Vec<usize> = (0..samples)
            .flat_map(|s| {
                (0..height)
                    .flat_map(move |i| (0..width).map(move |j| s * step + (i * line + j) * stride))
            })
            .step_by(run_of)
            .collect();
        // The last tile may reach beyond the last pixel: its columns there are computed and not written.
        let tiles = (samples * pixels).div_ceil(NR);
        starts.resize(tiles * NR / run_of, starts.last().copied().unwrap_or(0));
        let task = Task {
            buffer: &buffer,
            starts: &starts,
            places: &places,
            masks: masks.as_deref(),
            weight: &weight[channel / MR * depth..],
            bias: bias.map(|bias| &bias[channel..channel + part]),
            outputs: part,
            pixels,
        };
        by_run!(run_of, NR, RUN => {
            let sliding: Sliding<'_, T, MR, NR, RUN> = Sliding { task, out };
            arch().dispatch(sliding)
        });
    };
    y.par_chunks_mut(deal.len(pixels))
        .enumerate()
        .for_each(task);
    y
}

/// Some samples, and some channels of their output.
struct Task<'a, T, const MR: usize> {
    buffer: &'a [T],
    starts: &'a [usize],
    places: &'a [usize],
    /// For each run of pixels of a plane and each place of the kernel, 0 where it falls outside the plane.
    masks: Option<&'a [T]>,
    weight: &'a [[T; MR]],
    bias: Option<&'a [T]>,
    outputs: usize,
    pixels: usize,
}

/// The task in runs of RUN pixels, and where its output goes.
struct Sliding<'a, T, const MR: usize, const NR: usize, const RUN: usize> {
    task: Task<'a, T, MR>,
    out: &'a mut [T],
}

impl<T: Float, const MR: usize, const NR: usize, const RUN: usize> pulp::WithSimd
    for Sliding<'_, T, MR, NR, RUN>
{
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, simd: S) {
        let Self { task, out } = self;
        let depth = task.places.len();
        let columns = out.len() / task.outputs;
        let mut gathered = vec![[T::default(); NR]; depth];
        for (t, starts) in task.starts.chunks_exact(NR / RUN).enumerate() {
            match task.masks {
                None => {
                    for (column, place) in gathered.iter_mut().zip(task.places) {
                        gather::<T, RUN>(task.buffer, starts, *place, column);
                    }
                }
                Some(masks) => {
                    let runs = task.pixels / RUN;
                    let places = masks.len() / task.pixels;
                    let ours: [&[T]; NR] = std::array::from_fn(|r| {
                        let run = (t * (NR / RUN) + r.min(NR / RUN - 1)) % runs;
                        &masks[run * places * RUN..(run + 1) * places * RUN]
                    });
                    let channels = gathered.chunks_exact_mut(places);
                    for (columns, offsets) in channels.zip(task.places.chunks_exact(places)) {
                        for (p, (column, offset)) in columns.iter_mut().zip(offsets).enumerate() {
                            masked::<T, NR, RUN>(task.buffer, starts, *offset, &ours, p, column);
                        }
                    }
                }
            }
            let panels = task.weight.chunks_exact(depth).enumerate();
            for (p, panel) in panels.take(task.outputs.div_ceil(MR)) {
                let rows = MR.min(task.outputs - p * MR);
                let mut sums = [[T::default(); NR]; MR];
                if let Some(bias) = task.bias {
                    for (sums, b) in sums.iter_mut().zip(&bias[p * MR..p * MR + rows]) {
                        *sums = [*b; NR];
                    }
                }
                let steps = panel.iter().zip(&gathered);
                store::<S, T, MR, NR>(product(simd, load::<S, T, MR, NR>(&sums), steps), &mut sums);
                for (r, sums) in sums.iter().enumerate().take(rows) {
                    // A tile may hold pixels of several samples.
                    let mut column = t * NR;
                    let end = (column + NR).min(columns);
                    let mut from = 0;
                    while column < end {
                        let (sample, pixel) = (column / task.pixels, column % task.pixels);
                        let count = (task.pixels - pixel).min(end - column);
                        let to = (sample * task.outputs + p * MR + r) * task.pixels + pixel;
                        out[to..to + count].copy_from_slice(&sums[from..from + count]);
                        column += count;
                        from += count;
                    }
                }
            }
        }
    }
}
