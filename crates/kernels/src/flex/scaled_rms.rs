//! Squared errors relative to a tolerance, summed in one pass.
//!
//! `Σ (e_i/(atol + rtol·max(|x_i|, |y_i|)))²`

use crate::flex::float::Float;
use crate::flex::tensor::{contiguous, supports, values};
use burn::tensor::backend::Backend;
use burn::tensor::{DType, Tensor};
use burn_flex::FlexTensor;

/// One sum for the whole tensor, or one for each row. `None` where the backend is not supported.
pub(crate) fn scaled_squares<B: Backend, const D: usize>(
    error: &Tensor<B, D>,
    x: &Tensor<B, D>,
    y: &Tensor<B, D>,
    tolerance: (f64, f64),
    leading: Option<usize>,
    by_row: bool,
) -> Option<Vec<f64>> {
    if !supports::<B>(error.dtype()) {
        return None;
    }
    let ordered = |t: &Tensor<B, D>| contiguous(&values(t.clone()));
    assert!(
        error.shape() == x.shape() && x.shape() == y.shape(),
        "an error has the shape of its states"
    );
    let width = error.dims()[D - 1];
    let leading = leading.unwrap_or(width);
    assert!(
        (1..=width.max(1)).contains(&leading),
        "no such part of the last axis"
    );
    let (e, x, y) = (ordered(error), ordered(x), ordered(y));
    let n = e.layout().num_elements();
    let row = if by_row {
        n / error.dims()[0].max(1)
    } else {
        n
    };
    match e.dtype() {
        DType::F64 => typed_squares::<f64>(&e, &x, &y, tolerance, row, (leading, width)),
        DType::F32 => typed_squares::<f32>(&e, &x, &y, tolerance, row, (leading, width)),
        _ => None,
    }
}

fn typed_squares<T: Float>(
    e: &FlexTensor,
    x: &FlexTensor,
    y: &FlexTensor,
    (rtol, atol): (f64, f64),
    row: usize,
    (leading, width): (usize, usize),
) -> Option<Vec<f64>> {
    let (e, x, y) = (e.as_slice::<T>()?, x.as_slice::<T>()?, y.as_slice::<T>()?);
    let sum = |((e, x), y): ((&[T], &[T]), &[T])| {
        let mut sum = 0.0;
        for (i, ((e, x), y)) in e.iter().zip(x).zip(y).enumerate() {
            if leading == width || i % width < leading {
                let (e, x, y): (f64, f64, f64) = ((*e).into(), (*x).into(), (*y).into());
                let scaled = e / (atol + rtol * x.abs().max(y.abs()));
                sum += scaled * scaled;
            }
        }
        sum
    };
    let rows = e
        .chunks(row.max(1))
        .zip(x.chunks(row.max(1)))
        .zip(y.chunks(row.max(1)));
    Some(rows.map(sum).collect())
}
