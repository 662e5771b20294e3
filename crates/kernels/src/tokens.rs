//! Images as the tokens of their pixels, and back.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// The pixels of images as tokens.
///
/// `y[n, i·width + j, c] = x[n, c, i, j]`
///
/// On flex the tokens are laid out in order. Elsewhere nothing moves until another operation needs
/// it to, and nothing has to after a convolution on a GPU, where channels lie last in memory.
///
/// # Shapes
/// - x: `[batch, channels, height, width]`, output: `[batch, height·width, channels]`
///
/// ```
/// use burn::tensor::{Tensor, TensorData};
/// use burn_flex::Flex;
/// use pyroclast_kernels::to_tokens;
///
/// // Two channels of one row of two pixels.
/// let x = Tensor::<Flex, 4>::from_floats([[[[1.0, 2.0]], [[3.0, 4.0]]]], &Default::default());
/// assert_eq!(to_tokens(x).into_data(), TensorData::from([[[1.0_f32, 3.0], [2.0, 4.0]]]));
/// ```
pub fn to_tokens<B: Backend>(x: Tensor<B, 4>) -> Tensor<B, 3> {
    let [batch, channels, height, width] = x.dims();
    #[cfg(feature = "flex")]
    if crate::flex::supports::<B>(x.dtype()) {
        return crate::flex::swap_last(x.reshape([batch, channels, height * width]));
    }
    x.permute([0, 2, 3, 1])
        .reshape([batch, height * width, channels])
}

/// Tokens as the pixels of images of this height and width: [`to_tokens`] undone.
///
/// # Shapes
/// - x: `[batch, height·width, channels]`, output: `[batch, channels, height, width]`
///
/// # Panics
/// If there are not `height·width` tokens.
pub fn from_tokens<B: Backend>(x: Tensor<B, 3>, [height, width]: [usize; 2]) -> Tensor<B, 4> {
    let [batch, tokens, channels] = x.dims();
    assert!(
        tokens == height * width,
        "{tokens} tokens are not the pixels of an image of {height}×{width}"
    );
    #[cfg(feature = "flex")]
    if crate::flex::supports::<B>(x.dtype()) {
        return crate::flex::swap_last(x).reshape([batch, channels, height, width]);
    }
    x.reshape([batch, height, width, channels])
        .permute([0, 3, 1, 2])
}
