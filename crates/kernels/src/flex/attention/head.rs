//! One head of one sample, on tiles.

use crate::flex::float::Float;
use crate::flex::simd::{sum, sum_and_dot};
use crate::flex::tile::{Tile, Tiled, load, product, product_of_rows, store, zeros};
use crate::flex::transpose::Transpose;
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

/// Queries at a time in the backward.
const QUERIES: usize = 64;
/// Terms of a sum that are added one by one, before their sums are: a long sum loses fewer digits.
const STEPS: usize = 128;
/// The most pairs of a query and a key whose weights are kept.
const SHORT: usize = 128 * 128;
/// The fewest queries that are worth laying out all keys and values for.
const FEW: usize = 128;

/// The sizes of a head, and how many there are in all samples.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    pub(super) heads: usize,
    pub(super) queries: usize,
    pub(super) keys: usize,
    /// Numbers of a query and of a key.
    pub(super) depth: usize,
    /// Numbers of a value.
    pub(super) width: usize,
    pub(super) scale: f64,
}

impl Sizes {
    /// Whether P is kept for the backward: of short sequences, it takes less to read than to
    /// compute again.
    fn keeps(&self) -> bool {
        self.queries * self.keys <= SHORT
    }
}

/// Rows of a matrix that begin `step` apart.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rows<'a, T> {
    pub(super) values: &'a [T],
    pub(super) step: usize,
}

impl<'a, T> Rows<'a, T> {
    #[inline(always)]
    fn row(&self, i: usize, length: usize) -> &'a [T] {
        &self.values[i * self.step..][..length]
    }

    /// MR rows from `first` on. Those beyond the last repeat the last.
    #[inline(always)]
    fn some<const MR: usize>(&self, first: usize, count: usize, length: usize) -> [&'a [T]; MR] {
        std::array::from_fn(|i| self.row((first + i).min(count - 1), length))
    }
}

/// y of a head, and its P where that is kept.
pub(super) struct Mixed<T> {
    /// `[queries, width]`.
    pub(super) y: Vec<T>,
    /// `[queries, keys]`, with lines of whole panels and whole tiles of lines; or nothing.
    pub(super) p: Vec<T>,
}

/// y of every head from the rows of q, k and v of a head, and P for the backward.
pub(super) struct Forward<F> {
    pub(super) sizes: Sizes,
    pub(super) rows: F,
}

impl<'a, T: Float, F: Fn(usize) -> [Rows<'a, T>; 3] + Sync> Tiled<T> for Forward<F> {
    type Output = Vec<Mixed<T>>;

    fn run<S: Simd, const MR: usize, const NR: usize>(self, simd: S) -> Vec<Mixed<T>> {
        let Self { sizes, rows } = self;
        // A row of P does not depend on the others, so heads are split where they are few.
        let parts = rayon::current_num_threads().div_ceil(sizes.heads.max(1));
        let parts = parts.min(sizes.queries / FEW).max(1);
        let at_once = sizes.queries.div_ceil(parts).next_multiple_of(MR);
        let parts = sizes.queries.div_ceil(at_once.max(1)).max(1);
        let tasks = (0..sizes.heads * parts).into_par_iter();
        let mixed: Vec<Mixed<T>> = tasks
            .map(|task| {
                let (first, [q, k, v]) = (task % parts * at_once, rows(task / parts));
                let values = &q.values[first * q.step..];
                let queries = at_once.min(sizes.queries - first);
                simd.vectorize(ForwardHead::<'_, T, MR, NR> {
                    sizes: Sizes { queries, ..sizes },
                    rows: [Rows { values, ..q }, k, v],
                    keeps: sizes.keeps(),
                })
            })
            .collect();
        if parts == 1 {
            return mixed;
        }
        let joined = |parts: &[Mixed<T>]| Mixed {
            y: parts.iter().flat_map(|part| &part.y).copied().collect(),
            p: parts.iter().flat_map(|part| &part.p).copied().collect(),
        };
        mixed.chunks(parts).map(joined).collect()
    }
}

struct ForwardHead<'a, T, const MR: usize, const NR: usize> {
    sizes: Sizes,
    rows: [Rows<'a, T>; 3],
    keeps: bool,
}

