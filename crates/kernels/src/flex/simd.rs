//! Loops over slices, on the widest vectors that the processor has and on all threads.
//!
//! What a chunk holds depends on sizes alone, so results do not depend on the number of threads.

use super::CHUNK;
use super::arch::arch;
use super::float::Float;
use rayon::prelude::*;

/// Lanes of a sum. Fixed, so that a sum is the same whatever the width of a vector.
const LANES: usize = 32;
/// Numbers that are summed in their own precision before the sum is taken on in double.
const BLOCK: usize = 2048;
/// Elements of a large result that are made at a time: they fit the first-level cache.
const PIECE: usize = 1024;

/// Runs a closure compiled for the processor at hand. What it calls has to be inlined into it.
#[inline(always)]
pub(super) fn vectorised<R>(f: impl FnOnce() -> R) -> R {
    arch().dispatch(f)
}

/// n elements made piece by piece: `f(start, piece)` writes those from `start` on. Inlined into a loop that is vectorised.
///
/// The pieces of a large result are made in the cache and moved into place, so its memory is written once, not zeroed before, and by all
/// threads.
pub(super) fn build<T: Float>(n: usize, f: impl Fn(usize, &mut [T]) + Sync) -> Vec<T> {
    let piece = |start: usize, out: &mut [T]| {
        vectorised(
            #[inline(always)]
            || f(start, out),
        );
    };
    if n == 0 {
        return Vec::new();
    }
    if n <= CHUNK {
        let mut out = vec![T::default(); n];
        piece(0, &mut out);
        return out;
    }
    let pieces = (0..n.div_ceil(PIECE)).into_par_iter();
    let pieces: Vec<[T; PIECE]> = pieces
        .with_min_len(CHUNK / PIECE)
        .map(|p| {
            let mut out = [T::default(); PIECE];
            let start = p * PIECE;
            piece(start, &mut out[..PIECE.min(n - start)]);
            out
        })
        .collect();
    let mut out = pieces.into_flattened();
    out.truncate(n);
    out
}

/// n zeros, written by all threads.
pub(super) fn zeros<T: Float>(n: usize) -> Vec<T> {
    build(
        n,
        #[inline(always)]
        |_, _| {},
    )
}

/// `f(x_i)` for each element.
pub(super) fn map<T: Float>(x: &[T], f: impl Fn(T) -> T + Sync) -> Vec<T> {
    build(
        x.len(),
        #[inline(always)]
        |start, out| {
            let x = &x[start..start + out.len()];
            out.iter_mut().zip(x).for_each(|(y, x)| *y = f(*x));
        },
    )
}

/// `x_i ← f(x_i)`.
pub(super) fn update<T: Float>(x: &mut [T], f: impl Fn(T) -> T + Sync) {
    let chunk = |x: &mut [T]| {
        vectorised(
            #[inline(always)]
            || x.iter_mut().for_each(|x| *x = f(*x)),
        );
    };
    match x.len() > CHUNK {
        true => x.par_chunks_mut(CHUNK).for_each(chunk),
        false => chunk(x),
    }
}

/// `x_i ← f(x_i, y_i)`.
pub(super) fn update_with<T: Float>(x: &mut [T], y: &[T], f: impl Fn(T, T) -> T + Sync) {
    let chunk = |(x, y): (&mut [T], &[T])| {
        vectorised(
            #[inline(always)]
            || x.iter_mut().zip(y).for_each(|(x, y)| *x = f(*x, *y)),
        );
    };
    match x.len() > CHUNK {
        true => (x.par_chunks_mut(CHUNK).zip(y.par_chunks(CHUNK))).for_each(chunk),
        false => chunk((x, y)),
    }
}

/// `Σ f(x_i)`, inlined into a loop that is vectorised.
#[inline(always)]
pub(super) fn sum<T: Float>(x: &[T], f: impl Fn(T) -> T) -> T {
    let mut total = 0.0;
    for x in x.chunks(BLOCK) {
        let (blocks, rest) = x.as_chunks::<LANES>();
        let mut lanes = [T::default(); LANES];
        for block in blocks {
            for (lane, x) in lanes.iter_mut().zip(block) {
                *lane += f(*x);
            }
        }
        for (lane, x) in lanes.iter_mut().zip(rest) {
            *lane += f(*x);
        }
        total += fold(lanes);
    }
    T::of(total)
}

/// `Σ x_i` and `Σ x_i·f(y_i)`.
#[inline(always)]
pub(super) fn sum_and_dot<T: Float>(x: &[T], y: &[T], f: impl Fn(T) -> T) -> (T, T) {
    let mut total = (0.0, 0.0);
    for (x, y) in x.chunks(BLOCK).zip(y.chunks(BLOCK)) {
        let (mut sums, mut dots) = ([T::default(); LANES], [T::default(); LANES]);
        let ((blocks, x), (others, y)) = (x.as_chunks::<LANES>(), y.as_chunks::<LANES>());
        for (x, y) in blocks.iter().zip(others) {
            for l in 0..LANES {
                sums[l] += x[l];
                dots[l] = x[l].fma(f(y[l]), dots[l]);
            }
        }
        let lanes = sums.iter_mut().zip(&mut dots);
        for ((sum, dot), (x, y)) in lanes.zip(x.iter().zip(y)) {
            *sum += *x;
            *dot = x.fma(f(*y), *dot);
        }
        total.0 += fold(sums);
        total.1 += fold(dots);
    }
    (T::of(total.0), T::of(total.1))
}

/// The sum of the lanes, by halves.
#[inline(always)]
fn fold<T: Float>(mut lanes: [T; LANES]) -> f64 {
    let mut half = LANES / 2;
    while half > 0 {
        for l in 0..half {
            lanes[l] += lanes[l + half];
        }
        half /= 2;
    }
    lanes[0].into()
}
