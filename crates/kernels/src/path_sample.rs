//! A point of a path between source and data, and its velocity.

use burn::tensor::backend::Backend;
use burn::tensor::{Shape, Tensor, TensorData};

/// The coefficients of one sample of a batch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PathRow {
    /// α and α̇, which multiply x1.
    pub data: [f64; 2],
    /// σ and σ̇, which multiply x0.
    pub noise: [f64; 2],
}

/// The points x_t of a batch and their velocities u_t.
///
/// `x_t = α·x1 + σ·x0`, `u_t = α̇·x1 + σ̇·x0`, with α, σ, α̇ and σ̇ of each sample
///
/// On flex and on GPUs, one pass over x0 and x1 where neither wants a gradient.
///
/// # Shapes
/// - x0, x1 and both outputs: `[batch, …]`; rows: one per sample
///
/// # Panics
/// If shapes or float types differ, or the number of rows is not the batch.
///
/// ```
/// use burn::tensor::{Tensor, TensorData};
/// use burn_flex::Flex;
/// use pyroclast_kernels::{PathRow, path_sample};
///
/// let of = |x: [f32; 2]| Tensor::<Flex, 1>::from_floats(x, &Default::default()).reshape([2, 1]);
/// // The straight path at t = 0.25 and at t = 1.
/// let row = |t: f64| PathRow { data: [t, 1.0], noise: [1.0 - t, -1.0] };
/// let (x0, x1): (Tensor<Flex, 2>, _) = (of([0.0, 1.0]), of([4.0, 2.0]));
/// let [x_t, u_t] = path_sample(&x0, &x1, &[row(0.25), row(1.0)]);
/// assert_eq!(x_t.into_data(), TensorData::from([[1.0_f32], [2.0]]));
/// assert_eq!(u_t.into_data(), TensorData::from([[4.0_f32], [1.0]]));
/// ```
pub fn path_sample<B: Backend, const D: usize>(
    x0: &Tensor<B, D>,
    x1: &Tensor<B, D>,
    rows: &[PathRow],
) -> [Tensor<B, D>; 2] {
    assert!(
        x0.shape() == x1.shape() && rows.len() == x1.dims()[0] && x0.dtype() == x1.dtype(),
        "endpoints of shapes {:?} and {:?} with coefficients of {} samples",
        x0.dims(),
        x1.dims(),
        rows.len()
    );
    #[cfg(any(feature = "flex", feature = "wgpu", feature = "cuda"))]
    let coefficients: Vec<_> = rows
        .iter()
        .map(|row| [row.noise[0], row.data[0], row.noise[1], row.data[1]])
        .collect();
    #[cfg(feature = "flex")]
    if let Some(pair) = crate::flex::two_combinations([x0, x1], &coefficients) {
        return pair;
    }
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    if crate::cube::supports::<B>(&[x1.dtype()])
        && x1.shape().num_elements() > 0
        && let Some(pair) = crate::cube::two_combinations([x0, x1], &coefficients)
    {
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
