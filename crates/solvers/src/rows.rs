//! Rows of a batch, picked and mixed by lists on the host.
//!
//! `y_i = x_{rows_i}`, `y_i = a_i where chosen_i, else b_i`

use burn::tensor::backend::Backend;
use burn::tensor::{Bool, Int, Tensor, TensorData};

/// The rows with these indices, in this order.
pub(crate) fn select<B: Backend, const D: usize>(x: Tensor<B, D>, rows: &[usize]) -> Tensor<B, D> {
    let rows: Vec<i64> = rows.iter().map(|&row| row as i64).collect();
    let n = rows.len();
    let indices = Tensor::<B, 1, Int>::from_data(TensorData::new(rows, [n]), &x.device());
    x.select(0, indices)
}

/// The rows of `a` where they are chosen, and those of `b` elsewhere.
pub(crate) fn choose<B: Backend, const D: usize>(
    chosen: &[bool],
    a: Tensor<B, D>,
    b: Tensor<B, D>,
) -> Tensor<B, D> {
    let mut shape = [1; D];
    shape[0] = chosen.len();
    let data = TensorData::new(chosen.to_vec(), shape);
    let mask = Tensor::<B, D, Bool>::from_data(data, &b.device());
    b.mask_where(mask.expand(a.shape()), a)
}
