//! A tile of sums that stays in registers.
//!
//! `C_ij += Σ_k A_ki·B_kj`, i < MR, j < NR
//!
//! Each element is summed in the order of k, one rounding a term, whatever the tile's size.

use super::arch::arch;
use super::float::Float;
use pulp::Simd;

/// MR rows of two vectors.
pub(super) type Tile<V, const MR: usize> = [[V; 2]; MR];

/// A tile of zeros.
#[inline(always)]
pub(super) fn zeros<S: Simd, T: Float, const MR: usize>(simd: S) -> Tile<T::Vector<S>, MR> {
    [[T::splat(simd, T::default()); 2]; MR]
}

/// The tile as it lies in memory.
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

/// The tile and the sums over the long axis: for each step MR numbers of a and NR numbers of b, NR being two vectors.
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

/// Adds the products of MR numbers and NR.
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

/// The same for rows that are read where they lie, `[depth]` each, and columns `[depth, NR]`.
#[inline(always)]
pub(super) fn product_of_rows<S: Simd, T: Float, const MR: usize, const NR: usize>(
    simd: S,
    mut tile: Tile<T::Vector<S>, MR>,
    rows: [&[T]; MR],
    columns: &[[T; NR]],
) -> Tile<T::Vector<S>, MR> {
    /// Steps whose indices are checked at once.
    const K: usize = 8;
    let (blocks, rest) = columns.as_chunks::<K>();
    let pieces: [&[[T; K]]; MR] = rows.map(|row| row.as_chunks::<K>().0);
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

/// Bytes of the processor's vectors.
pub(super) fn vector_bytes() -> usize {
    struct Bytes;
    impl pulp::WithSimd for Bytes {
        type Output = usize;

        #[inline(always)]
        fn with_simd<S: pulp::Simd>(self, _: S) -> usize {
            size_of::<S::f32s>()
        }
    }
    arch().dispatch(Bytes)
}

/// Calls `function::<T, MR, NR>` with the tile that fills the processor's registers: two vectors wide, and 8 rows high for
/// single precision where there are 32 registers, 4 where there may be 16. NR is a multiple of MR.
macro_rules! by_tile {
    ($t:ident, $($function:ident)::+($($argument:expr),* $(,)?)) => {
        match $crate::flex::tile::vector_bytes() / size_of::<$t>() {
            16 => $($function)::+::<$t, 8, 32>($($argument),*),
            8 => $($function)::+::<$t, 4, 16>($($argument),*),
            4 => $($function)::+::<$t, 4, 8>($($argument),*),
            2 => $($function)::+::<$t, 4, 4>($($argument),*),
            _ => $($function)::+::<$t, 2, 2>($($argument),*),
        }
    };
}
pub(super) use by_tile;

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
