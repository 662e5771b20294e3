//! Linear combinations.
//!
//! `y = x + Σ w_i·k_i`, `dx = g`, `dk_i = w_i·g`

use crate::downcast::raw;
use crate::flex::float::Float;
use crate::flex::simd::{CHUNK, build, map, vectorised};
use crate::flex::tensor::{by_dtype, contiguous, from_vec, reusable, run, slice};
use crate::tape::Fused;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use burn_flex::{Flex, FlexTensor};
use rayon::prelude::*;

/// Elements of the sum that stay in the first-level cache while the terms are added one by one.
const BLOCK: usize = 1024;
/// The most terms of one node: its type says how many parents it has, and each number of parents is
/// compiled anew.
const MOST: usize = 13;

pub(crate) fn combine<B: Backend, const D: usize>(
    x: Tensor<B, D>,
    terms: &[(f64, &Tensor<B, D>)],
) -> Tensor<B, D> {
    if let Some((first, rest)) = terms.split_at_checked(MOST)
        && !rest.is_empty()
    {
        return combine(combine(x, first), rest);
    }
    let mut weights = Vec::with_capacity(terms.len());
    let mut inputs = Vec::with_capacity(terms.len() + 1);
    inputs.push(raw(x));
    for (w, k) in terms.iter().filter(|(w, _)| *w != 0.0) {
        weights.push(*w);
        inputs.push(raw((*k).clone()));
    }
    macro_rules! by_parents {
        ($($n:literal)*) => {
            match inputs.len() {
                $($n => {
                    let inputs = <[_; $n]>::try_from(inputs);
                    let inputs = inputs.unwrap_or_else(|_| unreachable!("counted just now"));
                    run::<B, _, $n, D>(Combine(weights), inputs)
                })*
                _ => unreachable!("no more than {MOST} terms"),
            }
        };
    }
    by_parents!(1 2 3 4 5 6 7 8 9 10 11 12 13 14)
}

/// The weights of the terms; x comes first and has none.
#[derive(Debug, Clone)]
struct Combine(Vec<f64>);

impl<const N: usize> Fused<Flex, N> for Combine {
    type Saved = ();

    fn forward(&self, inputs: [FlexTensor; N]) -> (FlexTensor, ()) {
        let mut inputs = inputs.into_iter();
        let x = inputs.next().expect("x is an input");
        (sum(x, &self.0, inputs.collect()), ())
    }

    fn backward(&self, (): (), gradient: FlexTensor, wanted: [bool; N]) -> [Option<FlexTensor>; N] {
        std::array::from_fn(|i| {
            let share = || match i {
                0 => gradient.clone(),
                _ if self.0[i - 1] == 1.0 => gradient.clone(),
                _ => scaled(&gradient, self.0[i - 1]),
            };
            wanted[i].then(share)
        })
    }
}

/// The sum, written over x if nothing else holds it. Not generic over the number of parents.
fn sum(x: FlexTensor, weights: &[f64], terms: Vec<FlexTensor>) -> FlexTensor {
    by_dtype!(x.dtype(), typed_sum::<_>(x, weights, &terms))
}

fn typed_sum<T: Float>(x: FlexTensor, weights: &[f64], terms: &[FlexTensor]) -> FlexTensor {
    let terms: Vec<FlexTensor> = terms.iter().map(contiguous).collect();
    let pairs = weights.iter().zip(&terms);
    let terms: Vec<(T, &[T])> = pairs.map(|(w, k)| (T::of(*w), slice(k))).collect();
    if !reusable(&x) {
        let (values, shape) = (contiguous(&x), x.layout().shape().clone());
        let values = slice::<T>(&values);
        let out = build(
            values.len(),
            #[inline(always)]
            |start, out: &mut [T]| {
                out.copy_from_slice(&values[start..start + out.len()]);
                add(out, start, &terms);
            },
        );
        return from_vec(out, shape);
    }
    let mut out = x;
    let chunk = |(index, out): (usize, &mut [T])| {
        vectorised(
            #[inline(always)]
            || {
                for (block, out) in out.chunks_mut(BLOCK).enumerate() {
                    add(out, index * CHUNK + block * BLOCK, &terms);
                }
            },
        );
    };
    let chunks = out.storage_mut().par_chunks_mut(CHUNK).enumerate();
    chunks.for_each(chunk);
    out
}

/// Adds the terms to a part of the sum that begins at element `start`.
#[inline(always)]
fn add<T: Float>(out: &mut [T], start: usize, terms: &[(T, &[T])]) {
    for (w, k) in terms {
        let k = &k[start..start + out.len()];
        out.iter_mut().zip(k).for_each(|(y, k)| *y += *k * *w);
    }
}

/// `w·x`.
fn scaled(x: &FlexTensor, w: f64) -> FlexTensor {
    by_dtype!(x.dtype(), typed_scaled::<_>(x, w))
}

fn typed_scaled<T: Float>(x: &FlexTensor, w: f64) -> FlexTensor {
    let (x, w) = (contiguous(x), T::of(w));
    from_vec(map(slice::<T>(&x), |v| v * w), x.layout().shape().clone())
}
