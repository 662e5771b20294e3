//! Loops over slices, on the widest vectors that the processor has and on all threads.
//!
//! How a loop is split depends on sizes alone, so results do not depend on the number of threads.

use crate::flex::arch::arch;
use crate::flex::float::Float;
use rayon::prelude::*;

/// Elements that one thread takes at a time. No more than that, and one thread takes them all.
pub(super) const CHUNK: usize = 32_768;
/// Lanes of a sum: a fixed number, so that a sum does not depend on the width of the vectors.
const LANES: usize = 32;
/// Numbers that are summed in their own precision, before the sums are added in double precision.
const BLOCK: usize = 2048;
/// Elements of a large result that are made at a time, in the first-level cache.
const PIECE: usize = 1024;

/// Runs a closure that is compiled for each kind of vectors, on the widest that the processor has.
///
/// Whatever it calls has to be inlined into it: other functions are compiled for the oldest
/// processor.
#[inline(always)]
pub(super) fn vectorised<R>(f: impl FnOnce() -> R) -> R {
    arch().dispatch(f)
}

/// n elements, made piece by piece: `f(start, piece)` writes those from `start` on. It has to be
/// inlined, since it runs in a vectorised loop.
///
/// The pieces of a large result are made in the cache and moved into place. So its memory is
/// written once, without being zeroed first, and by all threads.
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
    if x.len() > CHUNK {
        x.par_chunks_mut(CHUNK).for_each(chunk);
    } else {
        chunk(x);
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
    if x.len() > CHUNK {
        let chunks = x.par_chunks_mut(CHUNK).zip(y.par_chunks(CHUNK));
        chunks.for_each(chunk);
    } else {
        chunk((x, y));
    }
}

/// `x_i ← x_i + y_i`.
pub(super) fn add<T: Float>(x: &mut [T], y: &[T]) {
    update_with(
        x,
        y,
        #[inline(always)]
        |x, y| x + y,
    );
}

/// `Σ f(x_i)`, inlined into a vectorised loop.
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

/// `x_i ← f(x_i)`, and the sum of the new x_i, inlined likewise.
#[inline(always)]
pub(super) fn update_and_sum<T: Float>(x: &mut [T], f: impl Fn(T) -> T) -> T {
    let mut total = 0.0;
    for x in x.chunks_mut(BLOCK) {
        let (blocks, rest) = x.as_chunks_mut::<LANES>();
        let mut lanes = [T::default(); LANES];
        for block in blocks {
            for (lane, x) in lanes.iter_mut().zip(block) {
                *x = f(*x);
                *lane += *x;
            }
        }
        for (lane, x) in lanes.iter_mut().zip(rest) {
            *x = f(*x);
            *lane += *x;
        }
        total += fold(lanes);
    }
    T::of(total)
}

/// The largest of some numbers, inlined likewise.
#[inline(always)]
pub(super) fn largest<T: Float>(x: &[T]) -> T {
    let larger = |a: T, b: T| if b > a { b } else { a };
    let (blocks, rest) = x.as_chunks::<LANES>();
    let mut lanes = [x[0]; LANES];
    for block in blocks {
        for (lane, x) in lanes.iter_mut().zip(block) {
            *lane = larger(*lane, *x);
        }
    }
    let lanes = lanes.into_iter().chain(rest.iter().copied());
    lanes.fold(x[0], larger)
}

/// `Σ x_i` and `Σ x_i·f(y_i)`, inlined likewise.
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

/// The sum of the lanes, by repeated halving.
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
