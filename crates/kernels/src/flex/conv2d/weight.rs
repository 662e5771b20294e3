//! `dW[o, c, place] = Σ_{sample, p} g[o, p]·x[c, p·stride + place]`, `db[o] = Σ_{sample, p} g[o, p]`

use super::super::float::Float;
use super::super::simd::sum;
use super::super::tile::{load, product, store, transpose};
use rayon::prelude::*;

/// Samples and pixels that are summed in one go.
const LONG: usize = 512;
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

/// A task's share: the tiles of all panels and places, and the bias.
type Sums<T, const MR: usize, const NR: usize> = (Vec<[[T; NR]; MR]>, Vec<T>);

/// `[outputs, channels, rows, columns]` and `[outputs]`.
///
/// The samples are shared out among a number of tasks that depends on sizes alone, and the tasks' sums are added in order.
pub(super) fn run<T: Float, const MR: usize, const NR: usize>(
    correspondence: &Correspondence,
    x: &[T],
    g: &[T],
) -> (Vec<T>, Vec<T>) {
    let Correspondence {
        channels,
        size,
        kernel: [rows, columns],
        outputs,
        pixels,
        ..
    } = *correspondence;
    let (places, pixels) = (rows * columns, pixels[0] * pixels[1]);
    let (input, output) = (channels * size[0] * size[1], outputs * pixels);
    let batch = g.len().checked_div(output).unwrap_or(0);
    let layout = Layout::new::<MR, NR>(correspondence);
    let tasks = (PARTIAL / (layout.sums::<MR>() * NR).max(1)).clamp(4, 16);
    let at_once = batch.div_ceil(tasks).max(1);
    let parts: Vec<Sums<T, MR, NR>> = (0..batch.div_ceil(at_once))
        .into_par_iter()
        .map(|task| {
            let samples = task * at_once..((task + 1) * at_once).min(batch);
            let (x, g) = (
                &x[samples.start * input..samples.end * input],
                &g[samples.start * output..samples.end * output],
            );
            let share: Share<'_, T, MR, NR> = Share {
                layout: &layout,
                x,
                g,
            };
            pulp::Arch::new().dispatch(share)
        })
        .collect();
    let mut dw = vec![T::default(); outputs * channels * places];
    let mut db = vec![T::default(); outputs];
    let mut parts = parts.into_iter();
    let Some((mut tiles, bias)) = parts.next() else {
        return (dw, db);
    };
    db.copy_from_slice(&bias);
    for (part, bias) in parts {
        let pairs = tiles.as_flattened_mut().as_flattened_mut().iter_mut();
        pairs
            .zip(part.as_flattened().as_flattened())
            .for_each(|(a, b)| *a += *b);
        db.iter_mut().zip(bias).for_each(|(a, b)| *a += b);
    }
    for (index, tile) in tiles.iter().enumerate() {
        let (panel, column) = (index / layout.tiles, index % layout.tiles);
        let (block, lane) = (column / layout.lanes, column % layout.lanes);
        for (i, row) in tile.iter().enumerate() {
            let o = panel * MR + i;
            for (j, value) in row.iter().enumerate() {
                let column = lane * NR + j;
                if o >= outputs || column >= layout.columns {
                    continue;
                }
                let (c, place) = match layout.whole {
                    true => (column / places, column % places),
                    false => (column, block),
                };
                dw[(o * channels + c) * places + place] = *value;
            }
        }
    }
    (dw, db)
}

/// Some samples.
struct Share<'a, T, const MR: usize, const NR: usize> {
    layout: &'a Layout<'a>,
    x: &'a [T],
    g: &'a [T],
}

impl<T: Float, const MR: usize, const NR: usize> pulp::WithSimd for Share<'_, T, MR, NR> {
    type Output = Sums<T, MR, NR>;

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, simd: S) -> Sums<T, MR, NR> {
        self.layout.sum::<S, T, MR, NR>(simd, self.x, self.g)
    }
}

/// How the input is laid out: a row of `width` numbers a padded pixel, the channels beside each other, so that a tile's columns lie
/// beside each other at every step. Where a whole patch fits into one tile, a row a pixel of the output, with the patch in it.
struct Layout<'a> {
    of: &'a Correspondence,
    /// A row is a patch.
    whole: bool,
    /// Numbers of a row that count.
    columns: usize,
    /// Tiles of a row.
    lanes: usize,
    /// Numbers of a row.
    width: usize,
    /// Rows of a sample.
    rows: usize,
    /// From a pixel's row to that of each place of the kernel.
    offsets: Vec<usize>,
    /// The row of each pixel of the output.
    starts: Vec<usize>,
    /// Tiles of all places.
    tiles: usize,
}

