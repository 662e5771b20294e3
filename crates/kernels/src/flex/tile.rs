//! A tile of sums that stays in registers.
//!
//! `C_ij += Σ_k A_ki·B_kj`, i < MR, j < NR, with NR as wide as two vectors
//!
//! Each element is summed in the order of k, whatever the tile's size, with one rounding per term
//! where the processor has an instruction for that.

use crate::flex::arch::arch;
use crate::flex::float::Float;
use pulp::{Arch, Scalar, Simd};

/// A computation on tiles, written for tiles of any size.
pub(super) trait Tiled<T> {
    type Output;

    /// Runs it with these vectors and this tile. The loops in it are run by [`Simd::vectorize`],
    /// which compiles them for the vectors.
    fn run<S: Simd, const MR: usize, const NR: usize>(self, simd: S) -> Self::Output;
}

/// The float types with the tiles that fill a processor's registers.
///
/// A tile is two vectors wide. In single precision it is 8 rows high where there are 32 registers,
/// and 4 rows where there may be 16. NR is a multiple of MR.
pub(super) trait Tiles: Float {
    /// Runs a computation with the vectors of the processor at hand and the tile that fits them.
    ///
    /// The computation is compiled for no other pair of vectors and tile.
    fn on_tiles<K: Tiled<Self>>(computation: K) -> K::Output;
}

impl Tiles for f32 {
    fn on_tiles<K: Tiled<Self>>(computation: K) -> K::Output {
        match arch() {
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            Arch::V4(simd) => computation.run::<_, 8, 32>(simd),
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            Arch::V3(simd) => computation.run::<_, 4, 16>(simd),
            #[cfg(target_arch = "aarch64")]
            Arch::Neon(simd) => computation.run::<_, 4, 8>(simd),
            #[cfg(target_arch = "wasm32")]
            Arch::Simd128(simd) => computation.run::<_, 4, 8>(simd),
            _ => computation.run::<_, 2, 2>(Scalar),
        }
    }
}

impl Tiles for f64 {
    fn on_tiles<K: Tiled<Self>>(computation: K) -> K::Output {
        match arch() {
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            Arch::V4(simd) => computation.run::<_, 4, 16>(simd),
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            Arch::V3(simd) => computation.run::<_, 4, 8>(simd),
            #[cfg(target_arch = "aarch64")]
            Arch::Neon(simd) => computation.run::<_, 4, 4>(simd),
            #[cfg(target_arch = "wasm32")]
            Arch::Simd128(simd) => computation.run::<_, 4, 4>(simd),
            _ => computation.run::<_, 2, 2>(Scalar),
        }
    }
}

/// MR rows of two vectors.
pub(super) type Tile<V, const MR: usize> = [[V; 2]; MR];

/// A tile of zeros.
#[inline(always)]
pub(super) fn zeros<S: Simd, T: Float, const MR: usize>(simd: S) -> Tile<T::Vector<S>, MR> {
    [[T::splat(simd, T::default()); 2]; MR]
}

/// A tile from memory.
#[inline(always)]
pub(super) fn load<S: Simd, T: Float, const MR: usize, const NR: usize>(
    sums: &[[T; NR]; MR],
) -> Tile<T::Vector<S>, MR> {
    std::array::from_fn(|i| {
        let row = T::vectors::<S>(&sums[i]);
        [row[0], row[1]]
    })
}

/// Puts a tile into memory.
#[inline(always)]
pub(super) fn store<S: Simd, T: Float, const MR: usize, const NR: usize>(
    tile: Tile<T::Vector<S>, MR>,
    sums: &mut [[T; NR]; MR],
) {
    for (row, tile) in sums.iter_mut().zip(tile) {
        T::vectors_mut::<S>(row)[..2].copy_from_slice(&tile);
    }
}

/// The tile plus the sums over k: each step has MR numbers of A and NR numbers of B.
#[inline(always)]
pub(super) fn product<'a, S: Simd, T: Float, const MR: usize, const NR: usize>(
    simd: S,
    mut tile: Tile<T::Vector<S>, MR>,
    steps: impl Iterator<Item = (&'a [T; MR], &'a [T; NR])>,
) -> Tile<T::Vector<S>, MR> {
    for (a, b) in steps {
        step(simd, &mut tile, |i| a[i], b);
    }
    tile
}

/// Adds the products of MR numbers and NR numbers.
#[inline(always)]
fn step<S: Simd, T: Float, const MR: usize, const NR: usize>(
    simd: S,
    tile: &mut Tile<T::Vector<S>, MR>,
    a: impl Fn(usize) -> T,
    b: &[T; NR],
) {
    let b = T::vectors::<S>(b);
    let (left, right) = (b[0], b[1]);
    for (i, row) in tile.iter_mut().enumerate() {
        let a = T::splat(simd, a(i));
        row[0] = T::fma_lanes(simd, a, left, row[0]);
        row[1] = T::fma_lanes(simd, a, right, row[1]);
    }
}

/// The same with the rows of A read where they lie, `[depth]` each, and B as `[depth, NR]`.
#[inline(always)]
pub(super) fn product_of_rows<S: Simd, T: Float, const MR: usize, const NR: usize>(
    simd: S,
    mut tile: Tile<T::Vector<S>, MR>,
    rows: [&[T]; MR],
    columns: &[[T; NR]],
) -> Tile<T::Vector<S>, MR> {
    /// Steps whose indices are checked together.
    const K: usize = 8;
    let (blocks, rest) = columns.as_chunks::<K>();
    let mut pieces: [&[[T; K]]; MR] = [&[]; MR];
    for (pieces, row) in pieces.iter_mut().zip(&rows) {
        *pieces = row.as_chunks::<K>().0;
    }
    for (k, block) in blocks.iter().enumerate() {
        let a: [&[T; K]; MR] = std::array::from_fn(|i| &pieces[i][k]);
        for (k, b) in block.iter().enumerate() {
            step(simd, &mut tile, |i| a[i][k], b);
        }
    }
    for (k, b) in rest.iter().enumerate() {
        let k = blocks.len() * K + k;
        step(simd, &mut tile, |i| rows[i][k], b);
    }
    tile
}

/// `[rows, depth]` → panels of MR rows, each `[depth, MR]`; rows beyond the last are 0.
pub(super) fn panels<T: Float, const MR: usize>(
    matrix: &[T],
    rows: usize,
    depth: usize,
) -> Vec<[T; MR]> {
    let mut out = vec![[T::default(); MR]; rows.div_ceil(MR) * depth];
    for (r, row) in matrix.chunks_exact(depth.max(1)).enumerate().take(rows) {
        let panel = &mut out[r / MR * depth..][..depth];
        for (slot, value) in panel.iter_mut().zip(row) {
            slot[r % MR] = *value;
        }
    }
    out
}
