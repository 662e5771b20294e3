//! Loops over slices, on the widest vectors that the processor has and on all threads.
//!
//! What a chunk holds depends on sizes alone, so results do not depend on the number of threads.

use super::CHUNK;
use super::float::Float;
use rayon::prelude::*;

/// Lanes of a sum. Fixed, so that a sum is the same whatever the width of a vector.
const LANES: usize = 16;
/// Numbers that are summed in their own precision before the sum is taken on in double.
const BLOCK: usize = 2048;

/// Runs a closure compiled for the processor at hand. What it calls has to be inlined into it.
#[inline(always)]
pub(super) fn vectorised<R>(f: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(f)
}

/// `f(x_i)` for each element.
pub(super) fn map<T: Float>(x: &[T], f: impl Fn(T) -> T + Sync + Copy) -> Vec<T> {
    let mut out = vec![T::default(); x.len()];
    let chunk = |(out, x): (&mut [T], &[T])| {
        vectorised(
            #[inline(always)]
            || out.iter_mut().zip(x).for_each(|(y, x)| *y = f(*x)),
        );
    };
    if x.len() > CHUNK {
        out.par_chunks_mut(CHUNK)
            .zip(x.par_chunks(CHUNK))
            .for_each(chunk);
    } else {
        chunk((&mut out, x));
    }
    out
}

/// `f(x_i, y_i)` for each pair.
pub(super) fn map2<T: Float>(x: &[T], y: &[T], f: impl Fn(T, T) -> T + Sync + Copy) -> Vec<T> {
    let mut out = vec![T::default(); x.len()];
    let chunk = |((out, x), y): ((&mut [T], &[T]), &[T])| {
        vectorised(
            #[inline(always)]
            || {
                let pairs = x.iter().zip(y);
                out.iter_mut()
                    .zip(pairs)
                    .for_each(|(o, (x, y))| *o = f(*x, *y));
            },
        );
    };
    if x.len() > CHUNK {
        (out.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK)))
            .zip(y.par_chunks(CHUNK))
            .for_each(chunk);
    } else {
        chunk(((&mut out, x), y));
    }
    out
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

/// `Σ x_i` and `Σ x_i·y_i`.
#[inline(always)]
pub(super) fn sum_and_dot<T: Float>(x: &[T], y: impl Fn(usize) -> T) -> (T, T) {
    let mut total = (0.0, 0.0);
    for (b, x) in x.chunks(BLOCK).enumerate() {
        let (mut sums, mut dots) = ([T::default(); LANES], [T::default(); LANES]);
        let (blocks, rest) = x.as_chunks::<LANES>();
        for (i, block) in blocks.iter().enumerate() {
            for l in 0..LANES {
                sums[l] += block[l];
                dots[l] = block[l].fma(y(b * BLOCK + i * LANES + l), dots[l]);
            }
        }
        for (l, x) in rest.iter().enumerate() {
            sums[l] += *x;
            dots[l] = x.fma(y(b * BLOCK + blocks.len() * LANES + l), dots[l]);
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
