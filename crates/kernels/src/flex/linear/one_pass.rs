//! A small linear layer in one pass: nothing but x is read and nothing but y is written, since W
//! stays in the cache.

use crate::activation::Activation;
use crate::flex::activation::by_activation;
use crate::flex::float::Float;
use crate::flex::simd::CHUNK;
use crate::flex::tile::{Tiled, product_of_rows, store, zeros};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

/// Numbers of a weight up to which this is faster than a product that packs both its operands and
/// passes over its result again.
const WEIGHT: usize = 1 << 14;

/// Whether a weight of so many numbers is small enough, and there is something to sum.
pub(super) fn fits(weight: usize) -> bool {
    (1..=WEIGHT).contains(&weight)
}

/// `act(x·W + b)` of x `[rows, inputs]`, W `[inputs, outputs]` and b `[outputs]`.
pub(super) struct OnePass<'a, T> {
    pub(super) x: &'a [T],
    pub(super) weight: &'a [T],
    pub(super) bias: &'a [T],
    pub(super) activation: Activation,
}

impl<T: Float> Tiled<T> for OnePass<'_, T> {
    /// `[rows, outputs]`.
    type Output = Vec<T>;

    fn run<S: Simd, const MR: usize, const NR: usize>(self, simd: S) -> Vec<T> {
        let Self {
            x,
            weight,
            bias,
            activation,
        } = self;
        let outputs = bias.len();
        let inputs = weight.len() / outputs.max(1);
        let rows = x.len().checked_div(inputs).unwrap_or(0);
        let mut y = vec![T::default(); rows * outputs];
        if y.is_empty() {
            return y;
        }
        let panels = column_panels::<T, NR>(weight, outputs, inputs);
        let at_once = (CHUNK / (inputs + outputs) / MR).max(1) * MR;
        y.par_chunks_mut(at_once * outputs)
            .zip(x.par_chunks(at_once * inputs))
            .for_each(|(y, x)| {
                simd.vectorize(Rows::<'_, T, MR, NR> {
                    x,
                    panels: &panels,
                    bias,
                    activation,
                    y,
                });
            });
        y
    }
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
struct Rows<'a, T, const MR: usize, const NR: usize> {
    x: &'a [T],
    panels: &'a [[T; NR]],
    bias: &'a [T],
    activation: Activation,
    y: &'a mut [T],
}

impl<T: Float, const MR: usize, const NR: usize> WithSimd for Rows<'_, T, MR, NR> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let outputs = self.bias.len();
        let panels = self.bias.chunks(NR).len();
        let inputs = self.panels.len() / panels;
        let blocks = (self.y.chunks_mut(MR * outputs)).zip(self.x.chunks(MR * inputs));
        for (y, x) in blocks {
            // Rows beyond the last repeat the last. They are computed and not written.
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
                by_activation!(self.activation, value act => {
                    for (y, sums) in y.chunks_exact_mut(outputs).zip(&sums) {
                        let y = &mut y[p * NR..p * NR + bias.len()];
                        let pairs = sums.iter().zip(bias);
                        y.iter_mut().zip(pairs).for_each(|(y, (z, b))| *y = act(*z + *b));
                    }
                });
            }
        }
    }
}
