//! The gradient of the kernel: the columns of a tile are input channels, side by side at one place
//! of the kernel.

use crate::flex::conv2d::weight_gradient::{
    Sums, WeightGradient, Work, add_bias, bias_of, over_samples,
};
use crate::flex::float::Float;
use crate::flex::tile::{Tiled, load, product, store};
use crate::flex::transpose::Transpose;
use pulp::{Simd, WithSimd};
use std::ops::Range;

/// Pixels of all samples that are laid out at a time.
const LONG: usize = 512;
/// Steps of a sum that are taken at a time: both operands of a tile stay in the first-level cache.
const STEPS: usize = 128;

/// The gradients from images and the gradient of the output.
pub(in crate::flex::conv2d) struct Direct<'a, T> {
    pub(in crate::flex::conv2d) of: &'a WeightGradient,
    pub(in crate::flex::conv2d) x: &'a [T],
    pub(in crate::flex::conv2d) g: &'a [T],
}

impl<T: Float> Tiled<T> for Direct<'_, T> {
    /// `[outputs, channels, rows, columns]` and `[outputs]`.
    type Output = (Vec<T>, Vec<T>);

    fn run<S: Simd, const MR: usize, const NR: usize>(self, simd: S) -> (Vec<T>, Vec<T>) {
        let Self { of, x, g } = self;
        let WeightGradient {
            channels,
            kernel: [rows, columns],
            outputs,
            ..
        } = *of;
        let places = rows * columns;
        let layout = Layout::new::<MR, NR>(of);
        let panels = outputs.div_ceil(MR);
        let work = Work {
            tiles: panels * layout.tiles,
            steps: of.pixels[0] * of.pixels[1],
            unit: NR,
        };
        let parts = over_samples(
            of,
            work,
            [x, g],
            || (),
            |_, outputs, [x, g]| {
                simd.vectorize(Share::<'_, T, MR, NR> {
                    layout: &layout,
                    outputs,
                    x,
                    g,
                })
            },
        );
        let mut dw = vec![T::default(); outputs * channels * places];
        let mut db = vec![T::default(); outputs];
        let mut first = 0;
        for (tiles, bias) in parts {
            db[first..first + bias.len()].copy_from_slice(&bias);
            for (index, tile) in tiles.iter().enumerate() {
                let (panel, column) = (index / layout.tiles, index % layout.tiles);
                let (block, lane) = (column / layout.lanes, column % layout.lanes);
                for (i, row) in tile.iter().enumerate().take(bias.len() - panel * MR) {
                    let o = first + panel * MR + i;
                    for (j, value) in row.iter().enumerate() {
                        let column = lane * NR + j;
                        if column >= layout.columns {
                            continue;
                        }
                        let (c, place) = if layout.whole {
                            (column / places, column % places)
                        } else {
                            (column, block)
                        };
                        dw[(o * channels + c) * places + place] = *value;
                    }
                }
            }
            first += bias.len();
        }
        (dw, db)
    }
}

/// Some outputs, summed over some samples.
struct Share<'a, T, const MR: usize, const NR: usize> {
    layout: &'a Layout<'a>,
    /// The first is one of a tile of NR, and all of that tile are here.
    outputs: Range<usize>,
    x: &'a [T],
    g: &'a [T],
}

impl<T: Float, const MR: usize, const NR: usize> WithSimd for Share<'_, T, MR, NR> {
    type Output = Sums<T, MR, NR>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Sums<T, MR, NR> {
        self.layout
            .sum::<S, T, MR, NR>(simd, self.outputs, self.x, self.g)
    }
}

/// How the input is laid out.
///
/// One plane for every NR channels, with a row of NR numbers per padded pixel, so that a tile's
/// columns lie side by side at every step. Where the patch of the input that an output pixel
/// depends on fits into one tile, one row per output pixel instead, with the patch in it.
struct Layout<'a> {
    of: &'a WeightGradient,
    /// Whether a row is a patch.
    whole: bool,
    /// Numbers of a pixel that are used.
    columns: usize,
    /// Planes.
    lanes: usize,
    /// Rows per plane.
    rows: usize,
    /// The distance of each place of the kernel from a pixel's row.
    offsets: Vec<usize>,
    /// Where the row of each output pixel begins.
    starts: Vec<usize>,
    /// Tiles for all places.
    tiles: usize,
}

