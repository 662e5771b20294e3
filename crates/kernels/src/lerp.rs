//! One step of a moving average.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// One step of the moving averages of some tensors.
///
/// `θ̄ ← θ̄ + w·(θ − θ̄)`
///
/// In this form θ̄ = θ is a fixed point, however the numbers are rounded. In single precision the
/// sum `(1 − w)·θ̄ + w·θ` would shrink parameters by up to a thousandth for a weight of 1e-5. On
/// flex, one pass per tensor that writes over the average; on GPUs, a launch for as many tensors as
/// a kernel may have.
///
/// # Shapes
/// - an average and its tensor: the same
///
/// # Panics
/// If a shape differs, or there is not one average per tensor.
///
/// ```
/// use burn::tensor::{Tensor, TensorData};
/// use burn_flex::Flex;
/// use pyroclast_kernels::lerp;
///
/// let of = |x: [f32; 2]| Tensor::<Flex, 1>::from_floats(x, &Default::default());
/// let averages = lerp(vec![of([0.0, 1.0])], &[of([4.0, 1.0])], 0.25);
/// assert_eq!(averages[0].to_data(), TensorData::from([1.0_f32, 1.0]));
/// ```
pub fn lerp<B: Backend, const D: usize>(
    averages: Vec<Tensor<B, D>>,
    x: &[Tensor<B, D>],
    weight: f64,
) -> Vec<Tensor<B, D>> {
    assert_eq!(averages.len(), x.len(), "one average per tensor");
    for (average, x) in averages.iter().zip(x) {
        assert_eq!(
            average.shape(),
            x.shape(),
            "an average has the shape of what it averages"
        );
    }
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    if crate::cube::supports_all::<B, D>(averages.iter().chain(x)) {
        return crate::cube::lerp(averages, x, weight);
    }
    let pairs = averages.into_iter().zip(x);
    pairs
        .map(|(average, x)| of_one(average, x, weight))
        .collect()
}

fn of_one<B: Backend, const D: usize>(
    average: Tensor<B, D>,
    x: &Tensor<B, D>,
    weight: f64,
) -> Tensor<B, D> {
    #[cfg(feature = "flex")]
    if crate::flex::supports_untracked::<B>(x.dtype()) {
        return crate::flex::lerp(average, x, weight);
    }
    let difference = x.clone() - average.clone();
    average + difference * weight
}
