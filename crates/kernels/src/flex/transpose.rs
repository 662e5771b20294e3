//! The transpose of a matrix, with vectors.
//!
//! Four numbers of each row are read at a time and come apart as four vectors across the rows. A
//! compiler left to itself moves the matrix number by number.

use crate::flex::float::Float;
use pulp::Simd;

/// Groups of four that are read from one row before the next. Together they fill a cache line,
/// since rows that lie far apart evict each other from the cache.
const GROUPS: usize = 4;

/// A transpose of NR rows at a time, with the lane in which each of them arrives.
#[derive(Clone, Copy)]
pub(super) struct Transpose<const NR: usize>([usize; NR]);

impl<const NR: usize> Transpose<NR> {
    /// Finds the lanes by trying.
    #[inline(always)]
    pub(super) fn new<S: Simd, T: Float>(simd: S) -> Self {
        let mut fours = [[T::default(); 4]; NR];
        for (i, four) in fours.iter_mut().enumerate() {
            *four = [T::of(i as f64); 4];
        }
        let mut arrived = [T::default(); NR];
        for half in 0..2 {
            T::vectors_mut::<S>(&mut arrived)[half] = unzip_half(simd, &fours, half)[0];
        }
        let mut lanes = [0; NR];
        for (lane, i) in arrived.into_iter().enumerate() {
            let i: f64 = i.into();
            lanes[i as usize] = lane;
        }
        Self(lanes)
    }

    /// `out[p·width + i] = x[i·stride + p]` for i < count and p < length, with the width a multiple
    /// of NR. Between the count and the next multiple of NR, numbers are set to 0 or left as they
    /// are.
    #[inline(always)]
    pub(super) fn apply<S: Simd, T: Float>(
        &self,
        simd: S,
        x: &[T],
        stride: usize,
        [count, length]: [usize; 2],
        out: &mut [T],
        width: usize,
    ) {
        let whole = length / 4 * 4;
        for first in (0..count).step_by(NR) {
            // Each row is put where it will arrive in its own lane.
            let mut rows: [&[T]; NR] = [&[]; NR];
            for (row, lane) in rows.iter_mut().zip(self.0) {
                if first + lane < count {
                    *row = &x[(first + lane) * stride..][..length];
                }
            }
            let mut fours = [[[T::default(); 4]; NR]; GROUPS];
            for start in (0..whole).step_by(4 * GROUPS) {
                let count = GROUPS.min((whole - start) / 4);
                for (l, row) in rows.iter().enumerate() {
                    let groups = row.get(start..start + 4 * count).unwrap_or(&[]);
                    for (fours, group) in fours.iter_mut().zip(groups.as_chunks::<4>().0) {
                        fours[l] = *group;
                    }
                }
                for (group, fours) in fours.iter().enumerate().take(count) {
                    for half in 0..2 {
                        let parts = unzip_half(simd, fours, half);
                        for (k, part) in parts.into_iter().enumerate() {
                            let row = (start + 4 * group + k) * width + first;
                            T::vectors_mut::<S>(&mut out[row..row + NR])[half] = part;
                        }
                    }
                }
            }
            for p in whole..length {
                for i in first..count.min(first + NR) {
                    out[p * width + i] = x[i * stride + p];
                }
            }
        }
    }
}

/// Half of the fours as four vectors.
#[inline(always)]
fn unzip_half<S: Simd, T: Float, const NR: usize>(
    simd: S,
    fours: &[[T; 4]; NR],
    half: usize,
) -> [T::Vector<S>; 4] {
    let v = &T::vectors::<S>(fours.as_flattened())[4 * half..4 * half + 4];
    T::unzip_fours(simd, [v[0], v[1], v[2], v[3]])
}

#[cfg(test)]
mod tests {
    use super::*;
    use pulp::{Scalar, Scalar128b, Scalar256b};

    fn check<S: Simd, T: Float, const NR: usize>(simd: S) {
        let (stride, width) = (29, (37_usize).div_ceil(NR) * NR);
        let x: Vec<T> = (0..37 * stride).map(|i| T::of(i as f64)).collect();
        for length in [0, 3, 4, 7, 16, 23] {
            let mut out = vec![T::of(9.0); length * width];
            Transpose::<NR>::new::<S, T>(simd).apply(
                simd,
                &x,
                stride,
                [37, length],
                &mut out,
                width,
            );
            for (p, row) in out.chunks_exact(width).enumerate() {
                for (i, value) in row.iter().enumerate().take(37) {
                    let expected = T::of((i * stride + p) as f64);
                    assert!(*value == expected, "{length}: {p}, {i}");
                }
            }
            // Unzipped and zipped again, pairs are what they were.
            let pairs = T::vectors::<S>(&x[..NR]);
            let parts = T::unzip_lanes(simd, [pairs[0], pairs[1]]);
            let (mut apart, mut together) = ([T::default(); NR], [T::default(); NR]);
            T::vectors_mut::<S>(&mut apart)[..2].copy_from_slice(&parts);
            T::vectors_mut::<S>(&mut together)[..2].copy_from_slice(&T::zip_lanes(simd, parts));
            assert!(together[..] == x[..NR]);
            let (first, second) = apart.split_at(NR / 2);
            assert!(first.iter().zip(second).all(|(a, b)| *b == *a + T::ONE));
        }
    }

    #[test]
    fn rows_become_columns_on_vectors_of_any_width() {
        check::<_, f32, 2>(Scalar::new());
        check::<_, f64, 2>(Scalar::new());
        check::<_, f32, 8>(Scalar128b);
        check::<_, f64, 4>(Scalar128b);
        check::<_, f32, 16>(Scalar256b);
        check::<_, f64, 8>(Scalar256b);
        #[cfg(target_arch = "x86_64")]
        {
            if let Some(simd) = pulp::x86::V3::try_new() {
                check::<_, f32, 16>(simd);
                check::<_, f64, 8>(simd);
            }
            if let Some(simd) = pulp::x86::V4::try_new() {
                check::<_, f32, 32>(simd);
                check::<_, f64, 16>(simd);
            }
        }
        #[cfg(target_arch = "aarch64")]
        if let Some(simd) = pulp::aarch64::Neon::try_new() {
            check::<_, f32, 8>(simd);
            check::<_, f64, 4>(simd);
        }
    }
}
