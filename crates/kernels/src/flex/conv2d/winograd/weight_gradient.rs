//! The gradient of the kernel: lanes are channels, and each of the 16 places is a product over the
//! tiles.

use crate::flex::conv2d::weight_gradient::{
    Sums, WeightGradient, Work, add_bias, bias_of, over_samples,
};
use crate::flex::conv2d::winograd::{PLACES, filters, put, transform_gradient, transform_pixels};
use crate::flex::float::Float;
use crate::flex::tile::{Tiled, load, product, store};
use crate::flex::transpose::Transpose;
use pulp::{Simd, WithSimd};
use std::ops::Range;

/// Bytes of the transformed tiles, at most, if there are more than [`LEAST`]: a second-level cache
/// holds them.
const CACHE: usize = 1 << 19;
/// Tiles that are transformed at a time, at least: sums are loaded and stored once for each time.
const LEAST: usize = 64;
/// And at most.
const MOST: usize = 128;

/// The gradients from images and the gradient of the output.
pub(in crate::flex::conv2d) struct Winograd<'a, T> {
    pub(in crate::flex::conv2d) of: &'a WeightGradient,
    pub(in crate::flex::conv2d) x: &'a [T],
    pub(in crate::flex::conv2d) g: &'a [T],
}

impl<T: Float> Tiled<T> for Winograd<'_, T> {
    /// `[outputs, channels, 3, 3]` and `[outputs]`.
    type Output = (Vec<T>, Vec<T>);

    fn run<S: Simd, const MR: usize, const NR: usize>(self, simd: S) -> (Vec<T>, Vec<T>) {
        let Self { of, x, g } = self;
        let layout = Layout::new::<T, NR>(of);
        let tiles = PLACES * of.outputs.div_ceil(MR) * layout.lanes;
        let work = Work {
            tiles,
            steps: of.pixels[0] * of.pixels[1] / 4,
            unit: NR,
        };
        let scratch = || Scratch::<T, NR>::new(&layout);
        let parts = over_samples(of, work, [x, g], scratch, |scratch, outputs, [x, g]| {
            simd.vectorize(Share::<'_, T, MR, NR> {
                layout: &layout,
                outputs,
                scratch,
                x,
                g,
            })
        });
        let (mut dw, mut db) = (Vec::new(), Vec::new());
        for (sums, bias) in parts {
            dw.extend(filters::gradient(simd, &sums, bias.len(), of.channels));
            db.extend(bias);
        }
        // Of an empty batch there are no parts.
        dw.resize(of.outputs * of.channels * 9, T::default());
        db.resize(of.outputs, T::default());
        (dw, db)
    }
}

/// How pixels and tiles are laid out, with the channels side by side in lanes.
struct Layout {
    channels: usize,
    /// Channels of the output.
    all: usize,
    /// Pixels per sample.
    pixels: usize,
    /// Tiles, as wide as NR, per pixel's input channels.
    lanes: usize,
    /// Tiles per pixel's output channels.
    output_lanes: usize,
    /// Samples that are laid out at a time.
    samples: usize,
    /// Tiles that are transformed at a time.
    at_once: usize,
    /// The tiles of all samples that are laid out.
    tiles: Vec<Tile>,
}

impl Layout {
    fn new<T: Float, const NR: usize>(of: &WeightGradient) -> Self {
        let [height, width] = of.size;
        let pixels = height * width;
        let (lanes, output_lanes) = (of.channels.div_ceil(NR), of.outputs.div_ceil(NR));
        let bytes = PLACES * (lanes + output_lanes) * NR * size_of::<T>();
        let at_once = (CACHE / bytes).clamp(LEAST, MOST);
        let samples = at_once.div_ceil((pixels / 4).max(1));
        let corners = (0..samples).flat_map(|s| {
            let rows = (0..height).step_by(2);
            rows.flat_map(move |i| (0..width).step_by(2).map(move |j| (s, [i, j])))
        });
        let tile = |(s, corner)| Tile::new(corner, of.size, s * pixels, samples * pixels);
        Self {
            channels: of.channels,
            all: of.outputs,
            pixels,
            lanes,
            output_lanes,
            samples,
            at_once,
            tiles: corners.map(tile).collect(),
        }
    }
}

/// Memory that a thread writes to, for one share after another.
struct Scratch<T, const NR: usize> {
    /// The pixels of the input, and one more that stands for all beyond the border and stays 0.
    rows: Vec<[T; NR]>,
    /// The pixels of the output's gradient.
    gradients: Vec<[T; NR]>,
    /// The transformed tiles of both, `[places, lanes, at once]`.
    columns: Vec<[T; NR]>,
    left: Vec<[T; NR]>,
}

impl<T: Float, const NR: usize> Scratch<T, NR> {
    fn new(layout: &Layout) -> Self {
        let zeros = |n: usize| vec![[T::default(); NR]; n];
        let (pixels, places) = (layout.samples * layout.pixels, PLACES * layout.at_once);
        Self {
            rows: zeros((pixels + 1) * layout.lanes),
            gradients: zeros(pixels * layout.output_lanes),
            columns: zeros(places * layout.lanes),
            left: zeros(places * layout.output_lanes),
        }
    }
}

/// Some outputs, summed over some samples.
struct Share<'a, T, const MR: usize, const NR: usize> {
    layout: &'a Layout,
    /// The first is one of a tile of NR, and all of that tile are here.
    outputs: Range<usize>,
    scratch: &'a mut Scratch<T, NR>,
    x: &'a [T],
    g: &'a [T],
}