impl<T: Float, const MR: usize, const NR: usize> WithSimd for ForwardHead<'_, T, MR, NR> {
    type Output = Mixed<T>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Mixed<T> {
        let Self {
            sizes,
            rows: [q, k, v],
            keeps,
        } = self;
        let Sizes {
            queries,
            keys,
            depth,
            width,
            ..
        } = sizes;
        let mut y = vec![T::default(); queries * width];
        if y.is_empty() || keys == 0 {
            return Mixed { y, p: Vec::new() };
        }
        let transpose = Transpose::<NR>::new::<S, T>(simd);
        let k = across::<S, T, NR>(simd, &transpose, k, [keys, depth]);
        let v = along::<T, NR>(v, [keys, width]);
        let line = keys.next_multiple_of(NR);
        let kept = if keeps { queries.div_ceil(MR) } else { 1 };
        let mut p = vec![T::default(); kept * MR * line];
        for (block, y) in y.chunks_mut(MR * width).enumerate() {
            let rows = q.some::<MR>(block * MR, queries, depth);
            let p = &mut p[block % kept * MR * line..][..MR * line];
            multiply::<S, T, MR, NR>(simd, rows, &k, p, line);
            for row in p.chunks_exact_mut(line) {
                softmax(&mut row[..keys], T::of(sizes.scale));
            }
            let rows = lines::<T, MR>(p, line, keys);
            multiply::<S, T, MR, NR>(simd, rows, &v, y, width);
        }
        if !keeps {
            p.clear();
        }
        Mixed { y, p }
    }
}

/// dq, dk and dv of every head, `[tokens, depth or width]`, from the rows of q, k and v of a head,
/// and of g, and from P where it is kept.
pub(super) struct Backward<'p, T, F, G> {
    pub(super) sizes: Sizes,
    pub(super) rows: F,
    pub(super) g: G,
    pub(super) mixed: &'p [Mixed<T>],
}

impl<'a, T, F, G> Tiled<T> for Backward<'_, T, F, G>
where
    T: Float,
    F: Fn(usize) -> [Rows<'a, T>; 3] + Sync,
    G: Fn(usize) -> Rows<'a, T> + Sync,
{
    type Output = Vec<[Vec<T>; 3]>;

    fn run<S: Simd, const MR: usize, const NR: usize>(self, simd: S) -> Vec<[Vec<T>; 3]> {
        let Self {
            sizes,
            rows,
            g,
            mixed,
        } = self;
        let heads = (0..sizes.heads).into_par_iter();
        let heads = heads.map(|head| {
            let (rows, g, kept) = (rows(head), g(head), &mixed[head].p[..]);
            simd.vectorize(BackwardHead::<'_, T, MR, NR> {
                sizes,
                rows,
                g,
                kept,
            })
        });
        heads.collect()
    }
}

struct BackwardHead<'a, T, const MR: usize, const NR: usize> {
    sizes: Sizes,
    rows: [Rows<'a, T>; 3],
    g: Rows<'a, T>,
    /// P, or nothing.
    kept: &'a [T],
}

