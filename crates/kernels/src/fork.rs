//! A tensor that two operations take.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// The same tensor twice, as for a residual connection and what it leads around.
///
/// On GPUs the gradients of the two are added in the order in which they lie in memory. Elsewhere
/// these are clones. A backward pass from one of the two alone leaves none for a later pass from
/// the other.
///
/// ```
/// use burn::tensor::{Tensor, TensorData};
/// use burn_flex::Flex;
/// use pyroclast_kernels::fork;
///
/// let [x, y] = fork(Tensor::<Flex, 1>::from_floats([1.0, 2.0], &Default::default()));
/// assert_eq!((x + y).into_data(), TensorData::from([2.0_f32, 4.0]));
/// ```
pub fn fork<B: Backend, const D: usize>(x: Tensor<B, D>) -> [Tensor<B, D>; 2] {
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    if crate::cube::supports::<B>(&[x.dtype()]) {
        return crate::cube::fork(x).try_into().expect("two of them");
    }
    [x.clone(), x]
}