impl<T: Float, const MR: usize, const NR: usize> WithSimd for Share<'_, T, MR, NR> {
    type Output = Sums<T, MR, NR>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Sums<T, MR, NR> {
        let Layout {
            channels,
            all,
            pixels: area,
            lanes,
            samples,
            at_once,
            ref tiles,
            ..
        } = *self.layout;
        let (first, outputs) = (self.outputs.start, self.outputs.len());
        let output_lanes = outputs.div_ceil(NR);
        let Scratch {
            rows,
            gradients,
            columns,
            left,
        } = self.scratch;
        let (input, output) = (channels * area, all * area);
        let panels = outputs.div_ceil(MR);
        let transpose = Transpose::<NR>::new::<S, T>(simd);
        let mut sums = vec![[[T::default(); NR]; MR]; panels * lanes * PLACES];
        let mut bias = vec![[0.0; NR]; output_lanes];
        let chunks = self.x.chunks(samples * input);
        for (x, g) in chunks.zip(self.g.chunks(samples * output)) {
            let count = x.len() / input;
            let samples = rows
                .chunks_exact_mut(area * lanes)
                .zip(gradients.chunks_exact_mut(area * output_lanes));
            let pairs = x.chunks_exact(input).zip(g.chunks_exact(output));
            for ((x, g), (rows, gradients)) in pairs.zip(samples) {
                let (row, of_gradient) = (lanes * NR, output_lanes * NR);
                let rows = rows.as_flattened_mut();
                transpose.apply(simd, x, area, [channels, area], rows, row);
                let out = gradients.as_flattened_mut();
                let g = &g[first * area..];
                transpose.apply(simd, g, area, [outputs, area], out, of_gradient);
                add_bias(gradients, &mut bias);
            }
            for tiles in tiles[..count * area / 4].chunks(at_once) {
                for (t, tile) in tiles.iter().enumerate() {
                    for lane in 0..lanes {
                        let at = tile.sees.map(|pixel| pixel * lanes + lane);
                        let to = &mut columns[lane * at_once + t..];
                        for half in 0..2 {
                            let d = pixels::<S, T, NR, 4>(rows, &at, half);
                            put::<S, T, NR>(
                                transform_pixels::<S, T>(simd, d),
                                half,
                                to,
                                at_once * lanes,
                            );
                        }
                    }
                    for lane in 0..output_lanes {
                        let at = tile.covers.map(|pixel| pixel * output_lanes + lane);
                        let to = &mut left[lane * at_once + t..];
                        for half in 0..2 {
                            let y = pixels::<S, T, NR, 2>(gradients, &at, half);
                            put::<S, T, NR>(
                                transform_gradient::<S, T>(simd, y),
                                half,
                                to,
                                at_once * output_lanes,
                            );
                        }
                    }
                }
                // Both operands of a place's sums for a tile of outputs stay in the first
                // level of the cache.
                let panels_per_lane = NR / MR;
                for place in 0..PLACES {
                    let left = &left[place * at_once * output_lanes..];
                    let columns = &columns[place * at_once * lanes..];
                    for (panel, lane) in (0..output_lanes).flat_map(|l| {
                        let panels = l * panels_per_lane..panels.min((l + 1) * panels_per_lane);
                        (0..lanes).flat_map(move |lane| panels.clone().map(move |p| (p, lane)))
                    }) {
                        let (row, part) = (panel / panels_per_lane, panel % panels_per_lane);
                        let left = left[row * at_once..][..tiles.len()].as_flattened();
                        let left = left.as_chunks::<MR>().0[part..].iter();
                        let columns = &columns[lane * at_once..][..tiles.len()];
                        let steps = left.step_by(panels_per_lane).zip(columns);
                        let sums = &mut sums[(place * panels + panel) * lanes + lane];
                        let tile = product(simd, load::<S, T, MR, NR>(sums), steps);
                        store::<S, T, MR, NR>(tile, sums);
                    }
                }
            }
        }
        (sums, bias_of(&bias, outputs))
    }
}

/// Where the pixels of a tile lie.
struct Tile {
    /// The 4×4 input pixels that it depends on.
    sees: [usize; PLACES],
    /// The 2×2 output pixels.
    covers: [usize; 4],
}

impl Tile {
    /// The tile whose first output is the corner, in the sample whose pixels begin at `first`;
    /// `beyond` is the pixel that stands for those outside.
    fn new([i, j]: [usize; 2], [height, width]: [usize; 2], first: usize, beyond: usize) -> Self {
        let sees = std::array::from_fn(|p| {
            // They begin one row and one column before the corner.
            let (i, j) = (i + p / 4, j + p % 4);
            if (1..=height).contains(&i) && (1..=width).contains(&j) {
                first + (i - 1) * width + j - 1
            } else {
                beyond
            }
        });
        let covers = std::array::from_fn(|p| first + (i + p / 2) * width + j + p % 2);
        Self { sees, covers }
    }
}

/// Half of the lanes of N×N pixels.
#[inline(always)]
fn pixels<S: Simd, T: Float, const NR: usize, const N: usize>(
    from: &[[T; NR]],
    at: &[usize],
    half: usize,
) -> [[T::Vector<S>; N]; N] {
    let mut pixels = [[T::vectors::<S>(&from[0])[half]; N]; N];
    for (pixel, at) in pixels.as_flattened_mut().iter_mut().zip(at) {
        *pixel = T::vectors::<S>(&from[*at])[half];
    }
    pixels
}
