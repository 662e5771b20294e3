//! The gradients of a convolution's kernel and bias.
//!
//! `dW[o, c, place] = Σ_{sample, p} g[o, p]·x[c, p·stride + place]`,
//! `db[o] = Σ_{sample, p} g[o, p]`

use crate::flex::float::Float;
use crate::flex::simd::add;
use rayon::prelude::*;
use std::ops::Range;

/// Numbers of the partial sums of all tasks together, at most, if there are more than four tasks.
const PARTIAL: usize = 1 << 23;
/// Steps per task, at least, if there are more than four tasks: each task has sums of its own to
/// clear and to add.
const STEPS: usize = 128;

/// Numbers of the sums from which on tasks share the outputs too, so that fewer sums are cleared
/// and added: those of 128 channels to as many.
const LARGE: usize = 1 << 18;
/// Steps per task then.
const LONG: usize = 1 << 10;

/// The sizes of a convolution whose gradients are wanted.
#[derive(Debug, Clone, Copy)]
pub(super) struct WeightGradient {
    /// Channels of the input.
    pub(super) channels: usize,
    /// Height and width of the input.
    pub(super) size: [usize; 2],
    /// Zeros on every side of the input.
    pub(super) padding: usize,
    /// Rows and columns of the kernel.
    pub(super) kernel: [usize; 2],
    /// Pixels from one output to the next.
    pub(super) stride: usize,
    /// Channels of the output.
    pub(super) outputs: usize,
    /// Height and width of the output.
    pub(super) pixels: [usize; 2],
}

/// The tiles of the kernel's gradient and the gradient of the bias, summed over some samples.
pub(super) type Sums<T, const MR: usize, const NR: usize> = (Vec<[[T; NR]; MR]>, Vec<T>);

/// What the gradient of a kernel takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Work {
    /// Tiles of sums.
    pub(super) tiles: usize,
    /// Steps per sample.
    pub(super) steps: usize,
    /// Outputs that stay together where tasks share the outputs.
    pub(super) unit: usize,
}

/// The sums over all samples of each part of the outputs, from those over some samples that `share`
/// makes in memory from `scratch`. An empty batch has none.
///
/// How many tasks share the samples depends on sizes alone, and their sums are added in order. How
/// many share the outputs changes no number.
pub(super) fn over_samples<T: Float, W, const MR: usize, const NR: usize>(
    of: &WeightGradient,
    work: Work,
    [x, g]: [&[T]; 2],
    scratch: impl Fn() -> W + Sync + Send,
    share: impl Fn(&mut W, Range<usize>, [&[T]; 2]) -> Sums<T, MR, NR> + Sync + Send,
) -> Vec<Sums<T, MR, NR>> {
    let (input, output) = (
        of.channels * of.size[0] * of.size[1],
        of.outputs * of.pixels[0] * of.pixels[1],
    );
    let batch = g.len().checked_div(output).unwrap_or(0);
    let threads = rayon::current_num_threads();
    let (shares, parts) = if work.tiles * MR * NR >= LARGE && work.unit < of.outputs {
        let shares = (batch * work.steps / LONG).clamp(1, 16);
        (shares, threads.div_ceil(shares))
    } else {
        let most = (PARTIAL / (work.tiles * MR * NR).max(1)).min(batch * work.steps / STEPS);
        (most.clamp(4, 16), 1)
    };
    let at_once = batch.div_ceil(shares).max(1);
    let shares = batch.div_ceil(at_once);
    let outputs = of.outputs.div_ceil(work.unit).div_ceil(parts) * work.unit;
    let parts = of.outputs.div_ceil(outputs.max(1));
    let sums: Vec<_> = (0..parts * shares)
        .into_par_iter()
        .with_min_len((parts * shares).div_ceil(2 * threads))
        .map_init(scratch, |scratch, task| {
            let (part, task) = (task / shares, task % shares);
            let outputs = part * outputs..((part + 1) * outputs).min(of.outputs);
            let samples = task * at_once..((task + 1) * at_once).min(batch);
            let x = &x[samples.start * input..samples.end * input];
            let g = &g[samples.start * output..samples.end * output];
            share(scratch, outputs, [x, g])
        })
        .collect();
    let mut sums = sums.into_iter();
    let total = |_| {
        let of_part = sums.by_ref().take(shares);
        of_part.reduce(|mut total, more| {
            let (sums, more_sums) = (total.0.as_flattened_mut(), more.0.as_flattened());
            add(sums.as_flattened_mut(), more_sums.as_flattened());
            add(&mut total.1, &more.1);
            total
        })
    };
    (0..parts).filter_map(total).collect()
}

/// Adds the gradients of a sample's pixels, each as many tiles wide as the bias, to the gradient of
/// the bias.
#[inline(always)]
pub(super) fn add_bias<T: Float, const NR: usize>(pixels: &[[T; NR]], bias: &mut [[f64; NR]]) {
    /// Pixels that are summed in their own precision, before their sums are added in double.
    const BLOCK: usize = 32;
    let width = bias.len();
    for (lane, bias) in bias.iter_mut().enumerate() {
        for block in pixels.chunks(BLOCK * width) {
            let mut total = [T::default(); NR];
            for pixel in block[lane..].iter().step_by(width) {
                for l in 0..NR {
                    total[l] += pixel[l];
                }
            }
            for l in 0..NR {
                bias[l] += total[l].into();
            }
        }
    }
}

/// The gradient of the bias in its own precision.
pub(super) fn bias_of<T: Float, const NR: usize>(sums: &[[f64; NR]], outputs: usize) -> Vec<T> {
    let sums = sums.as_flattened()[..outputs].iter();
    sums.map(|sum| T::of(*sum)).collect()
}
