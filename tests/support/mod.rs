//! What the tests of solvers share: tensors from lists and back, orders, distances.

#![allow(dead_code, reason = "each test uses a part of it")]

use burn::tensor::backend::Backend;
use burn::tensor::{DType, Tensor, TensorData};

/// A tensor in double precision.
pub(crate) fn tensor<B: Backend, const D: usize>(
    values: impl AsRef<[f64]>,
    shape: [usize; D],
) -> Tensor<B, D> {
    let data = TensorData::new(values.as_ref().to_vec(), shape);
    Tensor::from_data(data, (&Default::default(), DType::F64))
}

/// A batch of one state.
pub(crate) fn state<B: Backend>(values: &[f64]) -> Tensor<B, 2> {
    tensor(values, [1, values.len()])
}

/// The values of a tensor.
pub(crate) fn host<B: Backend, const D: usize>(x: Tensor<B, D>) -> Vec<f64> {
    let values = x.into_data().convert::<f64>().into_vec::<f64>();
    values.expect("converted just now")
}

/// The bits of the values, by which an undefined value equals itself.
pub(crate) fn bits<B: Backend, const D: usize>(x: Tensor<B, D>) -> Vec<u64> {
    host(x).into_iter().map(f64::to_bits).collect()
}

/// The largest difference from the given values.
pub(crate) fn distance<B: Backend, const D: usize>(x: Tensor<B, D>, y: &[f64]) -> f64 {
    let x = host(x);
    assert_eq!(x.len(), y.len());
    let differences = x.iter().zip(y).map(|(a, b)| (a - b).abs());
    differences.fold(0.0, f64::max)
}

/// The mean of some numbers.
pub(crate) fn mean(x: impl IntoIterator<Item = f64>) -> f64 {
    let (sum, n) = (x.into_iter()).fold((0.0, 0.0), |(sum, n), v| (sum + v, n + 1.0));
    sum / n
}

/// The order of convergence: the slope of log error over log step, by least squares.
pub(crate) fn slope(points: impl IntoIterator<Item = (f64, f64)>) -> f64 {
    let points: Vec<(f64, f64)> = (points.into_iter())
        .map(|(h, e)| (h.ln(), e.ln()))
        .collect();
    let mx = mean(points.iter().map(|p| p.0));
    let my = mean(points.iter().map(|p| p.1));
    let covariance: f64 = points.iter().map(|(x, y)| (x - mx) * (y - my)).sum();
    covariance / points.iter().map(|(x, _)| (x - mx).powi(2)).sum::<f64>()
}
