//! Norms that measure an error relative to a tolerance.
//!
//! `rms_i(e_i/(atol + rtol·max(|x_i|, |y_i|)))`
//!
//! Source: Hairer, Nørsett & Wanner 1993, II.4, eq. 4.10–4.11.

use burn::tensor::backend::Backend;
use burn::tensor::{ElementConversion, Tensor};

/// The norm of an error relative to a tolerance, over the whole tensor.
///
/// `√(mean_i (e_i/(atol + rtol·max(|x_i|, |y_i|)))²)`
///
/// With `leading = Some(n)` only the first n entries of the last axis count. NaN if any error that
/// counts is NaN. The result is read back to the host, in one read; on flex, one pass over memory.
///
/// # Shapes
/// - error, x and y: all the same
///
/// # Panics
/// If a shape differs, or `leading` is 0 or more than the length of the last axis.
///
/// ```
/// use burn::tensor::Tensor;
/// use burn_flex::Flex;
/// use pyroclast_kernels::scaled_rms;
///
/// let of = |x: f32| Tensor::<Flex, 1>::from_floats([x], &Default::default());
/// // An error of 3 where 1 + 0.5·4 is tolerated.
/// assert_eq!(scaled_rms(of(3.0), &of(-4.0), &of(2.0), (0.5, 1.0), None), 1.0);
/// ```
pub fn scaled_rms<B: Backend, const D: usize>(
    error: Tensor<B, D>,
    x: &Tensor<B, D>,
    y: &Tensor<B, D>,
    (rtol, atol): (f64, f64),
    leading: Option<usize>,
) -> f64 {
    #[cfg(feature = "flex")]
    if let Some(sums) = crate::flex::scaled_squares(&error, x, y, (rtol, atol), leading, false) {
        let counted = counted(&error, leading);
        return (sums[0] / counted as f64).sqrt();
    }
    let squares = scaled(error, x, y, (rtol, atol), leading).square();
    squares.mean().into_scalar().elem::<f64>().sqrt()
}

/// The same norm for the first n entries of the last axis and for the others, read back to the host
/// in one read.
///
/// # Panics
/// If a shape differs, or n is not between 0 and the length of the last axis.
pub fn scaled_rms_parts<B: Backend, const D: usize>(
    error: Tensor<B, D>,
    x: &Tensor<B, D>,
    y: &Tensor<B, D>,
    tolerances: (f64, f64),
    n: usize,
) -> [f64; 2] {
    let others = error.dims()[D - 1] - n;
    let squares = scaled(error, x, y, tolerances, None).square();
    let mean = |from, count| squares.clone().narrow(D - 1, from, count).mean();
    let means = Tensor::cat(vec![mean(0, n), mean(n, others)], 0).into_data();
    let means = (means.convert::<f64>().into_vec::<f64>()).expect("converted to f64 just now");
    [means[0].sqrt(), means[1].sqrt()]
}

/// The same norm for each row (each index of axis 0), read back to the host in one read.
///
/// # Panics
/// If a shape differs.
pub fn scaled_rms_rows<B: Backend, const D: usize>(
    error: Tensor<B, D>,
    x: &Tensor<B, D>,
    y: &Tensor<B, D>,
    (rtol, atol): (f64, f64),
) -> Vec<f64> {
    let rows = error.dims()[0];
    let width = error.shape().num_elements() / rows.max(1);
    #[cfg(feature = "flex")]
    if let Some(sums) = crate::flex::scaled_squares(&error, x, y, (rtol, atol), None, true) {
        return sums
            .into_iter()
            .map(|sum| (sum / width as f64).sqrt())
            .collect();
    }
    let squares = scaled(error, x, y, (rtol, atol), None).square();
    let means: Tensor<B, 2> = squares.reshape([rows, width]).mean_dim(1);
    let means = means.into_data().convert::<f64>().into_vec::<f64>();
    let means = means.expect("converted to f64 just now");
    means.into_iter().map(f64::sqrt).collect()
}

