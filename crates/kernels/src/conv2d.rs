//! Two-dimensional convolution.

use crate::precision::Precision;
use crate::window::Window;
use burn::tensor::backend::Backend;
use burn::tensor::module;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{DType, Tensor};

/// The convolution of every image of a batch with one kernel.
///
/// `y[n, o, i, j] = b[o] + Σ_{c, k, l} W[o, c, k, l]·x[n, c, s·i + k − p, s·j + l − p]`, with s the
/// stride, p the padding and x = 0 outside the image
///
/// On flex the value and the gradients are matrix products of packed tiles. A 3×3 kernel with
/// stride 1 whose output is as large as its input, with even sides and enough channels, takes fewer
/// multiplications (Winograd's F(2×2, 3×3)). Rounding is then relative to the largest of 4×4
/// pixels, and an infinite or NaN pixel makes all 2×2 outputs of its tile NaN. On GPUs with tensor
/// cores numbers are multiplied in TF32 unless the [`Precision`] is another: relative errors are near
/// 5e-4.
///
/// What GPUs give has its channels last in memory. Two gradients of burn 0.21 are wrong for such
/// images, those of its nearest interpolation and of its average pooling: take
/// [`doubled`](crate::doubled) and [`halved`](crate::halved).
///
/// # Shapes
/// - x: `[batch, channels, height, width]`, weight: `[outputs, channels, rows, columns]`,
///   bias: `[outputs]`
/// - output: `[batch, outputs, …]`, with height and width from [`Window::output`]
///
/// # Panics
/// If the stride is 0, shapes do not match, the kernel is larger than the padded image, or the
/// precision is bf16 on a backend that does not round.
///
/// ```
/// use burn::tensor::{Tensor, TensorData};
/// use burn_flex::Flex;
/// use pyroclast_kernels::{Window, conv2d};
///
/// let device = Default::default();
/// let x = Tensor::<Flex, 2>::from_floats([[1.0, 2.0], [3.0, 4.0]], &device).unsqueeze();
/// // Each output is the sum of the 3×3 pixels around it.
/// let (weight, bias) = (Tensor::ones([1, 1, 3, 3], &device), Tensor::zeros([1], &device));
/// let y = conv2d(x, weight, bias, Window { stride: 1, padding: 1 });
/// assert_eq!(y.into_data(), TensorData::from([[[[10.0_f32, 10.0], [10.0, 10.0]]]]));
/// ```
pub fn conv2d<B: Backend>(
    x: Tensor<B, 4>,
    weight: Tensor<B, 4>,
    bias: Tensor<B, 1>,
    window: Window,
) -> Tensor<B, 4> {
    let [outputs, channels, rows, columns] = weight.dims();
    assert!(window.stride > 0, "a stride is at least 1");
    assert!(
        x.dims()[1] == channels && bias.dims() == [outputs],
        "a kernel of {outputs}×{channels} channels and a bias of {:?} for an image of {} channels",
        bias.dims(),
        x.dims()[1]
    );
    let [_, _, height, width] = x.dims();
    assert!(
        !window.output([height, width], [rows, columns]).contains(&0),
        "a kernel of {rows}×{columns} does not fit an image of {height}×{width} padded by {}",
        window.padding
    );
    let precision = Precision::current();
    #[cfg(feature = "flex")]
    if precision == Precision::Bf16 && crate::flex::supports::<B>(x.dtype()) {
        use crate::flex::bf16::{factor, product};
        let none = bias.zeros_like();
        let factors = (factor(x), factor(weight));
        let y = Precision::F32.within(|| conv2d(factors.0, factors.1, none, window));
        return product(y) + bias.reshape([1, outputs, 1, 1]);
    }
    #[cfg(feature = "flex")]
    if crate::flex::supports::<B>(x.dtype())
        && window.padding < rows.min(columns)
        && weight.shape().num_elements() * height * width > 0
    {
        return crate::flex::conv2d(x, weight, bias, window);
    }
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    if crate::cube::supports::<B>(&[x.dtype(), weight.dtype(), bias.dtype()])
        && weight.shape().num_elements() * x.shape().num_elements() > 0
    {
        return crate::cube::conv2d(x, weight, bias, window, precision);
    }
    precision.check_supported(&x);
    let Window { stride, padding } = window;
    let options = ConvOptions::new([stride; 2], [padding; 2], [1; 2], 1);
    // ndarray adds the products of a pixel one by one, so that single precision loses a digit more
    // than elsewhere. On a tape it does, where time matters more.
    if x.dtype() == DType::F32 && B::name(&x.device()) == "ndarray" {
        let [x, weight] = [x, weight].map(|tensor| tensor.cast(DType::F64));
        let y = module::conv2d(x, weight, Some(bias.cast(DType::F64)), options);
        return y.cast(DType::F32);
    }
    module::conv2d(x, weight, Some(bias), options)
}
