//! `y = act(x·W + b)` in one pass, where W fits the cache: nothing but x is read and nothing but y written.

use super::CHUNK;
use super::arch::arch;
use super::float::Float;
use super::tile::{product_of_rows, store, zeros};
use rayon::prelude::*;

/// Numbers of a weight up to which this beats a product that packs both its sides and passes over its result again.
const WEIGHT: usize = 1 << 14;

/// Whether a weight of this size is small enough, and there is something to sum.
pub(super) fn takes(weight: usize) -> bool {
    (1..=WEIGHT).contains(&weight)
}

/// `[rows, outputs]` from `[rows, inputs]`, `[inputs, outputs]` and `[outputs]`.
pub(super) fn run<T: Float, const MR: usize, const NR: usize>(
    x: &[T],
    weight: &[T],
    bias: &[T],
    act: impl Fn(T) -> T + Sync,
) -> Vec<T> {
    let outputs = bias.len();
    let inputs = weight.len() / outputs.max(1);
    let rows = x.len().checked_div(inputs).unwrap_or(0);
    let mut y = vec![T::default(); rows * outputs];
    if y.is_empty() {
        return y;
    }
    let panels = column_panels::<T, NR>(weight, outputs, inputs);
    let at_once = (CHUNK / (inputs + outputs) / MR).max(1) * MR;
    (y.par_chunks_mut(at_once * outputs))
        .zip(x.par_chunks(at_once * inputs))
        .for_each(|(y, x)| {
            arch().dispatch(Task::<'_, T, _, MR, NR> {
                x,
                panels: &panels,
                bias,
                act: &act,
                y,
            });
        });
    y
}

/// `[inputs, outputs]` → panels of NR columns, each `[inputs, NR]`; columns beyond the last are 0.
fn column_panels<T: Float, const NR: usize>(
    weight: &[T],
    outputs: usize,
    inputs: usize,
) -> Vec<[T; NR]> {
    let mut out = vec![[T::default(); NR]; outputs.div_ceil(NR) * inputs];
    for (k, row) in weight.chunks_exact(outputs).enumerate() {
        for (p, columns) in row.chunks(NR).enumerate() {
            out[p * inputs + k][..columns.len()].copy_from_slice(columns);
        }
    }
    out
}

/// Some rows.
struct Task<'a, T, A, const MR: usize, const NR: usize> {
    x: &'a [T],
    panels: &'a [[T; NR]],
    bias: &'a [T],
    act: &'a A,
    y: &'a mut [T],
}

impl<T: Float, A: Fn(T) -> T, const MR: usize, const NR: usize> pulp::WithSimd
    for Task<'_, T, A, MR, NR>
{
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, simd: S) {
        let outputs = self.bias.len();
        let panels = self.bias.chunks(NR).len();
        let inputs = self.panels.len() / panels;
        let blocks = (self.y.chunks_mut(MR * outputs)).zip(self.x.chunks(MR * inputs));
        for (y, x) in blocks {
            // Rows beyond the last are the last again, computed and not written.
            let last = x.len() / inputs - 1;
            let rows: [&[T]; MR] = std::array::from_fn(|i| {
                let start = i.min(last) * inputs;
                &x[start..start + inputs]
            });
            let columns = self.panels.chunks_exact(inputs).zip(self.bias.chunks(NR));
            for (p, (panel, bias)) in columns.enumerate() {
                let mut sums = [[T::default(); NR]; MR];
                let tile = product_of_rows(simd, zeros::<S, T, MR>(simd), rows, panel);
                store::<S, T, MR, NR>(tile, &mut sums);
                for (y, sums) in y.chunks_exact_mut(outputs).zip(&sums) {
                    let y = &mut y[p * NR..p * NR + bias.len()];
                    let pairs = sums.iter().zip(bias);
                    y.iter_mut()
                        .zip(pairs)
                        .for_each(|(y, (z, b))| *y = (self.act)(*z + *b));
                }
            }
        }
    }
}
