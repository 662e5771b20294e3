//! The gradients of kernel and bias, however they are taken: `dW[o, c, place] = Σ_{sample, p} g[o, p]·x[c, p·stride + place]`,
//! `db[o] = Σ_{sample, p} g[o, p]`

use super::super::float::Float;
use super::super::simd::update_with;
use rayon::prelude::*;

/// Numbers that the partial sums of all tasks may take together, if there are more than four tasks.
const PARTIAL: usize = 1 << 23;
/// Steps of a task, if there are more than four: each has its own sums to clear and to add.
const STEPS: usize = 128;

/// Which output pixel sees which input pixels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Correspondence {
    /// Channels of the input.
    pub(super) channels: usize,
    /// Height and width of the input.
    pub(super) size: [usize; 2],
    /// Zeros around it.
    pub(super) padding: usize,
    /// Rows and columns of the kernel.
    pub(super) kernel: [usize; 2],
    /// From one output to the next.
    pub(super) stride: usize,
    /// Channels of the output.
    pub(super) outputs: usize,
    /// Height and width of the output.
    pub(super) pixels: [usize; 2],
}

/// The tiles of some samples' share, and the bias.
pub(super) type Sums<T, const MR: usize, const NR: usize> = (Vec<[[T; NR]; MR]>, Vec<T>);

/// The sum of the shares of all samples: of that many tiles, over that many steps a sample. `scratch` makes what a thread writes to.
///
/// The samples are dealt out among a number of tasks that depends on sizes alone, and the tasks' sums are added in order.
pub(super) fn over_samples<T: Float, W, const MR: usize, const NR: usize>(
    of: &Correspondence,
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
        update_with(sums.as_flattened_mut(), more.as_flattened(), |a, b| a + b);
        update_with(&mut total.1, &part.1, |a, b| a + b);
        total
    });
    total.unwrap_or_else(|| {
        (
            vec![[[T::default(); NR]; MR]; tiles],
            vec![T::default(); of.outputs],
        )
    })
}

/// Adds a sample's gradients, as many tiles wide for each pixel as the bias is, to that of the bias.
#[inline(always)]
pub(super) fn add_bias<T: Float, const NR: usize>(pixels: &[[T; NR]], bias: &mut [[f64; NR]]) {
    /// Pixels that are summed in their own precision before the sum is taken on in double.
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

/// The gradient of the bias, when all samples are added.
pub(super) fn bias_of<T: Float, const NR: usize>(sums: &[[f64; NR]], outputs: usize) -> Vec<T> {
    let sums = sums.as_flattened()[..outputs].iter();
    sums.map(|sum| T::of(*sum)).collect()
}
