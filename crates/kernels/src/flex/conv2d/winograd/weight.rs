//! The gradient of the kernel: lanes are channels, and each of the 16 places is a product over the tiles.

use super::super::super::float::Float;
use super::super::super::tile::{load, product, store};
use super::super::correspond::{Correspondence, Sums, add_bias, beside, over_samples};
use super::{PLACES, filters, scatter_lines, spread_lines};
use pulp::Simd;

/// Bytes that the transformed tiles may take: half of what a processor's second cache holds at least.
const CACHE: usize = 1 << 19;

/// `[outputs, channels, 3, 3]` and `[outputs]`.
pub(in super::super) fn run<T: Float, const MR: usize, const NR: usize>(
    of: &Correspondence,
    x: &[T],
    g: &[T],
) -> (Vec<T>, Vec<T>) {
    let (outputs, channels) = (of.outputs, of.channels);
    let tiles = PLACES * outputs.div_ceil(MR) * channels.div_ceil(NR);
    let (sums, db) = over_samples(of, tiles, x, g, |x, g| {
        let share: Share<'_, T, MR, NR> = Share { of, x, g };
        pulp::Arch::new().dispatch(share)
    });
    (filters::gradient(&sums, outputs, channels), db)
}

/// Some samples.
struct Share<'a, T, const MR: usize, const NR: usize> {
    of: &'a Correspondence,
    x: &'a [T],
    g: &'a [T],
}

impl<T: Float, const MR: usize, const NR: usize> pulp::WithSimd for Share<'_, T, MR, NR> {
    type Output = Sums<T, MR, NR>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Sums<T, MR, NR> {
        let Correspondence {
            channels,
            outputs,
            size: [height, width],
            ..
        } = *self.of;
        let (pixels, line) = (height * width, width + 2);
        let (input, output) = (channels * pixels, outputs * pixels);
        let panels = outputs.div_ceil(MR);
        // Channels of both in lanes: of a pixel in a row, and of a tile's place.
        let (lanes, others) = (channels.div_ceil(NR), outputs.div_ceil(NR));
        let numbers = PLACES * (lanes + others) * NR;
        let at_once = (CACHE / (numbers * size_of::<T>())).clamp(16, 128);
        let samples = at_once.div_ceil(pixels / 4);
        let (padded, plain) = ((height + 2) * line * lanes, pixels * others);
        let mut rows = vec![[T::default(); NR]; samples * padded];
        let mut gradients = vec![[T::default(); NR]; samples * plain];
        // Where each tile starts in both.
        let starts: Vec<[usize; 2]> = (0..samples)
            .flat_map(|s| {
                let tiles = (0..height)
                    .step_by(2)
                    .flat_map(|i| (0..width).step_by(2).map(move |j| (i, j)));
                tiles.map(move |(i, j)| {
                    [
                        s * padded + (i * line + j) * lanes,
                        s * plain + (i * width + j) * others,
                    ]
                })
            })
            .collect();
        let mut columns = vec![[T::default(); NR]; PLACES * at_once * lanes];
        let mut left = vec![[T::default(); NR]; PLACES * at_once * others];
        let mut sums = vec![[[T::default(); NR]; MR]; panels * lanes * PLACES];
        let mut bias = vec![T::default(); outputs];
        let chunks = self.x.chunks(samples * input);
        for (x, g) in chunks.zip(self.g.chunks(samples * output)) {
            let places = rows
                .chunks_exact_mut(padded)
                .zip(gradients.chunks_exact_mut(plain));
            let count = x.len() / input;
            let pairs = x.chunks_exact(input).zip(g.chunks_exact(output));
            for ((x, g), (rows, gradients)) in pairs.zip(places) {
                let (rows, gradients) = (rows.as_flattened_mut(), gradients.as_flattened_mut());
                beside::<S, T, NR>(simd, x, [channels, height, width], 1, rows, lanes * NR);
                beside::<S, T, NR>(simd, g, [outputs, height, width], 0, gradients, others * NR);
            }
            add_bias(g, pixels, &mut bias);
            for starts in starts[..count * pixels / 4].chunks(at_once) {
                for (t, [start, of_gradient]) in starts.iter().enumerate() {
                    for lane in 0..lanes {
                        let from = &rows[start + lane..];
                        let to = &mut columns[t * lanes + lane..];
                        spread::<S, T, NR>(simd, from, [line * lanes, lanes], to, at_once * lanes);
                    }
                    for lane in 0..others {
                        let from = &gradients[of_gradient + lane..];
                        let to = &mut left[t * others + lane..];
                        let steps = [width * others, others];
                        scatter::<S, T, NR>(simd, from, steps, to, at_once * others);
                    }
                }
                let (left, _) = left.as_flattened().as_chunks::<MR>();
                let step = others * NR / MR;
                for place in 0..PLACES {
                    let left = &left[place * at_once * step..];
                    let columns = &columns[place * at_once * lanes..];
                    for lane in 0..lanes {
                        for panel in 0..panels {
                            let sums = &mut sums[(panel * lanes + lane) * PLACES + place];
                            let columns = columns[lane..].iter().step_by(lanes);
                            let left = left[panel..].iter().step_by(step);
                            let steps = left.zip(columns).take(starts.len());
                            let tile = product(simd, load::<S, T, MR, NR>(sums), steps);
                            store::<S, T, MR, NR>(tile, sums);
                        }
                    }
                }
            }
        }
        (sums, bias)
    }
}

