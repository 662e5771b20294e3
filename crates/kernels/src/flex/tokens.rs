//! `[batch, tokens, width]`: rows of numbers, and vectors that all rows of a sample share.

use crate::flex::float::Float;
use crate::flex::simd::CHUNK;
use crate::flex::tensor::from_vec;
use burn::tensor::Shape;
use burn_flex::FlexTensor;

/// The sizes of a tensor of tokens.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tokens {
    pub(super) batch: usize,
    pub(super) tokens: usize,
    pub(super) width: usize,
}

impl Tokens {
    pub(super) fn of(x: &FlexTensor) -> Self {
        let shape = x.layout().shape();
        Self {
            batch: shape[0],
            tokens: shape[1],
            width: shape[2],
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sample() == 0 || self.batch == 0
    }

    /// Numbers per sample.
    pub(super) fn sample(&self) -> usize {
        self.tokens * self.width
    }

    /// Tokens that one thread takes at a time. They are those of one sample, so that a sum over
    /// them depends neither on the batch nor on the number of threads.
    pub(super) fn at_once(&self) -> usize {
        (CHUNK / self.width.max(1)).max(1)
    }

    /// The row of a sample in a matrix: its own, or the only one.
    pub(super) fn vector<'a, T>(&self, rows: &'a [T], sample: usize) -> &'a [T] {
        let start = sample * self.width % rows.len();
        &rows[start..start + self.width]
    }

    /// The gradient of such a matrix with as many rows as `like`, from sums per sample.
    pub(super) fn gathered<T: Float>(&self, sums: &[Vec<T>], like: &FlexTensor) -> FlexTensor {
        let rows = like.layout().shape()[0];
        let mut out = vec![T::default(); rows * self.width];
        for (sample, sum) in sums.iter().enumerate() {
            let start = sample * self.width % out.len();
            add_to(&mut out[start..start + self.width], sum);
        }
        from_vec(out, Shape::from([rows, self.width]))
    }
}

/// `sum_i ← sum_i + x_i`.
fn add_to<T: Float>(sum: &mut [T], x: &[T]) {
    sum.iter_mut().zip(x).for_each(|(sum, x)| *sum += *x);
}

/// The sum of vectors of this width, in their order.
pub(super) fn summed<T: Float>(parts: &[Vec<T>], width: usize) -> Vec<T> {
    let mut total = vec![T::default(); width];
    parts.iter().for_each(|part| add_to(&mut total, part));
    total
}
