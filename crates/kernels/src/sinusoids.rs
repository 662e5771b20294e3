//! Sinusoids of a time.

use crate::concat::concat;
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

/// The cosines of angles that grow with a time, then their sines; or the sines first.
///
/// `y = [cos(a_k·t + b_k), sin(a_k·t + b_k)]`
///
/// On GPUs one launch, whose cosines and sines are exact to 2·10⁻⁷ for angles up to 10⁴, whatever
/// those of the driver are.
///
/// # Shapes
/// - t: `[batch]`; angles: `[a_k, b_k]` of each of n; output: `[batch, 2·n]`
///
/// ```
/// use burn::tensor::{Tensor, TensorData, Tolerance};
/// use burn_flex::Flex;
/// use pyroclast_kernels::sinusoids;
/// use std::f64::consts::PI;
///
/// let t = Tensor::<Flex, 1>::from_floats([0.0, 0.5], &Default::default());
/// let y = sinusoids(t, &[[PI, 0.0]], false);
/// y.into_data().assert_approx_eq::<f32>(
///     &TensorData::from([[1.0_f32, 0.0], [0.0, 1.0]]),
///     Tolerance::absolute(1e-6),
/// );
/// ```
pub fn sinusoids<B: Backend>(
    t: Tensor<B, 1>,
    angles: &[[f64; 2]],
    sines_first: bool,
) -> Tensor<B, 2> {
    let ([batch], device, dtype) = (t.dims(), t.device(), t.dtype());
    if batch == 0 || angles.is_empty() {
        // burn's kernels do not stretch an axis to none.
        return Tensor::empty([batch, 2 * angles.len()], (&device, dtype));
    }
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    if crate::cube::supports::<B>(&[dtype]) {
        return crate::cube::sinusoids(t, angles, sines_first);
    }
    let row = |part: usize| {
        let values: Vec<f64> = angles.iter().map(|angle| angle[part]).collect();
        let data = TensorData::new(values, [1, angles.len()]).convert_dtype(dtype);
        Tensor::<B, 2>::from_data(data, (&device, dtype))
    };
    let mut of = t.unsqueeze_dim::<2>(1) * row(0);
    if angles.iter().any(|angle| angle[1] != 0.0) {
        of = of + row(1);
    }
    let (cosines, sines) = (of.clone().cos(), of.sin());
    match sines_first {
        true => concat(sines, cosines, 1),
        false => concat(cosines, sines, 1),
    }
}
