//! Products in bf16, checked against products in double precision of factors that are rounded here;
//! and where a precision holds.

use burn::backend::Autodiff;
use burn::tensor::backend::Backend;
use burn::tensor::{DType, Tensor, TensorData, bf16};
use burn_flex::Flex;
use burn_ndarray::NdArray;
use pyroclast_kernels::{
    Activation, Precision, Window, attention, conv2d, linear, matmul, self_attention,
};
use std::panic::catch_unwind;
use std::thread;

type A = Autodiff<Flex>;

fn numbers(n: usize, seed: usize) -> Vec<f64> {
    let at = |i: usize| ((i * 7919 + seed * 104_729 + 13) % 10_007) as f64 / 10_007.0;
    // Exact in single precision.
    (0..n)
        .map(|i| f64::from((3.0 * at(i) - 1.5) as f32))
        .collect()
}

fn tensor<B: Backend, const D: usize>(
    values: &[f64],
    shape: [usize; D],
    dtype: DType,
) -> Tensor<B, D> {
    let data = TensorData::new(values.to_vec(), shape).convert_dtype(dtype);
    Tensor::from_data(data, (&Default::default(), dtype))
}

fn host<B: Backend, const D: usize>(x: Tensor<B, D>) -> Vec<f64> {
    let data = x.into_data().convert::<f64>();
    data.into_vec().expect("converted just now")
}

fn rounded(values: &[f64]) -> Vec<f64> {
    let values = values.iter();
    values.map(|x| bf16::from_f32(*x as f32).to_f64()).collect()
}

/// The largest difference, over the largest number of the second.
fn off(got: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(got.len(), expected.len());
    let largest = expected.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
    let apart = got.iter().zip(expected).map(|(a, b)| (a - b).abs());
    // Unlike f64::max, this keeps a NaN.
    apart.fold(0.0, |m: f64, d| if m.is_nan() || d <= m { m } else { d }) / largest
}

/// What a layer of two factors computes, and its gradients by `Σ c_i·y_i`: in bf16, and in double
/// precision with factors that are rounded before.
fn check<const D: usize, const E: usize>(
    what: &str,
    (x_shape, w_shape): ([usize; D], [usize; E]),
    of: impl Fn(Tensor<A, D>, Tensor<A, E>) -> Tensor<A, D>,
) {
    let x = numbers(x_shape.iter().product(), 0);
    let w = numbers(w_shape.iter().product(), 1);
    let outcome = |x: &[f64], w: &[f64], c: &dyn Fn(Vec<f64>) -> Vec<f64>, dtype| {
        let x = tensor::<A, D>(x, x_shape, dtype).require_grad();
        let w = tensor::<A, E>(w, w_shape, dtype).require_grad();
        let y = of(x.clone(), w.clone());
        let shape = y.dims();
        let c = tensor(&c(numbers(shape.iter().product(), 2)), shape, dtype);
        let value = host(y.clone().inner());
        let gradients = Precision::F32.within(|| (y * c).sum().backward());
        let of_x = host(x.grad(&gradients).expect("tracked"));
        [value, of_x, host(w.grad(&gradients).expect("tracked"))]
    };
    let got = Precision::Bf16.within(|| outcome(&x, &w, &|c| c, DType::F32));
    let exact = outcome(&x, &w, &|c| c, DType::F64);
    let expected = outcome(&rounded(&x), &rounded(&w), &|c| rounded(&c), DType::F64);
    for (part, ((got, expected), exact)) in ["the value", "dx", "dw"]
        .iter()
        .zip(got.iter().zip(&expected).zip(&exact))
    {
        let off_by = off(got, expected);
        assert!(off_by < 2e-6, "{what}: {part} is off by {off_by:e}");
        let rounding = off(got, exact);
        assert!(
            (1e-4..1e-2).contains(&rounding),
            "{what}: {part} differs by {rounding:e}"
        );
    }
    // Double precision is not rounded.
    let double = Precision::Bf16.within(|| outcome(&x, &w, &|c| c, DType::F64));
    for (double, exact) in double.iter().zip(&exact) {
        assert!(off(double, exact) < 1e-13, "{what}");
    }
}

