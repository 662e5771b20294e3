//! The kernels for GPUs, checked against flex in double precision: values and gradients, with
//! shapes that fill no cube, inputs that do not lie in order, on a tape and without one. Software
//! Vulkan is enough.

use burn::backend::Autodiff;
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{DType, Tensor, TensorData};
use burn_flex::Flex;
use burn_wgpu::Wgpu;
use pyroclast_kernels::{
    AdamWStep, Grouping, Window, adamw, conv2d, global_norm, group_norm, lerp, silu,
};

/// Numbers in (−1.5, 1.5) without a pattern that a kernel could share.
fn numbers<B: Backend, const D: usize>(
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

fn host<B: Backend, const D: usize>(x: Tensor<B, D>) -> Vec<f64> {
    let data = x.into_data().convert::<f64>();
    data.into_vec().expect("converted just now")
}

/// A normalisation and its inputs.
#[derive(Debug, Clone, Copy)]
struct Case {
    shape: [usize; 4],
    /// Rows of the gain and of the bias.
    rows: [usize; 2],
    permuted: bool,
    grouping: Grouping,
}

impl Case {
    fn inputs<B: Backend>(&self, dtype: DType) -> (Tensor<B, 4>, [Tensor<B, 2>; 2]) {
        let [batch, channels, height, width] = self.shape;
        let x = match self.permuted {
            false => numbers::<B, 4>(self.shape, 0, dtype),
            // The last axis comes in the middle.
            true => numbers([batch, width, channels, height], 0, dtype).permute([0, 2, 3, 1]),
        };
        let of = |i: usize| numbers([channels, self.rows[i]], i + 1, dtype).transpose();
        (x, [of(0), of(1)])
    }

    /// The value, and the gradients of `Σ c_i·y_i` by x, gain and bias.
    fn outcome<A: AutodiffBackend>(&self, dtype: DType) -> [Vec<f64>; 4] {
        let (x, [gain, bias]) = self.inputs::<A>(dtype);
        let x = x.detach().require_grad();
        let (gain, bias) = (gain.require_grad(), bias.require_grad());
        let y = group_norm(x.clone(), gain.clone(), bias.clone(), self.grouping);
        let value = host(y.clone().inner());
        // The incoming gradient lies in another order.
        let [batch, channels, height, width] = self.shape;
        let c = numbers([batch, width, height, channels], 9, dtype);
        let gradients = (y.swap_dims(1, 3) * c).sum().backward();
        let of = |x: Option<Tensor<A::InnerBackend, 2>>| host(x.expect("tracked"));
        [
            value,
            host(x.grad(&gradients).expect("tracked")),
            of(gain.grad(&gradients)),
            of(bias.grad(&gradients)),
        ]
    }

    fn check(&self) {
        let expected = self.outcome::<Autodiff<Flex>>(DType::F64);
        let got = self.outcome::<Autodiff<Wgpu>>(DType::F32);
        for (part, (got, expected)) in ["y", "dx", "dgain", "dbias"]
            .iter()
            .zip(got.iter().zip(&expected))
        {
            let off = off(got, expected);
            assert!(off <= 1e-5, "{part} is off by {off}: {self:?}");
        }
        let (x, [gain, bias]) = self.inputs::<Wgpu>(DType::F32);
        let untracked = group_norm(x, gain, bias, self.grouping);
        assert_eq!(host(untracked), got[0], "without a tape: {self:?}");
    }
}

/// The largest difference, over the largest number in the second if that is above 1.
fn off(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    let largest = b.iter().fold(1.0, |m: f64, b| m.max(b.abs()));
    let apart = a.iter().zip(b).map(|(a, b)| (a - b).abs());
    // Unlike f64::max, this keeps a NaN.
    apart.fold(0.0, |m, d| if d <= m { m } else { d }) / largest
}

#[test]
fn group_norm_is_that_of_flex() {
    for (shape, groups) in [
        ([5, 6, 3, 7], 3),
        ([5, 6, 3, 7], 1),
        ([3, 8, 1, 1], 2),
        ([1, 1, 1, 1], 1),
        ([2, 5, 2, 3], 5),
        // Teams that do not divide the channels.
        ([2, 14, 4, 4], 2),
        // More pixels, and more channels, than a cube has units.
        ([2, 4, 33, 35], 2),
        ([2, 700, 1, 1], 2),
        ([16, 64, 8, 8], 8),
    ] {
        let batch = shape[0];
        for (rows, silu, permuted) in [
            ([1, 1], true, false),
            ([batch, batch], true, true),
            ([1, batch], false, true),
            ([batch, 1], false, false),
        ] {
            let grouping = Grouping {
                groups,
                epsilon: 1e-5,
                silu,
            };
            Case {
                shape,
                rows,
                permuted,
                grouping,
            }
            .check();
        }
    }
}

#[test]
fn what_wants_no_gradient_gets_none() {
    type A = Autodiff<Wgpu>;
    let grouping = Grouping {
        groups: 2,
        epsilon: 1e-5,
        silu: true,
    };
    let x = numbers::<A, 3>([2, 4, 5], 0, DType::F32);
    let row = || numbers::<A, 2>([1, 4], 1, DType::F32);
    assert!(!group_norm(x.clone(), row(), row(), grouping).is_require_grad());
    let gain = row().require_grad();
    let y = group_norm(x.clone(), gain.clone(), row(), grouping);
    let gradients = y.sum().backward();
    assert!(x.grad(&gradients).is_none() && gain.grad(&gradients).is_some());
}

#[test]
fn an_empty_batch_gives_an_empty_one() {
    type A = Autodiff<Wgpu>;
    let grouping = Grouping {
        groups: 1,
        epsilon: 1e-5,
        silu: true,
    };
    let device = Default::default();
    for shape in [[0, 3, 8], [2, 0, 8], [2, 3, 0]] {
        let row = Tensor::<A, 2>::ones([1, shape[1]], &device);
        let x = Tensor::<A, 3>::zeros(shape, &device).require_grad();
        assert_eq!(group_norm(x, row.clone(), row, grouping).dims(), shape);
    }
}

/// y, dx, dW and db of a convolution of `[batch, inputs, height, width]` to `outputs` channels.
fn convolved<A: AutodiffBackend>(
    [batch, inputs, outputs, height, width]: [usize; 5],
    kernel: usize,
    window: Window,
    dtype: DType,
) -> [Vec<f64>; 4] {
    let x = numbers::<A, 4>([batch, inputs, height, width], 0, dtype).require_grad();
    let w = numbers::<A, 4>([outputs, inputs, kernel, kernel], 1, dtype).require_grad();
    let bias = numbers::<A, 1>([outputs], 2, dtype).require_grad();
    let y = conv2d(x.clone(), w.clone(), bias.clone(), window);
    let value = host(y.clone().inner());
    let cotangent = numbers(y.dims(), 3, dtype);
    let gradients = (y * cotangent).sum().backward();
    [
        value,
        host(x.grad(&gradients).expect("tracked")),
        host(w.grad(&gradients).expect("tracked")),
        host(bias.grad(&gradients).expect("tracked")),
    ]
}

#[test]
fn convolutions_are_those_of_flex() {
    let cases = [
        ([3, 4, 8, 6, 6], 3, 1, 1),
        ([2, 3, 5, 5, 7], 3, 1, 1),
        ([2, 5, 3, 8, 8], 3, 2, 1),
        ([2, 3, 2, 7, 7], 3, 2, 1),
        ([1, 6, 4, 4, 4], 1, 1, 0),
    ];
    for (sizes, kernel, stride, padding) in cases {
        let window = Window { stride, padding };
        let expected = convolved::<Autodiff<Flex>>(sizes, kernel, window, DType::F64);
        let got = convolved::<Autodiff<Wgpu>>(sizes, kernel, window, DType::F32);
        for (part, (got, expected)) in ["y", "dx", "dw", "db"]
            .iter()
            .zip(got.iter().zip(&expected))
        {
            let off = off(got, expected);
            assert!(
                off <= 1e-5,
                "{part} is off by {off}: {sizes:?}, {kernel}, {window:?}"
            );
        }
    }
}

/// θ, m and v after a step of AdamW on a bounded gradient, the bound's norm, and an average.
fn updated<B: Backend>(dtype: DType) -> [Vec<f64>; 5] {
    let of = |seed| numbers::<B, 1>([1000], seed, dtype);
    let norm = global_norm(&[of(3), numbers([7], 4, dtype)]);
    let step = AdamWStep {
        betas: [0.9, 0.999],
        epsilon: 1e-8,
        rate: 1e-2,
        root_correction: 0.5,
        decay: 1e-3,
    };
    let factor = norm.clone().recip();
    let moments = [of(0), of(1), of(2).square()];
    let [theta, m, v] = adamw(moments, of(3), Some(&factor), &step);
    let average = lerp(of(5), &theta, 0.01);
    [host(theta), host(m), host(v), host(norm), host(average)]
}

#[test]
fn updates_are_those_of_flex() {
    let (got, expected) = (updated::<Wgpu>(DType::F32), updated::<Flex>(DType::F64));
    for (part, (got, expected)) in ["theta", "m", "v", "norm", "average"]
        .iter()
        .zip(got.iter().zip(&expected))
    {
        let off = off(got, expected);
        assert!(off <= 1e-5, "{part} is off by {off}");
    }
}

#[test]
fn the_silu_and_its_gradient_are_those_of_flex() {
    fn both<A: AutodiffBackend>(dtype: DType) -> [Vec<f64>; 2] {
        let x = (numbers::<A, 2>([30, 17], 0, dtype) * 20.0)
            .detach()
            .require_grad();
        let y = silu(x.clone());
        let value = host(y.clone().inner());
        let gradients = (y * numbers([30, 17], 1, dtype)).sum().backward();
        [value, host(x.grad(&gradients).expect("tracked"))]
    }
    let got = both::<Autodiff<Wgpu>>(DType::F32);
    for (got, expected) in got.iter().zip(&both::<Autodiff<Flex>>(DType::F64)) {
        assert!(off(got, expected) <= 1e-5);
    }
}
