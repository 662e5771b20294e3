//! Numbers that need no generator, and how far those of two backends are apart.

use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{DType, Tensor, TensorData};

/// Numbers in (−1.5, 1.5) without a pattern that a kernel could share.
pub(crate) fn numbers<B: Backend, const D: usize>(
    shape: [usize; D],
    seed: usize,
    dtype: DType,
) -> Tensor<B, D> {
    let at = |i: usize| ((i * 7919 + seed * 104_729 + 13) % 10_007) as f64 / 10_007.0;
    // Exact in single precision too.
    let values = (0..shape.iter().product()).map(|i| f64::from((3.0 * at(i) - 1.5) as f32));
    let data = TensorData::new(values.collect(), shape).convert_dtype(dtype);
    Tensor::from_data(data, (&Default::default(), dtype))
}

pub(crate) fn host<B: Backend, const D: usize>(x: Tensor<B, D>) -> Vec<f64> {
    let data = x.into_data().convert::<f64>();
    data.into_vec().expect("converted just now")
}

/// The largest difference, over the largest number in the second if that is above 1.
pub(crate) fn off(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    let largest = b.iter().fold(1.0, |m: f64, b| m.max(b.abs()));
    let apart = a.iter().zip(b).map(|(a, b)| (a - b).abs());
    // Unlike f64::max, this keeps a NaN.
    apart.fold(0.0, |m: f64, d| if m.is_nan() || d <= m { m } else { d }) / largest
}

/// The value of a function of three tensors, and their gradients by `Σ c_i·y_i`.
pub(crate) fn outcome<
    A: AutodiffBackend,
    const D: usize,
    const E: usize,
    const F: usize,
    const O: usize,
>(
    inputs: (Tensor<A, D>, Tensor<A, E>, Tensor<A, F>),
    of: impl Fn(Tensor<A, D>, Tensor<A, E>, Tensor<A, F>) -> Tensor<A, O>,
) -> [Vec<f64>; 4] {
    let (a, b, c) = inputs;
    let (a, b, c) = (a.detach(), b.detach(), c.detach());
    let (a, b, c) = (a.require_grad(), b.require_grad(), c.require_grad());
    let y = of(a.clone(), b.clone(), c.clone());
    let value = host(y.clone().inner());
    let cotangent = numbers(y.dims(), 9, y.dtype());
    let gradients = (y * cotangent).sum().backward();
    [
        value,
        host(a.grad(&gradients).expect("tracked")),
        host(b.grad(&gradients).expect("tracked")),
        host(c.grad(&gradients).expect("tracked")),
    ]
}

pub(crate) fn agree(got: &[Vec<f64>; 4], expected: &[Vec<f64>; 4], of: &str) {
    for (part, (got, expected)) in ["the value", "the first", "the second", "the third gradient"]
        .iter()
        .zip(got.iter().zip(expected))
    {
        let off = off(got, expected);
        assert!(off <= 1e-5, "{part} is off by {off}: {of}");
    }
}
