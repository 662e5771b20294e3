//! `dW[o, c, place] = Σ_{sample, p} g[o, p]·x[c, p·stride + place]`, `db[o] = Σ_{sample, p} g[o, p]`

use super::super::float::Float;
use super::super::simd::{sum, update_with};
use super::super::tile::transpose;
use super::{direct, winograd};
use rayon::prelude::*;

/// Numbers that the partial sums of all tasks may take together.
const PARTIAL: usize = 1 << 23;

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

/// `[outputs, channels, rows, columns]` and `[outputs]`.
pub(super) fn run<T: Float, const MR: usize, const NR: usize>(
    of: &Correspondence,
    x: &[T],
    g: &[T],
) -> (Vec<T>, Vec<T>) {
    match winograd::pays(
        of.kernel,
        of.stride,
        [of.size, of.pixels],
        [of.channels, of.outputs],
    ) {
        true => winograd::weight::run::<T, MR, NR>(of, x, g),
        false => direct::weight::run::<T, MR, NR>(of, x, g),
    }
}

/// The tiles of some samples' share, and the bias.
pub(super) type Sums<T, const MR: usize, const NR: usize> = (Vec<[[T; NR]; MR]>, Vec<T>);

/// The sum of the shares of all samples, each of that many tiles.
///
/// The samples are dealt out among a number of tasks that depends on sizes alone, and the tasks' sums are added in order.
pub(super) fn over_samples<T: Float, const MR: usize, const NR: usize>(
    of: &Correspondence,
    tiles: usize,
    x: &[T],
    g: &[T],
    share: impl Fn(&[T], &[T]) -> Sums<T, MR, NR> + Sync,
) -> Sums<T, MR, NR> {
    let (input, output) = (
        of.channels * of.size[0] * of.size[1],
        of.outputs * of.pixels[0] * of.pixels[1],
    );
    let batch = g.len().checked_div(output).unwrap_or(0);
    let tasks = (PARTIAL / (tiles * MR * NR).max(1)).clamp(4, 16);
    let at_once = batch.div_ceil(tasks).max(1);
    let parts: Vec<_> = (0..batch.div_ceil(at_once))
        .into_par_iter()
        .map(|task| {
            let samples = task * at_once..((task + 1) * at_once).min(batch);
            share(
                &x[samples.start * input..samples.end * input],
                &g[samples.start * output..samples.end * output],
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

/// Adds the gradients of some samples, `[samples, outputs, pixels]`, to that of the bias.
#[inline(always)]
pub(super) fn add_bias<T: Float>(g: &[T], pixels: usize, bias: &mut [T]) {
    for g in g.chunks_exact(bias.len() * pixels) {
        for (bias, g) in bias.iter_mut().zip(g.chunks_exact(pixels)) {
            *bias += sum(g, |g| g);
        }
    }
}

/// Lays a sample out with its channels beside each other, a row of `row` numbers a pixel, a multiple of NR, inside a
/// border that is not written.
#[inline(always)]
pub(super) fn beside<S: pulp::Simd, T: Float, const NR: usize>(
    simd: S,
    x: &[T],
    [channels, height, width]: [usize; 3],
    padding: usize,
    out: &mut [T],
    row: usize,
) {
    let pixels = height * width;
    if padding == 0 {
        return transpose::<S, T, NR>(simd, x, pixels, [channels, pixels], out, row);
    }
    let line = width + 2 * padding;
    for y in 0..height {
        let start = ((y + padding) * line + padding) * row;
        let (x, out) = (&x[y * width..], &mut out[start..start + width * row]);
        transpose::<S, T, NR>(simd, x, pixels, [channels, width], out, row);
    }
}
