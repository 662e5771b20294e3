//! Images of half and of twice the size.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use burn::tensor::module::{avg_pool2d, interpolate};
use burn::tensor::ops::{InterpolateMode, InterpolateOptions};

/// Twice the height and width, each pixel repeated.
///
/// `y[n, c, i, j] = x[n, c, ⌊i/2⌋, ⌊j/2⌋]`
///
/// # Shapes
/// - x: `[batch, channels, height, width]`, output: `[batch, channels, 2·height, 2·width]`
///
/// ```
/// use burn::tensor::{Tensor, TensorData};
/// use burn_flex::Flex;
/// use pyroclast_kernels::doubled;
///
/// let x = Tensor::<Flex, 4>::from_floats([[[[1.0, 2.0]]]], &Default::default());
/// let row = [1.0_f32, 1.0, 2.0, 2.0];
/// assert_eq!(doubled(x).into_data(), TensorData::from([[[row, row]]]));
/// ```
pub fn doubled<B: Backend>(x: Tensor<B, 4>) -> Tensor<B, 4> {
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    if crate::cube::supports::<B>(&[x.dtype()]) && x.shape().num_elements() > 0 {
        return crate::cube::doubled(x);
    }
    let [_, _, height, width] = x.dims();
    let options = InterpolateOptions::new(InterpolateMode::Nearest);
    interpolate(x, [2 * height, 2 * width], options)
}

/// Half the height and width, rounded down: the mean of each 2×2 pixels.
///
/// `y[n, c, i, j] = ¼·Σ_{a, b} x[n, c, 2i + a, 2j + b]`
///
/// # Shapes
/// - x: `[batch, channels, height, width]`, output: `[batch, channels, height/2, width/2]`
///
/// ```
/// use burn::tensor::{Tensor, TensorData};
/// use burn_flex::Flex;
/// use pyroclast_kernels::halved;
///
/// let x = Tensor::<Flex, 4>::from_floats([[[[1.0, 2.0], [3.0, 6.0]]]], &Default::default());
/// assert_eq!(halved(x).into_data(), TensorData::from([[[[3.0_f32]]]]));
/// ```
pub fn halved<B: Backend>(x: Tensor<B, 4>) -> Tensor<B, 4> {
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    if crate::cube::supports::<B>(&[x.dtype()])
        && x.dims()[2..].iter().all(|side| *side > 1)
        && x.shape().num_elements() > 0
    {
        return crate::cube::halved(x);
    }
    avg_pool2d(x, [2, 2], [2, 2], [0, 0], false, false)
}
