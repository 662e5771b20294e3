//! One step of a moving average.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// One step of a moving average.
///
/// `θ̄ ← θ̄ + w·(θ − θ̄)`
///
/// In this form θ̄ = θ is a fixed point, however the numbers are rounded. In single precision the
/// sum `(1 − w)·θ̄ + w·θ` would shrink parameters by up to a thousandth for a weight of 1e-5. On
/// flex, one pass that writes over the average; on GPUs, one launch.
///
/// # Shapes
/// - average, x and output: all the same
///
/// # Panics
/// If a shape differs.
///
/// ```
/// use burn::tensor::{Tensor, TensorData};
/// use burn_flex::Flex;
/// use pyroclast_kernels::lerp;
///
/// let of = |x: [f32; 2]| Tensor::<Flex, 1>::from_floats(x, &Default::default());
/// let average = lerp(of([0.0, 1.0]), &of([4.0, 1.0]), 0.25);
/// assert_eq!(average.into_data(), TensorData::from([1.0_f32, 1.0]));
/// ```
pub fn lerp<B: Backend, const D: usize>(
    average: Tensor<B, D>,
    x: &Tensor<B, D>,
    weight: f64,
) -> Tensor<B, D> {
    assert_eq!(
        average.shape(),
        x.shape(),
        "an average has the shape of what it averages"
    );
    #[cfg(feature = "flex")]
    if crate::flex::supports_untracked::<B>(x.dtype()) {
        return crate::flex::lerp(average, x, weight);
    }
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    if crate::cube::supports_untracked::<B>(&[average.dtype(), x.dtype()])
        && x.shape().num_elements() > 0
    {
        return crate::cube::lerp(average, x, weight);
    }
    let difference = x.clone() - average.clone();
    average + difference * weight
}
