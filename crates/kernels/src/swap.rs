//! Matrices with their rows as columns.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// The transpose of every matrix of a batch, laid out in order.
///
/// `y[n, j, i] = x[n, i, j]`
///
/// Elsewhere than on flex, nothing moves until another operation needs it to.
///
/// # Shapes
/// - x: `[batch, rows, columns]`, output: `[batch, columns, rows]`
///
/// ```
/// use burn::tensor::{Tensor, TensorData};
/// use burn_flex::Flex;
/// use pyroclast_kernels::swap_last;
///
/// let x = Tensor::<Flex, 3>::from_floats([[[1.0, 2.0], [3.0, 4.0]]], &Default::default());
/// assert_eq!(swap_last(x).into_data(), TensorData::from([[[1.0_f32, 3.0], [2.0, 4.0]]]));
/// ```
pub fn swap_last<B: Backend>(x: Tensor<B, 3>) -> Tensor<B, 3> {
    #[cfg(feature = "flex")]
    if crate::flex::supports::<B>(x.dtype()) {
        return crate::flex::swap_last(x);
    }
    x.swap_dims(1, 2)
}
