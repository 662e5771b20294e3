//! The value: the columns of a tile are pixels, gathered for one place of the kernel after another.

use crate::flex::conv2d::correlation::Correlation;
use crate::flex::conv2d::gather::{by_run, gather, masked, run_length};
use crate::flex::conv2d::split::Split;
use crate::flex::float::Float;
use crate::flex::simd::zeros;
use crate::flex::tile::{Tiled, load, panels, product, store};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

/// Pixels that are worth a task of their own.
const PIXELS: usize = 256;

/// The correlation of images with a kernel.
pub(in crate::flex::conv2d) struct Direct<'a, T> {
    pub(in crate::flex::conv2d) of: &'a Correlation,
    pub(in crate::flex::conv2d) x: &'a [T],
    pub(in crate::flex::conv2d) weight: &'a [T],
    pub(in crate::flex::conv2d) bias: Option<&'a [T]>,
}

impl<T: Float> Tiled<T> for Direct<'_, T> {
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
            kernel: [rows, columns],
            stride,
            outputs,
            size: [height, width],
        } = *of;
        let (pixels, sample) = (
            height * width,
            planes.channels * planes.size[0] * planes.size[1],
        );
        let batch = x.len().checked_div(sample).unwrap_or(0);
        let mut y = zeros(batch * outputs * pixels);
        if y.is_empty() {
            return y;
        }
        let depth = planes.channels * rows * columns;
        let weight = panels::<T, MR>(weight, outputs, depth);
        let unpadded = of.unpadded();
        let (plane, line) = match unpadded {
            Some(_) => (pixels, width),
            None => (planes.plane(), planes.padded[1]),
        };
        // The distance of each place of the kernel from a pixel.
        let places: Vec<usize> = (0..planes.channels)
            .flat_map(|c| {
                (0..rows).flat_map(move |i| (0..columns).map(move |j| c * plane + i * line + j))
            })
            .collect();
        let samples = PIXELS.div_ceil(pixels);
        let split = Split::new(outputs, batch, samples, MR, of.multiplications());
        let part = split.channels;
        let run_of = match (unpadded, stride) {
            (Some(_), _) => run_length(pixels, NR),
            (None, 1) => run_length(width, NR),
            (None, _) => 1,
        };
        let masks = unpadded.map(|unpadded| unpadded.masks::<T>(run_of));
        let task = |(index, out): (usize, &mut [T])| {
            let samples = split.samples(index, out.len(), pixels);
            let channel = split.channel(index);
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
                    (0..height).flat_map(move |i| {
                        (0..width).map(move |j| s * step + (i * line + j) * stride)
                    })
                })
                .step_by(run_of)
                .collect();
            // The last tile may reach beyond the last pixel. Its columns there are computed and not
            // written.
            let tiles = (samples * pixels).div_ceil(NR);
            starts.resize(tiles * NR / run_of, starts.last().copied().unwrap_or(0));
            let task = Task::<'_, T, MR, NR> {
                buffer: &buffer,
                starts: &starts,
                places: &places,
                masks: masks.as_deref(),
                weight: &weight[channel / MR * depth..],
                bias: bias.map(|bias| &bias[channel..channel + part]),
                outputs: part,
                pixels,
                run: run_of,
                out,
            };
            simd.vectorize(task);
        };
        y.par_chunks_mut(split.len(pixels))
            .enumerate()
            .for_each(task);
        y
    }
}

/// Some samples, and some channels of their output.
struct Task<'a, T, const MR: usize, const NR: usize> {
    buffer: &'a [T],
    /// Where each run of pixels begins in the buffer.
    starts: &'a [usize],
    /// The distance of each place of the kernel from a pixel.
    places: &'a [usize],
    /// For each run of pixels of a plane and each place of the kernel, 0 where it lies outside.
    masks: Option<&'a [T]>,
    weight: &'a [[T; MR]],
    bias: Option<&'a [T]>,
    outputs: usize,
    pixels: usize,
    /// The length of a run.
    run: usize,
    out: &'a mut [T],
}

impl<T: Float, const MR: usize, const NR: usize> WithSimd for Task<'_, T, MR, NR> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (outputs, pixels) = (self.outputs, self.pixels);
        let depth = self.places.len();
        let columns = self.out.len() / outputs;
        let mut gathered = vec![[T::default(); NR]; depth];
        for (t, starts) in self.starts.chunks_exact(NR / self.run).enumerate() {
            by_run!(self.run, NR, RUN => self.gather::<RUN>(t, starts, &mut gathered));
            let panels = self.weight.chunks_exact(depth).enumerate();
            for (p, panel) in panels.take(outputs.div_ceil(MR)) {
                let rows = MR.min(outputs - p * MR);
                let mut sums = [[T::default(); NR]; MR];
                if let Some(bias) = self.bias {
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
                        let (sample, pixel) = (column / pixels, column % pixels);
                        let count = (pixels - pixel).min(end - column);
                        let to = (sample * outputs + p * MR + r) * pixels + pixel;
                        self.out[to..to + count].copy_from_slice(&sums[from..from + count]);
                        column += count;
                        from += count;
                    }
                }
            }
        }
    }
}

impl<T: Float, const MR: usize, const NR: usize> Task<'_, T, MR, NR> {
    /// The columns of the t-th tile, in runs of RUN pixels: one column per place of the kernel.
    #[inline(always)]
    fn gather<const RUN: usize>(&self, t: usize, starts: &[usize], gathered: &mut [[T; NR]]) {
        let Some(masks) = self.masks else {
            for (column, place) in gathered.iter_mut().zip(self.places) {
                gather::<T, RUN>(self.buffer, starts, *place, column);
            }
            return;
        };
        let runs = self.pixels / RUN;
        let places = masks.len() / self.pixels;
        let ours: [&[T]; NR] = std::array::from_fn(|r| {
            let run = (t * (NR / RUN) + r.min(NR / RUN - 1)) % runs;
            &masks[run * places * RUN..(run + 1) * places * RUN]
        });
        let channels = gathered.chunks_exact_mut(places);
        for (columns, offsets) in channels.zip(self.places.chunks_exact(places)) {
            for (p, (column, offset)) in columns.iter_mut().zip(offsets).enumerate() {
                masked::<T, NR, RUN>(self.buffer, starts, *offset, &ours, p, column);
            }
        }
    }
}