impl<'a> Layout<'a> {
    fn new<const MR: usize, const NR: usize>(of: &'a Correspondence) -> Self {
        let [rows, columns] = of.kernel;
        let patch = of.channels * rows * columns;
        let line = of.size[1] + 2 * of.padding;
        let [height, width] = of.pixels;
        let pixels = (0..height).flat_map(|i| (0..width).map(move |j| (i, j)));
        if patch <= NR {
            return Self {
                of,
                whole: true,
                columns: patch,
                lanes: 1,
                width: NR,
                rows: height * width,
                offsets: vec![0],
                starts: (0..height * width).map(|p| p * NR).collect(),
                tiles: 1,
            };
        }
        let lanes = of.channels.div_ceil(NR);
        let stride = lanes * NR;
        Self {
            of,
            whole: false,
            columns: of.channels,
            lanes,
            width: stride,
            rows: (of.size[0] + 2 * of.padding) * line,
            offsets: (0..rows)
                .flat_map(|i| (0..columns).map(move |j| (i * line + j) * stride))
                .collect(),
            starts: pixels
                .map(|(i, j)| (i * line + j) * of.stride * stride)
                .collect(),
            tiles: lanes * rows * columns,
        }
    }

    /// Tiles of all places and panels, times MR.
    fn sums<const MR: usize>(&self) -> usize {
        self.of.outputs.div_ceil(MR) * MR * self.tiles
    }

    #[inline(always)]
    fn sum<S: pulp::Simd, T: Float, const MR: usize, const NR: usize>(
        &self,
        simd: S,
        x: &[T],
        g: &[T],
    ) -> Sums<T, MR, NR> {
        let (outputs, pixels) = (self.of.outputs, self.starts.len());
        let panels = outputs.div_ceil(MR);
        let input = self.of.channels * self.of.size[0] * self.of.size[1];
        let mut tiles = vec![[[T::default(); NR]; MR]; panels * self.tiles];
        let mut bias = vec![T::default(); outputs];
        let at_once = LONG.div_ceil(pixels);
        let mut rows = vec![T::default(); at_once * self.rows * self.width];
        let mut left = vec![[T::default(); MR]; at_once * pixels];
        let mut starts = vec![0; at_once * pixels];
        for (x, g) in x
            .chunks(at_once * input)
            .zip(g.chunks(at_once * outputs * pixels))
        {
            let samples = x.len() / input;
            for (s, x) in x.chunks_exact(input).enumerate() {
                self.fill(
                    x,
                    &mut rows[s * self.rows * self.width..(s + 1) * self.rows * self.width],
                );
                for (p, start) in self.starts.iter().enumerate() {
                    starts[s * pixels + p] = s * self.rows * self.width + start;
                }
            }
            for (o, bias) in bias.iter_mut().enumerate() {
                for g in g.chunks_exact(outputs * pixels) {
                    *bias += sum(&g[o * pixels..(o + 1) * pixels], |g| g);
                }
            }
            let starts = &starts[..samples * pixels];
            for (panel, tiles) in tiles.chunks_exact_mut(self.tiles).enumerate() {
                let count = MR.min(outputs - panel * MR);
                for (g, left) in g
                    .chunks_exact(outputs * pixels)
                    .zip(left.chunks_exact_mut(pixels))
                {
                    let lines = &g[panel * MR * pixels..(panel * MR + count) * pixels];
                    transpose(lines, pixels, [count, pixels], left.as_flattened_mut(), MR);
                }
                for (column, tile) in tiles.iter_mut().enumerate() {
                    let offset = self.offsets[column / self.lanes] + column % self.lanes * NR;
                    let steps = left.iter().zip(starts).map(
                        #[inline(always)]
                        |(left, start)| {
                            let from = start + offset;
                            (
                                left,
                                rows[from..from + NR]
                                    .first_chunk()
                                    .expect("as long as the range"),
                            )
                        },
                    );
                    store::<S, T, MR, NR>(
                        product::<S, T, MR, NR>(simd, load::<S, T, MR, NR>(tile), steps),
                        tile,
                    );
                }
            }
        }
        (tiles, bias)
    }

    /// Lays a sample out. What is not written is never anything but 0.
    #[inline(always)]
    fn fill<T: Float>(&self, x: &[T], rows: &mut [T]) {
        let Correspondence {
            channels,
            size: [height, width],
            padding,
            kernel: [kernel_rows, kernel_columns],
            stride,
            pixels: [out_height, out_width],
            ..
        } = *self.of;
        if !self.whole {
            let line = width + 2 * padding;
            for y in 0..height {
                let start = ((y + padding) * line + padding) * self.width;
                let row = &mut rows[start..start + width * self.width];
                let pixels = height * width;
                transpose(&x[y * width..], pixels, [channels, width], row, self.width);
            }
            return;
        }
        for i in 0..out_height {
            for j in 0..out_width {
                let row = &mut rows[(i * out_width + j) * self.width..][..self.columns];
                let mut slots = row.iter_mut();
                for c in 0..channels {
                    for di in 0..kernel_rows {
                        for dj in 0..kernel_columns {
                            let (y, column) = (i * stride + di, j * stride + dj);
                            let inside = (padding..padding + height).contains(&y)
                                && (padding..padding + width).contains(&column);
                            let slot = slots.next().expect("a row is as long as a patch");
                            *slot = match inside {
                                true => x[(c * height + y - padding) * width + column - padding],
                                false => T::default(),
                            };
                        }
                    }
                }
            }
        }
    }
}