#[cfg(feature = "flex")]
fn counted<B: Backend, const D: usize>(x: &Tensor<B, D>, leading: Option<usize>) -> usize {
    let last = x.dims()[D - 1];
    x.shape().num_elements() / last.max(1) * leading.unwrap_or(last)
}

fn scaled<B: Backend, const D: usize>(
    error: Tensor<B, D>,
    x: &Tensor<B, D>,
    y: &Tensor<B, D>,
    (rtol, atol): (f64, f64),
    leading: Option<usize>,
) -> Tensor<B, D> {
    let part = |x: Tensor<B, D>| match leading {
        Some(n) => x.narrow(D - 1, 0, n),
        None => x,
    };
    let largest = part(x.clone()).abs().max_pair(part(y.clone()).abs());
    part(error) / (largest * rtol + atol)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{DType, TensorData};
    use burn_flex::Flex;
    use burn_ndarray::NdArray;

    fn norms<B: Backend>(leading: Option<usize>) -> (f64, Vec<f64>) {
        let tensor = |seed: usize| {
            let values: Vec<f64> = (0..12)
                .map(|i| ((i * 7 + seed) % 11) as f64 - 5.0)
                .collect();
            let data = TensorData::new(values, [4, 3]);
            Tensor::<B, 2>::from_data(data, (&Default::default(), DType::F64))
        };
        let (e, x, y) = (tensor(1), tensor(2), tensor(3));
        let tolerance = (0.1, 0.5);
        (
            scaled_rms(e.clone(), &x, &y, tolerance, leading),
            scaled_rms_rows(e, &x, &y, tolerance),
        )
    }

    #[test]
    fn both_ways_give_the_same_norm() {
        for leading in [None, Some(1), Some(2)] {
            let (fused, composed) = (norms::<Flex>(leading), norms::<NdArray<f64>>(leading));
            assert!((fused.0 - composed.0).abs() < 1e-14 * composed.0);
            assert!(
                fused
                    .1
                    .iter()
                    .zip(&composed.1)
                    .all(|(a, b)| (a - b).abs() < 1e-14 * b)
            );
        }
        // By hand: rows (e, x, y) of one entry each.
        let one = |v: f64| {
            let data = TensorData::new(vec![v], [1, 1]);
            Tensor::<Flex, 2>::from_data(data, (&Default::default(), DType::F64))
        };
        let norm = scaled_rms(one(3.0), &one(-4.0), &one(2.0), (0.5, 1.0), None);
        assert!((norm - 1.0).abs() < 1e-15);
    }

    #[test]
    fn the_norms_of_two_parts_are_those_of_each() {
        let tensor = |values: &[f64], shape| {
            let data = TensorData::new(values.to_vec(), shape);
            Tensor::<NdArray<f64>, 2>::from_data(data, (&Default::default(), DType::F64))
        };
        let whole = |v: [f64; 6]| tensor(&v, [2, 3]);
        let last = |v: [f64; 6]| tensor(&[v[2], v[5]], [2, 1]);
        let (e, x, y) = (
            [1.0, -2.0, 0.5, 3.0, 0.1, -4.0],
            [0.3, 5.0, 2.0, -1.0, 0.0, 7.0],
            [-0.4, 1.0, 3.0, 2.0, 0.2, 6.0],
        );
        let tolerances = (0.1, 0.5);
        let parts = scaled_rms_parts(whole(e), &whole(x), &whole(y), tolerances, 2);
        let first = scaled_rms(whole(e), &whole(x), &whole(y), tolerances, Some(2));
        let others = scaled_rms(last(e), &last(x), &last(y), tolerances, None);
        assert!((parts[0] - first).abs() < 1e-14 * first);
        assert!((parts[1] - others).abs() < 1e-14 * others);
    }

    #[test]
    fn an_undefined_error_has_an_undefined_norm() {
        let tensor = |v: f32| Tensor::<Flex, 1>::from_floats([1.0, v], &Default::default());
        let norm = scaled_rms(
            tensor(f32::NAN),
            &tensor(0.0),
            &tensor(0.0),
            (0.1, 0.1),
            None,
        );
        assert!(norm.is_nan());
    }
}
