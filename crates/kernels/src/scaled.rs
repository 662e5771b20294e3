//! A tensor times a number.

use crate::order::in_order;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// A tensor times a number, in the order in which it lies in memory. Left alone if the number is 1.
///
/// `y = factor·x`
///
/// ```
/// use burn::tensor::{Tensor, TensorData};
/// use burn_flex::Flex;
/// use pyroclast_kernels::scaled;
///
/// let x = Tensor::<Flex, 1>::from_floats([1.0, 2.0], &Default::default());
/// assert_eq!(scaled(x, 0.5).into_data(), TensorData::from([0.5_f32, 1.0]));
/// ```
pub fn scaled<B: Backend, const D: usize>(x: Tensor<B, D>, factor: f64) -> Tensor<B, D> {
    match factor {
        1.0 => x,
        factor => in_order([x], |[x]| x * factor),
    }
}