#[test]
fn factors_are_rounded_and_sums_are_not() {
    check("matmul", ([2, 5, 70], [2, 70, 9]), matmul);
    check("linear", ([4, 3, 33], [33, 40]), |x, w| {
        let bias = Tensor::zeros([40], (&x.device(), x.dtype()));
        linear(x, w, bias, Activation::Identity)
    });
    for (stride, padding, side) in [(1, 1, 3), (2, 1, 3), (1, 0, 1), (1, 2, 5)] {
        let window = Window { stride, padding };
        let of = |x: Tensor<A, 4>, w: Tensor<A, 4>| {
            let bias = Tensor::zeros([6], (&x.device(), x.dtype()));
            conv2d(x, w, bias, window)
        };
        let what = format!("convolution, {window:?}");
        check(&what, ([3, 20, 8, 6], [6, 20, side, side]), of);
    }
}

/// Bias and activation are computed in single precision, and their gradient is.
#[test]
fn what_is_no_product_is_not_rounded() {
    let device = Default::default();
    let bias = Tensor::<A, 1>::from_floats([1.001], &device).require_grad();
    let one = Tensor::<A, 2>::ones([1, 1], &device);
    let y = Precision::Bf16.within(|| linear(one.clone(), one, bias.clone(), Activation::Tanh));
    let value = y.clone().into_scalar();
    assert!((value - 2.001_f32.tanh()).abs() < 1e-6, "{value}");
    let slope = bias.grad(&y.backward()).expect("tracked").into_scalar();
    assert!((slope - (1.0 - value * value)).abs() < 1e-6, "{slope}");
}

/// With a softmax in single precision, by a hand-written one.
#[test]
fn attention_rounds_what_enters_its_products() {
    let (tokens, depth) = (7, 5);
    let [q, k, v] = [0, 1, 2].map(|seed| numbers(tokens * depth, seed));
    let tensors = [&q, &k, &v].map(|x| tensor::<Flex, 4>(x, [1, 1, tokens, depth], DType::F32));
    let [tq, tk, tv] = tensors.clone();
    let got = host(Precision::Bf16.within(|| attention(tq, tk, tv, 0.7)));
    let [q, k, v] = [q, k, v].map(|x| rounded(&x));
    let mut expected = Vec::new();
    for i in 0..tokens {
        let dot = |j: usize| {
            (0..depth)
                .map(|d| q[i * depth + d] * k[j * depth + d])
                .sum()
        };
        let scores: Vec<f64> = (0..tokens).map(dot).map(|s: f64| (0.7 * s).exp()).collect();
        let total: f64 = scores.iter().sum();
        let p = rounded(&scores.iter().map(|s| s / total).collect::<Vec<_>>());
        let mixed = |d: usize| (0..tokens).map(|j| p[j] * v[j * depth + d]).sum::<f64>();
        expected.extend((0..depth).map(mixed));
    }
    let off_by = off(&got, &expected);
    assert!(off_by < 2e-6, "{off_by:e}");
    // Side by side in each token it is the same.
    let side_by_side = Tensor::cat(tensors.to_vec(), 3).reshape([1, tokens, 3 * depth]);
    let mixed = Precision::Bf16.within(|| self_attention(side_by_side, 1, 0.7));
    assert_eq!(host(mixed), got);
}

#[test]
fn a_precision_holds_inside_on_its_thread_and_ends_with_a_panic() {
    assert_eq!(Precision::current(), Precision::Tf32);
    Precision::Bf16.within(|| {
        assert_eq!(Precision::current(), Precision::Bf16);
        Precision::F32.within(|| assert_eq!(Precision::current(), Precision::F32));
        assert_eq!(Precision::current(), Precision::Bf16);
        let elsewhere = thread::spawn(Precision::current).join().expect("no panic");
        assert_eq!(elsewhere, Precision::Tf32);
    });
    let panicked = catch_unwind(|| Precision::Bf16.within(|| panic!("on purpose")));
    assert!(panicked.is_err());
    assert_eq!(Precision::current(), Precision::Tf32);
}

#[test]
#[should_panic(expected = "products in bf16 are for the backends flex, wgpu and CUDA")]
fn a_backend_that_does_not_round_is_refused() {
    let x = Tensor::<NdArray, 2>::ones([2, 2], &Default::default());
    Precision::Bf16.within(|| matmul(x.clone(), x));
}
