//! The transpose of every matrix of a batch.
//!
//! `y = xᵀ`, `dx = gᵀ`

use crate::downcast::raw;
use crate::flex::float::Float;
use crate::flex::tensor::{by_dtype, contiguous, from_vec, run, slice};
use crate::flex::tile::{Tiled, Tiles};
use crate::flex::transpose::Transpose;
use crate::tape::Fused;
use burn::tensor::backend::Backend;
use burn::tensor::{Shape, Tensor};
use burn_flex::{Flex, FlexTensor};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

pub(crate) fn swap_last<B: Backend>(x: Tensor<B, 3>) -> Tensor<B, 3> {
    run::<B, _, 1, 3>(SwapLast, [raw(x)])
}

#[derive(Debug, Clone)]
struct SwapLast;

impl Fused<Flex, 1> for SwapLast {
    type Saved = ();

    fn forward(&self, [x]: [FlexTensor; 1]) -> (FlexTensor, ()) {
        (by_dtype!(x.dtype(), swapped::<_>(&contiguous(&x))), ())
    }

    fn backward(&self, (): (), g: FlexTensor, _: [bool; 1]) -> [Option<FlexTensor>; 1] {
        [Some(self.forward([g]).0)]
    }
}

fn swapped<T: Tiles>(x: &FlexTensor) -> FlexTensor {
    let shape = x.layout().shape();
    let [batch, rows, columns] = std::array::from_fn(|i| shape[i]);
    let sizes = [rows, columns];
    let y = T::on_tiles(Swap {
        x: slice::<T>(x),
        sizes,
    });
    from_vec(y, Shape::from([batch, columns, rows]))
}

struct Swap<'a, T> {
    x: &'a [T],
    sizes: [usize; 2],
}

impl<T: Float> Tiled<T> for Swap<'_, T> {
    type Output = Vec<T>;

    fn run<S: Simd, const MR: usize, const NR: usize>(self, simd: S) -> Vec<T> {
        let Self { x, sizes } = self;
        let mut y = vec![T::default(); x.len()];
        let size = sizes[0] * sizes[1];
        if size == 0 {
            return y;
        }
        y.par_chunks_mut(size)
            .zip(x.par_chunks(size))
            .for_each(|(y, x)| simd.vectorize(Matrix::<'_, T, NR> { x, y, sizes }));
        y
    }
}

/// One matrix.
struct Matrix<'a, T, const NR: usize> {
    x: &'a [T],
    y: &'a mut [T],
    /// Rows and columns of x.
    sizes: [usize; 2],
}

impl<T: Float, const NR: usize> WithSimd for Matrix<'_, T, NR> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self {
            x,
            y,
            sizes: [rows, columns],
        } = self;
        // Vectors write NR rows of x at a time, and so not beyond the last multiple of NR.
        let whole = rows / NR * NR;
        let transpose = Transpose::<NR>::new::<S, T>(simd);
        transpose.apply(simd, x, columns, [whole, columns], y, rows);
        for (i, row) in x.chunks_exact(columns).enumerate().skip(whole) {
            for (y, value) in y.chunks_exact_mut(rows).zip(row) {
                y[i] = *value;
            }
        }
    }
}