impl<T: Float, const MR: usize, const NR: usize> WithSimd for BackwardHead<'_, T, MR, NR> {
    type Output = [Vec<T>; 3];

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> [Vec<T>; 3] {
        let Self {
            sizes,
            rows: [q, k, v],
            g,
            kept,
        } = self;
        let Sizes {
            queries,
            keys,
            depth,
            width,
            ..
        } = sizes;
        let mut dq = vec![T::default(); queries * depth];
        if queries * keys == 0 {
            let of_keys = |length: usize| vec![T::default(); keys * length];
            return [dq, of_keys(depth), of_keys(width)];
        }
        let scale = T::of(sizes.scale);
        let transpose = Transpose::<NR>::new::<S, T>(simd);
        let k_along = along::<T, NR>(k, [keys, depth]);
        let k = across::<S, T, NR>(simd, &transpose, k, [keys, depth]);
        let v = across::<S, T, NR>(simd, &transpose, v, [keys, width]);
        let line = keys.next_multiple_of(NR);
        let mut p = vec![T::default(); QUERIES * line];
        let mut ds = p.clone();
        let mut dk = Sums::<T, MR, NR>::new(keys, depth);
        let mut dv = Sums::<T, MR, NR>::new(keys, width);
        for (block, dq) in dq.chunks_mut(QUERIES * depth.max(1)).enumerate() {
            let first = block * QUERIES;
            let count = QUERIES.min(queries - first);
            if !kept.is_empty() {
                let kept = &kept[first * line..];
                let length = kept.len().min(p.len());
                p[..length].copy_from_slice(&kept[..length]);
            }
            for (i, ((p, ds), dq)) in p
                .chunks_exact_mut(MR * line)
                .zip(ds.chunks_exact_mut(MR * line))
                .zip(dq.chunks_mut(MR * depth.max(1)))
                .enumerate()
            {
                if kept.is_empty() {
                    let rows = q.some::<MR>(first + i * MR, queries, depth);
                    multiply::<S, T, MR, NR>(simd, rows, &k, p, line);
                    for p in p.chunks_exact_mut(line) {
                        softmax(&mut p[..keys], scale);
                    }
                }
                let rows = g.some::<MR>(first + i * MR, queries, width);
                multiply::<S, T, MR, NR>(simd, rows, &v, ds, line);
                let pairs = p.chunks_exact_mut(line).zip(ds.chunks_exact_mut(line));
                for (p, ds) in pairs {
                    let (p, ds) = (&mut p[..keys], &mut ds[..keys]);
                    let (_, mean) = sum_and_dot(ds, p, |p| p);
                    for (ds, p) in ds.iter_mut().zip(&*p) {
                        *ds = (*ds - mean) * *p * scale;
                    }
                }
                let rows = lines::<T, MR>(ds, line, keys);
                multiply::<S, T, MR, NR>(simd, rows, &k_along, dq, depth);
            }
            let of_block = |x: Rows<'_, T>, length: usize| {
                let values = &x.values[first * x.step..];
                along::<T, NR>(Rows { values, ..x }, [count, length])
            };
            dk.add(simd, &ds[..count * line], line, &of_block(q, depth));
            dv.add(simd, &p[..count * line], line, &of_block(g, width));
        }
        [dq, dk.rows(keys, depth), dv.rows(keys, width)]
    }
}

/// Panels of NR columns of a matrix that lie side by side at every row.
struct Panels<T, const NR: usize> {
    values: Vec<[T; NR]>,
    /// Rows of a panel.
    rows: usize,
    /// Columns of the matrix.
    columns: usize,
}

/// `xᵀ` as panels, of x `[count, length]`.
#[inline(always)]
fn across<S: Simd, T: Float, const NR: usize>(
    simd: S,
    transpose: &Transpose<NR>,
    x: Rows<'_, T>,
    [count, length]: [usize; 2],
) -> Panels<T, NR> {
    let mut values = vec![[T::default(); NR]; count.div_ceil(NR) * length];
    for (p, panel) in values.chunks_exact_mut(length.max(1)).enumerate() {
        let (x_values, columns) = (&x.values[p * NR * x.step..], NR.min(count - p * NR));
        let out = panel.as_flattened_mut();
        transpose.apply(simd, x_values, x.step, [columns, length], out, NR);
    }
    Panels {
        values,
        rows: length,
        columns: count,
    }
}

/// x, `[count, length]`, as panels.
#[inline(always)]
fn along<T: Float, const NR: usize>(x: Rows<'_, T>, [count, length]: [usize; 2]) -> Panels<T, NR> {
    let mut values = vec![[T::default(); NR]; count * length.div_ceil(NR)];
    for (p, panel) in values.chunks_exact_mut(count.max(1)).enumerate() {
        let columns = NR.min(length - p * NR);
        for (i, to) in panel.iter_mut().enumerate() {
            let row = &x.row(i, length)[p * NR..][..columns];
            match row.first_chunk() {
                Some(whole) => *to = *whole,
                None => to[..columns].copy_from_slice(row),
            }
        }
    }
    Panels {
        values,
        rows: count,
        columns: length,
    }
}