/// `Bᵀ d B` of some channels, pixels and places as far from each other as the steps say.
#[inline(always)]
fn spread<S: Simd, T: Float, const NR: usize>(
    simd: S,
    from: &[[T; NR]],
    [down, right]: [usize; 2],
    to: &mut [[T; NR]],
    step: usize,
) {
    for half in 0..2 {
        let mut rows = [[T::splat(simd, T::default()); 4]; 4];
        for (i, row) in rows.iter_mut().enumerate() {
            for (j, value) in row.iter_mut().enumerate() {
                *value = T::vectors::<S>(&from[i * down + j * right])[half];
            }
            *row = spread_lines::<S, T>(simd, *row);
        }
        let mut places = rows;
        for j in 0..4 {
            let column = [rows[0][j], rows[1][j], rows[2][j], rows[3][j]];
            for (places, value) in places.iter_mut().zip(spread_lines::<S, T>(simd, column)) {
                places[j] = value;
            }
        }
        put::<S, T, NR>(&places, half, to, step);
    }
}

/// `A dY Aᵀ` likewise.
#[inline(always)]
fn scatter<S: Simd, T: Float, const NR: usize>(
    simd: S,
    from: &[[T; NR]],
    [down, right]: [usize; 2],
    to: &mut [[T; NR]],
    step: usize,
) {
    for half in 0..2 {
        let mut rows = [[T::splat(simd, T::default()); 4]; 2];
        for (i, row) in rows.iter_mut().enumerate() {
            let pair = [0, right].map(
                #[inline(always)]
                |j| T::vectors::<S>(&from[i * down + j])[half],
            );
            *row = scatter_lines::<S, T>(simd, pair);
        }
        let mut places = [rows[0]; 4];
        for j in 0..4 {
            let column = [rows[0][j], rows[1][j]];
            for (places, value) in places.iter_mut().zip(scatter_lines::<S, T>(simd, column)) {
                places[j] = value;
            }
        }
        put::<S, T, NR>(&places, half, to, step);
    }
}

/// Puts one half of the places where they belong.
#[inline(always)]
fn put<S: Simd, T: Float, const NR: usize>(
    places: &[[T::Vector<S>; 4]; 4],
    half: usize,
    to: &mut [[T; NR]],
    step: usize,
) {
    let to = to.iter_mut().step_by(step);
    for (to, value) in to.zip(places.as_flattened()) {
        T::vectors_mut::<S>(to)[half] = *value;
    }
}
