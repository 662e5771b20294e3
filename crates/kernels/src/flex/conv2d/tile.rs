//! A tile of sums that stays in registers.
//!
//! `C_ij += Σ_k A_ki·B_kj`, i < MR, j < NR
//!
//! Each element is summed in the order of k, one rounding a term, whatever the tile's size.

use super::super::float::Float;
use pulp::Simd;

/// Sums over the long axis: for each step MR numbers of a and NR numbers of b, NR being two vectors.
#[inline(always)]
pub(super) fn product<'a, S: Simd, T: Float, const MR: usize, const NR: usize>(
    simd: S,
    sums: &mut [[T; NR]; MR],
    steps: impl Iterator<Item = (&'a [T; MR], &'a [T; NR])>,
) {
    let mut tile: [[T::Vector<S>; 2]; MR] = std::array::from_fn(|i| {
        let row = T::vectors::<S>(&sums[i]);
        [row[0], row[1]]
    });
    for (a, b) in steps {
        let b = T::vectors::<S>(b);
        let (left, right) = (b[0], b[1]);
        for i in 0..MR {
            let a = T::splat(simd, a[i]);
            tile[i][0] = T::fma_lanes(simd, a, left, tile[i][0]);
            tile[i][1] = T::fma_lanes(simd, a, right, tile[i][1]);
        }
    }
    for (row, tile) in sums.iter_mut().zip(tile) {
        T::vectors_mut::<S>(row)[..2].copy_from_slice(&tile);
    }
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
    pulp::Arch::new().dispatch(Bytes)
}

/// Calls `module::run::<T, MR, NR>` with the tile that fills the processor's registers: two vectors wide, and 8 rows high where there
/// are 32 registers, 4 where there may be 16.
macro_rules! by_tile {
    ($t:ident, $module:ident::run($($argument:expr),* $(,)?)) => {
        match $crate::flex::conv2d::tile::vector_bytes() / size_of::<$t>() {
            16 => $module::run::<$t, 8, 32>($($argument),*),
            8 => $module::run::<$t, 4, 16>($($argument),*),
            4 => $module::run::<$t, 4, 8>($($argument),*),
            2 => $module::run::<$t, 4, 4>($($argument),*),
            _ => $module::run::<$t, 4, 2>($($argument),*),
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
