//! A point on a path and its velocity.
//!
//! `x_t = α·x1 + σ·x0`, `u_t = α̇·x1 + σ̇·x0`, with α, σ, α̇ and σ̇ of each sample

use burn::tensor::backend::Backend;
use burn::tensor::{Shape, Tensor, TensorData};

/// Numbers of one sample of a batch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PathRow {
    /// α and α̇, which multiply x1.
    pub data: [f64; 2],
    /// σ and σ̇, which multiply x0.
    pub noise: [f64; 2],
}

/// `x_t` and `u_t` of a batch; one pass over x0 and x1 on flex, where neither wants a gradient.
///
/// # Shapes
/// - x0, x1 and both outputs: `[batch, …]`, with as many rows of numbers as samples
///
/// # Panics
/// If a shape differs, or there is not one row a sample.
pub fn path_sample<B: Backend, const D: usize>(
    x0: &Tensor<B, D>,
    x1: &Tensor<B, D>,
    rows: &[PathRow],
) -> [Tensor<B, D>; 2] {
    assert!(
        x0.shape() == x1.shape() && rows.len() == x1.dims()[0] && x0.dtype() == x1.dtype(),
        "ends of shapes {:?} and {:?} with numbers of {} samples",
        x0.dims(),
        x1.dims(),
        rows.len()
    );
    #[cfg(feature = "flex")]
    if let Some(pair) = crate::flex::two_combinations(
        [x0, x1],
        &(rows.iter())
            .map(|row| [row.noise[0], row.data[0], row.noise[1], row.data[1]])
            .collect::<Vec<_>>(),
    ) {
        return pair;
    }
    let mut shape = [1; D];
    shape[0] = rows.len();
    let column = |number: fn(&PathRow) -> f64| -> Tensor<B, D> {
        let numbers: Vec<f64> = rows.iter().map(number).collect();
        let data = TensorData::new(numbers, Shape::from(shape)).convert_dtype(x1.dtype());
        Tensor::from_data(data, (&x1.device(), x1.dtype()))
    };
    [
        x1.clone() * column(|r| r.data[0]) + x0.clone() * column(|r| r.noise[0]),
        x1.clone() * column(|r| r.data[1]) + x0.clone() * column(|r| r.noise[1]),
    ]
}
