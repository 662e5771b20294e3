//! Layer normalisation of tokens, with the modulation of a transformer's block.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// Layer normalisation without a gain or bias of its own, scaled and shifted alike for all tokens
/// of a sample.
///
/// `y = (x − mean)/√(var + ε)·(1 + scale) + shift`, with the moments of each token
///
/// On flex, two passes over a token forward and two backward, one node of the tape. On GPUs,
/// one launch forward and two backward.
///
/// Source: Ba, Kiros & Hinton 2016; scale and shift by an embedding: Peebles & Xie 2023, §3.2.
///
/// # Shapes
/// - x and output: `[batch, tokens, width]`
/// - scale, shift: `[batch, width]`, or `[1, width]` where all samples share them
///
/// # Panics
/// If shapes do not match.
///
/// ```
/// use burn::tensor::{Tensor, TensorData, Tolerance};
/// use burn_flex::Flex;
/// use pyroclast_kernels::layer_norm;
///
/// let device = Default::default();
/// // One sample of two tokens.
/// let x = Tensor::<Flex, 3>::from_floats([[[1.0, 3.0], [10.0, 30.0]]], &device);
/// let scale = Tensor::from_floats([[0.0, 1.0]], &device);
/// let y = layer_norm(x, scale, Tensor::ones([1, 2], &device), 0.0);
/// let expected = TensorData::from([[[0.0_f32, 3.0], [0.0, 3.0]]]);
/// y.into_data().assert_approx_eq::<f32>(&expected, Tolerance::absolute(1e-6));
/// ```
pub fn layer_norm<B: Backend>(
    x: Tensor<B, 3>,
    scale: Tensor<B, 2>,
    shift: Tensor<B, 2>,
    epsilon: f64,
) -> Tensor<B, 3> {
    let [batch, tokens, width] = x.dims();
    for [rows, columns] in [scale.dims(), shift.dims()] {
        assert!(
            (rows == batch || rows == 1) && columns == width,
            "a scale or shift of {rows}×{columns} for {batch} samples of {width} numbers a token"
        );
    }
    #[cfg(feature = "flex")]
    if crate::flex::supports::<B>(x.dtype()) {
        return crate::flex::layer_norm(x, scale, shift, epsilon);
    }
    if batch * tokens * width == 0 {
        return x;
    }
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    if crate::cube::supports::<B>(&[x.dtype(), scale.dtype(), shift.dtype()]) {
        return crate::cube::layer_norm(x, scale, shift, epsilon);
    }
    let mean = x.clone().mean_dim(2);
    let centred = x - mean;
    let variance = centred.clone().square().mean_dim(2);
    let normalised = centred * (variance + epsilon).sqrt().recip();
    normalised * (scale + 1.0).unsqueeze_dim(1) + shift.unsqueeze_dim(1)
}
