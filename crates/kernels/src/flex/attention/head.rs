//! One head of one sample, on tiles.

use crate::flex::float::Float;
use crate::flex::simd::{largest, sum_and_dot, update_and_sum};
use crate::flex::tile::{Tile, Tiled, load, product, product_of_rows, store, zeros};
use crate::flex::transpose::Transpose;
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

/// Queries at a time in the backward.
const QUERIES: usize = 64;
/// Tiles of queries that meet a panel of keys or values while it is in the first-level cache.
const GROUP: usize = 4;
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
        let mut rows = [&self.values[..0]; MR];
        for (i, row) in rows.iter_mut().enumerate() {
            *row = self.row((first + i).min(count - 1), length);
        }
        rows
    }
}

/// y of all heads, and the P of each where that is kept.
pub(super) struct Mixed<T> {
    /// `[heads, queries, width]`.
    pub(super) y: Vec<T>,
    /// Of each head `[queries, keys]`, with lines of whole panels and whole tiles of lines; or
    /// nothing.
    pub(super) p: Vec<Vec<T>>,
}

/// y of every head from the rows of q, k and v of a head, and P for the backward.
pub(super) struct Forward<F> {
    pub(super) sizes: Sizes,
    pub(super) rows: F,
}

impl<'a, T: Float, F: Fn(usize) -> [Rows<'a, T>; 3] + Sync> Tiled<T> for Forward<F> {
    type Output = Mixed<T>;

    fn run<S: Simd, const MR: usize, const NR: usize>(self, simd: S) -> Mixed<T> {
        let Self { sizes, rows } = self;
        let (queries, width) = (sizes.queries, sizes.width);
        let mut y = vec![T::default(); sizes.heads * queries * width];
        if y.is_empty() {
            let p = vec![Vec::new(); sizes.heads];
            return Mixed { y, p };
        }
        // A row of P does not depend on the others, so heads are split where they are few.
        let parts = rayon::current_num_threads().div_ceil(sizes.heads);
        let parts = parts.min(queries / FEW).max(1);
        let at_once = queries.div_ceil(parts).next_multiple_of(MR);
        let mut tasks = Vec::with_capacity(sizes.heads * parts);
        for (head, y) in y.chunks_mut(queries * width).enumerate() {
            let of_parts = y.chunks_mut(at_once * width).enumerate();
            tasks.extend(of_parts.map(|(part, y)| (head, part * at_once, y)));
        }
        let parts = tasks.len() / sizes.heads;
        let run = |(head, first, y): (usize, usize, &mut [T])| {
            let [q, k, v] = rows(head);
            let values = &q.values[first * q.step..];
            let queries = y.len() / width;
            simd.vectorize(ForwardHead::<'_, '_, T, MR, NR> {
                sizes: Sizes { queries, ..sizes },
                rows: [Rows { values, ..q }, k, v],
                keeps: sizes.keeps(),
                y,
            })
        };
        let mut p: Vec<Vec<T>> = tasks.into_par_iter().map(run).collect();
        if parts > 1 {
            p = p.chunks(parts).map(|of_head| of_head.concat()).collect();
        }
        Mixed { y, p }
    }
}

