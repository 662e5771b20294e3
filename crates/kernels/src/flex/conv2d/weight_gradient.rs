//! The gradients of a convolution's kernel and bias.
//!
//! `dW[o, c, place] = Σ_{sample, p} g[o, p]·x[c, p·stride + place]`,
//! `db[o] = Σ_{sample, p} g[o, p]`

use crate::flex::float::Float;
use crate::flex::simd::add;
use rayon::prelude::*;

/// Numbers of the partial sums of all tasks together, at most, if there are more than four tasks.
const PARTIAL: usize = 1 << 23;
/// Steps per task, at least, if there are more than four tasks: each task has sums of its own to
/// clear and to add.
const STEPS: usize = 128;

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

/// The sums over all samples, from those over some samples that `share` makes in memory from
/// `scratch`. There are so many tiles, and so many steps per sample.
///
/// The number of tasks depends on sizes alone, and their sums are added in order.
pub(super) fn over_samples<T: Float, W, const MR: usize, const NR: usize>(
    of: &WeightGradient,
    [tiles, steps]: [usize; 2],
    [x, g]: [&[T]; 2],
    scratch: impl Fn() -> W + Sync + Send,
    share: impl Fn(&mut W, [&[T]; 2]) -> Sums<T, MR, NR> + Sync + Send,
) -> Sums<T, MR, NR> {
    let (input, output) = (
        of.channels * of.size[0] * of.size[1],
        of.outputs * of.pixels[0] * of.pixels[1],
    );
    let batch = g.len().checked_div(output).unwrap_or(0);
    let most = (PARTIAL / (tiles * MR * NR).max(1)).min(batch * steps / STEPS);
    let at_once = batch.div_ceil(most.clamp(4, 16)).max(1);
    let tasks = batch.div_ceil(at_once);
    let parts: Vec<_> = (0..tasks)
        .into_par_iter()
        .with_min_len(tasks.div_ceil(2 * rayon::current_num_threads()))
        .map_init(scratch, |scratch, task| {
            let samples = task * at_once..((task + 1) * at_once).min(batch);
            let x = &x[samples.start * input..samples.end * input];
            share(
                scratch,
                [x, &g[samples.start * output..samples.end * output]],
            )
        })
        .collect();
    let total = parts.into_iter().reduce(|mut total, part| {
        let (sums, more) = (total.0.as_flattened_mut(), part.0.as_flattened());
        add(sums.as_flattened_mut(), more.as_flattened());
        add(&mut total.1, &part.1);
        total
    });
    total.unwrap_or_else(|| {
        (
            vec![[[T::default(); NR]; MR]; tiles],
            vec![T::default(); of.outputs],
        )
    })
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