impl<'a> Layout<'a> {
    fn new<const MR: usize, const NR: usize>(of: &'a WeightGradient) -> Self {
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
                rows: height * width,
                offsets: vec![0],
                starts: (0..height * width).map(|p| p * NR).collect(),
                tiles: 1,
            };
        }
        let lanes = of.channels.div_ceil(NR);
        Self {
            of,
            whole: false,
            columns: of.channels,
            lanes,
            rows: (of.size[0] + 2 * of.padding) * line,
            offsets: (0..rows)
                .flat_map(|i| (0..columns).map(move |j| (i * line + j) * NR))
                .collect(),
            starts: pixels
                .map(|(i, j)| (i * line + j) * of.stride * NR)
                .collect(),
            tiles: lanes * rows * columns,
        }
    }

    #[inline(always)]
    fn sum<S: Simd, T: Float, const MR: usize, const NR: usize>(
        &self,
        simd: S,
        outputs: Range<usize>,
        x: &[T],
        g: &[T],
    ) -> Sums<T, MR, NR> {
        let (first, outputs, pixels) = (outputs.start, outputs.len(), self.starts.len());
        let (panels, output_lanes) = (outputs.div_ceil(MR), outputs.div_ceil(NR));
        let input = self.of.channels * self.of.size[0] * self.of.size[1];
        let output = self.of.outputs * pixels;
        let mut tiles = vec![[[T::default(); NR]; MR]; panels * self.tiles];
        let mut bias = vec![[0.0; NR]; output_lanes];
        let at_once = LONG.div_ceil(pixels);
        let sample = self.lanes * self.rows * NR;
        let mut rows = vec![T::default(); at_once * sample];
        let transpose = Transpose::<NR>::new::<S, T>(simd);
        // The outputs lie likewise: `[lanes, pixels of all samples]`.
        let mut left = vec![[T::default(); NR]; output_lanes * at_once * pixels];
        let mut starts = vec![0; at_once * pixels];
        for (x, g) in x.chunks(at_once * input).zip(g.chunks(at_once * output)) {
            let count = x.len() / input * pixels;
            for (s, x) in x.chunks_exact(input).enumerate() {
                self.fill(simd, &transpose, x, &mut rows[s * sample..(s + 1) * sample]);
                for (p, start) in self.starts.iter().enumerate() {
                    starts[s * pixels + p] = s * sample + start;
                }
            }
            for (lane, left) in left.chunks_exact_mut(at_once * pixels).enumerate() {
                let channels = NR.min(outputs - lane * NR);
                let samples = g.chunks_exact(output);
                for (g, left) in samples.zip(left.chunks_exact_mut(pixels)) {
                    let g = &g[(first + lane * NR) * pixels..];
                    let out = left.as_flattened_mut();
                    transpose.apply(simd, g, pixels, [channels, pixels], out, NR);
                    add_bias(left, &mut bias[lane..=lane]);
                }
            }
            let per_lane = NR / MR;
            for from in (0..count).step_by(STEPS) {
                let to = count.min(from + STEPS);
                let starts = &starts[from..to];
                for lane in 0..output_lanes {
                    let left = &left[lane * at_once * pixels..][from..to];
                    let left = left.as_flattened().as_chunks::<MR>().0;
                    let panels = lane * per_lane..panels.min((lane + 1) * per_lane);
                    for column in 0..self.tiles {
                        let plane = column % self.lanes * self.rows * NR;
                        let offset = self.offsets[column / self.lanes] + plane;
                        for panel in panels.clone() {
                            let tile = &mut tiles[panel * self.tiles + column];
                            let left = left[panel % per_lane..].iter().step_by(per_lane);
                            let steps = left.zip(starts).map(
                                #[inline(always)]
                                |(left, start)| {
                                    let row = rows[start + offset..].first_chunk::<NR>();
                                    (left, row.expect("a row of the plane"))
                                },
                            );
                            let sums = product(simd, load::<S, T, MR, NR>(tile), steps);
                            store::<S, T, MR, NR>(sums, tile);
                        }
                    }
                }
            }
        }
        (tiles, bias_of(&bias, outputs))
    }

    /// Lays a sample out. What this does not write stays 0.
    #[inline(always)]
    fn fill<S: Simd, T: Float, const NR: usize>(
        &self,
        simd: S,
        transpose: &Transpose<NR>,
        x: &[T],
        rows: &mut [T],
    ) {
        let WeightGradient {
            channels,
            size: [height, width],
            padding,
            kernel: [kernel_rows, kernel_columns],
            stride,
            pixels: [out_height, out_width],
            ..
        } = *self.of;
        if !self.whole {
            for (lane, plane) in rows.chunks_exact_mut(self.rows * NR).enumerate() {
                let sizes = [NR.min(channels - lane * NR), height, width];
                let x = &x[lane * NR * height * width..];
                side_by_side(simd, transpose, x, sizes, padding, plane);
            }
            return;
        }
        for i in 0..out_height {
            for j in 0..out_width {
                let row = &mut rows[(i * out_width + j) * NR..][..self.columns];
                let mut slots = row.iter_mut();
                for c in 0..channels {
                    for di in 0..kernel_rows {
                        for dj in 0..kernel_columns {
                            let (y, column) = (i * stride + di, j * stride + dj);
                            let inside = (padding..padding + height).contains(&y)
                                && (padding..padding + width).contains(&column);
                            let slot = slots.next().expect("a row is as long as a patch");
                            *slot = if inside {
                                x[(c * height + y - padding) * width + column - padding]
                            } else {
                                T::default()
                            };
                        }
                    }
                }
            }
        }
    }
}

/// Lays up to NR channels out side by side, in one row per pixel. The padding around them is not
/// written.
#[inline(always)]
fn side_by_side<S: Simd, T: Float, const NR: usize>(
    simd: S,
    transpose: &Transpose<NR>,
    x: &[T],
    [channels, height, width]: [usize; 3],
    padding: usize,
    out: &mut [T],
) {
    let pixels = height * width;
    let line = width + 2 * padding;
    if padding == 0 {
        transpose.apply(simd, x, pixels, [channels, pixels], out, NR);
        return;
    }
    for y in 0..height {
        let start = ((y + padding) * line + padding) * NR;
        let (x, out) = (&x[y * width..], &mut out[start..start + width * NR]);
        transpose.apply(simd, x, pixels, [channels, width], out, NR);
    }
}