/// Writes the product of MR rows and a matrix, in rows that begin `step` apart, as far as `out`
/// reaches.
#[inline(always)]
fn multiply<S: Simd, T: Float, const MR: usize, const NR: usize>(
    simd: S,
    rows: [&[T]; MR],
    columns: &Panels<T, NR>,
    out: &mut [T],
    step: usize,
) {
    if step == 0 {
        return;
    }
    for p in 0..columns.columns.div_ceil(NR) {
        let mut sums = [[T::default(); NR]; MR];
        let panel = &columns.values[p * columns.rows..][..columns.rows];
        let mut tile = zeros::<S, T, MR>(simd);
        for (k, block) in panel.chunks(STEPS).enumerate() {
            let rows = rows.map(
                #[inline(always)]
                |row| &row[k * STEPS..][..block.len()],
            );
            let part = product_of_rows(simd, zeros::<S, T, MR>(simd), rows, block);
            tile = plus::<S, T, MR>(simd, tile, part);
        }
        store::<S, T, MR, NR>(tile, &mut sums);
        for (out, sums) in out.chunks_exact_mut(step).zip(&sums) {
            let out = &mut out[p * NR..];
            match out.first_chunk_mut() {
                Some(whole) => *whole = *sums,
                None => out.copy_from_slice(&sums[..out.len()]),
            }
        }
    }
}

/// The sum of two tiles.
#[inline(always)]
fn plus<S: Simd, T: Float, const MR: usize>(
    simd: S,
    mut sums: Tile<T::Vector<S>, MR>,
    more: Tile<T::Vector<S>, MR>,
) -> Tile<T::Vector<S>, MR> {
    for (sums, more) in sums.iter_mut().zip(more) {
        *sums = [
            T::add_lanes(simd, sums[0], more[0]),
            T::add_lanes(simd, sums[1], more[1]),
        ];
    }
    sums
}

/// The first `length` numbers of MR lines.
#[inline(always)]
fn lines<T, const MR: usize>(x: &[T], line: usize, length: usize) -> [&[T]; MR] {
    std::array::from_fn(|i| &x[i * line..][..length])
}

/// The softmax of scores times a scale, written over them.
#[inline(always)]
fn softmax<T: Float>(row: &mut [T], scale: T) {
    let largest = row.iter().fold(row[0], |m, x| if *x > m { *x } else { m });
    row.iter_mut()
        .for_each(|x| *x = ((*x - largest) * scale).exp_());
    let share = T::ONE / sum(row, |x| x);
    row.iter_mut().for_each(|x| *x = *x * share);
}

/// Sums per key, over the queries.
struct Sums<T, const MR: usize, const NR: usize> {
    /// `[keys, panels]`.
    tiles: Vec<[[T; NR]; MR]>,
    panels: usize,
}

impl<T: Float, const MR: usize, const NR: usize> Sums<T, MR, NR> {
    fn new(keys: usize, length: usize) -> Self {
        let panels = length.div_ceil(NR);
        Self {
            tiles: vec![[[T::default(); NR]; MR]; keys.div_ceil(MR) * panels],
            panels,
        }
    }

    /// Adds `xᵀ·y` of lines of x, one number per key, and as many rows of y.
    #[inline(always)]
    fn add<S: Simd>(&mut self, simd: S, x: &[T], line: usize, y: &Panels<T, NR>) {
        if self.panels == 0 {
            return;
        }
        for (i, tiles) in self.tiles.chunks_exact_mut(self.panels).enumerate() {
            for (tile, y) in tiles.iter_mut().zip(y.values.chunks_exact(y.rows)) {
                let left = x.chunks_exact(line).map(
                    #[inline(always)]
                    |x| x[i * MR..].first_chunk().expect("lines of whole tiles"),
                );
                let part = product(simd, zeros::<S, T, MR>(simd), left.zip(y));
                let sums = plus::<S, T, MR>(simd, load::<S, T, MR, NR>(tile), part);
                store::<S, T, MR, NR>(sums, tile);
            }
        }
    }

    /// `[keys, length]`.
    #[inline(always)]
    fn rows(&self, keys: usize, length: usize) -> Vec<T> {
        let mut out = vec![T::default(); keys * length];
        for (key, out) in out.chunks_exact_mut(length.max(1)).enumerate() {
            for (p, out) in out.chunks_mut(NR).enumerate() {
                let tile = &self.tiles[key / MR * self.panels + p];
                out.copy_from_slice(&tile[key % MR][..out.len()]);
            }
        }
        out
    }
}
