//! A linear layer with its activation.
//!
//! `y = act(x·W + b)`

use crate::activation::Activation;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// `act(x·W + b)`; bias and activation are one pass on flex, and so are the gradients before W and of b.
///
/// # Shapes
/// - x: `[…, inputs]`, weight: `[inputs, outputs]`, bias: `[outputs]`, output: `[…, outputs]`
///
/// # Panics
/// If shapes do not fit each other.
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
    #[cfg(feature = "flex")]
    if crate::flex::takes::<B>(x.dtype()) {
        return crate::flex::linear(x, weight, bias, activation);
    }
    activation.forward(x.matmul(weight.unsqueeze()) + bias.unsqueeze())
}
