//! The gradient of the kernel: the columns of a tile are input channels, side by side at one place
//! of the kernel.

use crate::flex::conv2d::weight_gradient::{Sums, WeightGradient, add_bias, bias_of, over_samples};
use crate::flex::float::Float;
use crate::flex::tile::{Tiled, load, product, store};
use crate::flex::transpose::Transpose;
use pulp::{Simd, WithSimd};

/// Pixels of all samples that are summed in one go.
const LONG: usize = 512;

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
        let sizes = [panels * layout.tiles, of.pixels[0] * of.pixels[1]];
        let (tiles, db) = over_samples(
            of,
            sizes,
            [x, g],
            || (),
            |_, [x, g]| {
                simd.vectorize(Share::<'_, T, MR, NR> {
                    layout: &layout,
                    x,
                    g,
                })
            },
        );
        let mut dw = vec![T::default(); outputs * channels * places];
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
                    let (c, place) = if layout.whole {
                        (column / places, column % places)
                    } else {
                        (column, block)
                    };
                    dw[(o * channels + c) * places + place] = *value;
                }
            }
        }
        (dw, db)
    }
}

/// Some samples.
struct Share<'a, T, const MR: usize, const NR: usize> {
    layout: &'a Layout<'a>,
    x: &'a [T],
    g: &'a [T],
}

impl<T: Float, const MR: usize, const NR: usize> WithSimd for Share<'_, T, MR, NR> {
    type Output = Sums<T, MR, NR>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Sums<T, MR, NR> {
        self.layout.sum::<S, T, MR, NR>(simd, self.x, self.g)
    }
}

/// How the input is laid out.
///
/// One row of `width` numbers per padded pixel, with the channels side by side, so that a tile's
/// columns lie side by side at every step. Where the patch of the input that an output pixel
/// depends on fits into one tile, one row per output pixel instead, with the patch in it.
struct Layout<'a> {
    of: &'a WeightGradient,
    /// Whether a row is a patch.
    whole: bool,
    /// Numbers per row that are used.
    columns: usize,
    /// Tiles per row.
    lanes: usize,
    /// Numbers per row.
    width: usize,
    /// Rows per sample.
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

    #[inline(always)]
    fn sum<S: Simd, T: Float, const MR: usize, const NR: usize>(
        &self,
        simd: S,
        x: &[T],
        g: &[T],
    ) -> Sums<T, MR, NR> {
        let (outputs, pixels) = (self.of.outputs, self.starts.len());
        let panels = outputs.div_ceil(MR);
        let input = self.of.channels * self.of.size[0] * self.of.size[1];
        let mut tiles = vec![[[T::default(); NR]; MR]; panels * self.tiles];
        let mut bias = vec![[0.0; NR]; outputs.div_ceil(NR)];
        let at_once = LONG.div_ceil(pixels);
        let mut rows = vec![T::default(); at_once * self.rows * self.width];
        let transpose = Transpose::<NR>::new::<S, T>(simd);
        // The outputs lie side by side likewise.
        let step = outputs.div_ceil(NR) * NR;
        let mut left = vec![T::default(); at_once * pixels * step];
        let mut starts = vec![0; at_once * pixels];
        for (x, g) in x
            .chunks(at_once * input)
            .zip(g.chunks(at_once * outputs * pixels))
        {
            let samples = x.len() / input;
            for (s, x) in x.chunks_exact(input).enumerate() {
                self.fill(
                    simd,
                    &transpose,
                    x,
                    &mut rows[s * self.rows * self.width..(s + 1) * self.rows * self.width],
                );
                for (p, start) in self.starts.iter().enumerate() {
                    starts[s * pixels + p] = s * self.rows * self.width + start;
                }
            }
            let samples_of_g = g.chunks_exact(outputs * pixels);
            for (g, left) in samples_of_g.zip(left.chunks_exact_mut(pixels * step)) {
                transpose.apply(simd, g, pixels, [outputs, pixels], left, step);
                add_bias(left.as_chunks::<NR>().0, &mut bias);
            }
            let (left, _) = left.as_chunks::<MR>();
            let starts = &starts[..samples * pixels];
            for (panel, tiles) in tiles.chunks_exact_mut(self.tiles).enumerate() {
                for (column, tile) in tiles.iter_mut().enumerate() {
                    let offset = self.offsets[column / self.lanes] + column % self.lanes * NR;
                    let left = left[panel..].iter().step_by(step / MR);
                    let steps = left.zip(starts).map(
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
            side_by_side(
                simd,
                transpose,
                x,
                [channels, height, width],
                padding,
                rows,
                self.width,
            );
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

/// Lays a sample out with its channels side by side, in rows of `row` numbers per pixel, a multiple
/// of NR. The padding around it is not written.
#[inline(always)]
fn side_by_side<S: Simd, T: Float, const NR: usize>(
    simd: S,
    transpose: &Transpose<NR>,
    x: &[T],
    [channels, height, width]: [usize; 3],
    padding: usize,
    out: &mut [T],
    row: usize,
) {
    let pixels = height * width;
    let line = width + 2 * padding;
    for y in 0..height {
        let start = ((y + padding) * line + padding) * row;
        let (x, out) = (&x[y * width..], &mut out[start..start + width * row]);
        transpose.apply(simd, x, pixels, [channels, width], out, row);
    }
}
