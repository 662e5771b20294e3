//! A linear layer with its activation.

use crate::activation::Activation;
use crate::precision::Precision;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// A linear layer and the activation after it.
///
/// `y = act(x·W + b)`
///
/// On flex and on GPUs, bias and activation are one pass over the product, and one pass makes the
/// gradients of both. On flex, a small layer that needs no gradient is one pass altogether.
///
/// # Shapes
/// - x: `[…, inputs]`, weight: `[inputs, outputs]`, bias: `[outputs]`
/// - output: `[…, outputs]`
///
/// # Panics
/// If shapes do not match, or the [`Precision`] is bf16 on a backend that does not round.
///
/// ```
/// use burn::tensor::{Tensor, TensorData};
/// use burn_flex::Flex;
/// use pyroclast_kernels::{Activation, linear};
///
/// let device = Default::default();
/// let x = Tensor::<Flex, 2>::from_floats([[1.0, 2.0]], &device);
/// let weight = Tensor::from_floats([[1.0, 0.0, 1.0], [0.0, 1.0, -1.0]], &device);
/// let bias = Tensor::from_floats([0.0, -3.0, 5.0], &device);
/// let y = linear(x, weight, bias, Activation::Relu);
/// assert_eq!(y.into_data(), TensorData::from([[1.0_f32, 0.0, 4.0]]));
/// ```
pub fn linear<B: Backend, const D: usize>(
    x: Tensor<B, D>,
    weight: Tensor<B, 2>,
    bias: Tensor<B, 1>,
    activation: Activation,
) -> Tensor<B, D> {
    let ([inputs, outputs], last) = (weight.dims(), x.dims()[D - 1]);
    assert!(
        last == inputs && bias.dims() == [outputs],
        "a weight of {inputs}×{outputs} and a bias of {:?} for an input of {last}",
        bias.dims()
    );
    let precision = Precision::current();
    #[cfg(feature = "flex")]
    if crate::flex::supports::<B>(x.dtype()) {
        return match precision {
            Precision::Bf16 => crate::flex::bf16::linear(x, weight, bias, activation),
            _ => crate::flex::linear(x, weight, bias, activation),
        };
    }
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    if crate::cube::supports::<B>(&[x.dtype(), weight.dtype(), bias.dtype()])
        && x.shape().num_elements() * outputs > 0
    {
        return crate::cube::linear(x, weight, bias, activation, precision);
    }
    let z = x.matmul(weight.unsqueeze());
    precision.check_supported(&z);
    activation.forward(z + bias.unsqueeze())
}