struct ForwardHead<'a, 'y, T, const MR: usize, const NR: usize> {
    sizes: Sizes,
    rows: [Rows<'a, T>; 3],
    keeps: bool,
    y: &'y mut [T],
}

impl<T: Float, const MR: usize, const NR: usize> WithSimd for ForwardHead<'_, '_, T, MR, NR> {
    /// P, or nothing.
    type Output = Vec<T>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Vec<T> {
        let Self {
            sizes,
            rows: [q, k, v],
            keeps,
            y,
        } = self;
        let Sizes {
            queries,
            keys,
            depth,
            width,
            ..
        } = sizes;
        if keys == 0 {
            return Vec::new();
        }
        let transpose = Transpose::<NR>::new::<S, T>(simd);
        let k = across::<S, T, NR>(simd, &transpose, k, [keys, depth]);
        let v = along::<T, NR>(v, [keys, width]);
        let line = keys.next_multiple_of(NR);
        let tiles = queries.div_ceil(MR);
        let kept = if keeps { tiles } else { GROUP.min(tiles) };
        let mut p = vec![T::default(); kept * MR * line];
        for (group, y) in y.chunks_mut(GROUP * MR * width).enumerate() {
            let first = group * GROUP * MR;
            let count = GROUP.min(tiles - group * GROUP);
            let start = if keeps { first * line } else { 0 };
            let p = &mut p[start..][..count * MR * line];
            multiply::<S, T, MR, NR>(
                simd,
                count,
                #[inline(always)]
                |tile| q.some::<MR>(first + tile * MR, queries, depth),
                &k,
                p,
                line,
            );
            let mut shares = [[T::default(); MR]; GROUP];
            let shares = shares.as_flattened_mut();
            for (row, share) in p.chunks_exact_mut(line).zip(&mut *shares) {
                *share = exponentials(&mut row[..keys], T::of(sizes.scale));
            }
            multiply::<S, T, MR, NR>(
                simd,
                count,
                #[inline(always)]
                |tile| lines::<T, MR>(&p[tile * MR * line..], line, keys),
                &v,
                y,
                width,
            );
            for (y, share) in y.chunks_exact_mut(width).zip(&*shares) {
                y.iter_mut().for_each(|y| *y = *y * *share);
            }
            if keeps {
                for (row, share) in p.chunks_exact_mut(line).zip(&*shares) {
                    row.iter_mut().for_each(|p| *p = *p * *share);
                }
            }
        }
        match keeps {
            true => p,
            false => Vec::new(),
        }
    }
}

/// dq, dk and dv of every head, `[tokens, depth or width]`, from the rows of q, k and v of a head,
/// and of g, and from P where it is kept.
pub(super) struct Backward<'p, T, F, G> {
    pub(super) sizes: Sizes,
    pub(super) rows: F,
    pub(super) g: G,
    /// Of each head P, or nothing.
    pub(super) kept: &'p [Vec<T>],
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
            kept,
        } = self;
        let heads = (0..sizes.heads).into_par_iter();
        let heads = heads.map(|head| {
            let (rows, g, kept) = (rows(head), g(head), &kept[head][..]);
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
            let groups = p
                .chunks_exact_mut(GROUP * MR * line)
                .zip(ds.chunks_exact_mut(GROUP * MR * line))
                .zip(dq.chunks_mut(GROUP * MR * depth.max(1)));
            for (i, ((p, ds), dq)) in groups.enumerate() {
                let first = first + i * GROUP * MR;
                let tiles = GROUP.min((queries - first).div_ceil(MR));
                if kept.is_empty() {
                    multiply::<S, T, MR, NR>(
                        simd,
                        tiles,
                        #[inline(always)]
                        |tile| q.some::<MR>(first + tile * MR, queries, depth),
                        &k,
                        p,
                        line,
                    );
                    for p in p.chunks_exact_mut(line).take(tiles * MR) {
                        let p = &mut p[..keys];
                        let share = exponentials(p, scale);
                        p.iter_mut().for_each(|p| *p = *p * share);
                    }
                }
                multiply::<S, T, MR, NR>(
                    simd,
                    tiles,
                    #[inline(always)]
                    |tile| g.some::<MR>(first + tile * MR, queries, width),
                    &v,
                    ds,
                    line,
                );
                let pairs = p.chunks_exact_mut(line).zip(ds.chunks_exact_mut(line));
                for (p, ds) in pairs.take(tiles * MR) {
                    let (p, ds) = (&mut p[..keys], &mut ds[..keys]);
                    let (_, mean) = sum_and_dot(ds, p, |p| p);
                    for (ds, p) in ds.iter_mut().zip(&*p) {
                        *ds = (*ds - mean) * *p * scale;
                    }
                }
                multiply::<S, T, MR, NR>(
                    simd,
                    tiles,
                    #[inline(always)]
                    |tile| lines::<T, MR>(&ds[tile * MR * line..], line, keys),
                    &k_along,
                    dq,
                    depth,
                );
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

/// Writes the product of a number of tiles, of MR rows each, and a matrix, in rows that begin `step`
/// apart, as far as `out` reaches.
#[inline(always)]
fn multiply<'a, S: Simd, T: Float, const MR: usize, const NR: usize>(
    simd: S,
    tiles: usize,
    rows: impl Fn(usize) -> [&'a [T]; MR],
    columns: &Panels<T, NR>,
    out: &mut [T],
    step: usize,
) {
    if step == 0 {
        return;
    }
    for p in 0..columns.columns.div_ceil(NR) {
        let panel = &columns.values[p * columns.rows..][..columns.rows];
        for (of_tile, out) in (0..tiles).zip(out.chunks_mut(MR * step)) {
            let mut sums = [[T::default(); NR]; MR];
            let mut tile = zeros::<S, T, MR>(simd);
            let rows = rows(of_tile);
            for (k, block) in panel.chunks(STEPS).enumerate() {
                let mut of_block = rows;
                for row in &mut of_block {
                    *row = &row[k * STEPS..][..block.len()];
                }
                let part = product_of_rows(simd, zeros::<S, T, MR>(simd), of_block, block);
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

/// The first `length` numbers of MR lines. Arrays are filled by loops here and above: the functions
/// of the standard library that do so are not inlined.
#[inline(always)]
fn lines<T, const MR: usize>(x: &[T], line: usize, length: usize) -> [&[T]; MR] {
    let mut rows = [&x[..0]; MR];
    for (i, row) in rows.iter_mut().enumerate() {
        *row = &x[i * line..][..length];
    }
    rows
}

/// `e^(s·(x − max x))` of scores, written over them. Times what is returned, it is their softmax.
#[inline(always)]
fn exponentials<T: Float>(row: &mut [T], scale: T) -> T {
    let most = largest(row);
    let sum = update_and_sum(
        row,
        #[inline(always)]
        |x| ((x - most) * scale).exp_(),
    );
    T::ONE / sum
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
