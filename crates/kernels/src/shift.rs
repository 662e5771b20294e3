//! A number added to every channel of an image.

use crate::order::in_order;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// Images with a number of its own added to every channel of each.
///
/// `y[n, c, i, j] = x[n, c, i, j] + b[n, c]`
///
/// On flex it is written over x if nothing else holds x.
///
/// # Shapes
/// - x and output: `[batch, channels, height, width]`, b: `[batch, channels]`
///
/// # Panics
/// If shapes do not match.
///
/// ```
/// use burn::tensor::{Tensor, TensorData};
/// use burn_flex::Flex;
/// use pyroclast_kernels::shift_channels;
///
/// let device = Default::default();
/// let x = Tensor::<Flex, 4>::from_floats([[[[1.0, 2.0]], [[3.0, 4.0]]]], &device);
/// let b = Tensor::from_floats([[10.0, 20.0]], &device);
/// let y = shift_channels(x, b);
/// assert_eq!(y.into_data(), TensorData::from([[[[11.0_f32, 12.0]], [[23.0, 24.0]]]]));
/// ```
pub fn shift_channels<B: Backend>(x: Tensor<B, 4>, b: Tensor<B, 2>) -> Tensor<B, 4> {
    let [batch, channels, ..] = x.dims();
    assert!(
        b.dims() == [batch, channels],
        "{:?} numbers for {batch} images of {channels} channels",
        b.dims()
    );
    #[cfg(feature = "flex")]
    if crate::flex::supports::<B>(x.dtype()) {
        return crate::flex::shift_channels(x, b);
    }
    in_order([x, b.reshape([batch, channels, 1, 1])], |[x, b]| x + b)
}
