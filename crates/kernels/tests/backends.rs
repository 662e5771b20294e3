//! The kernels for GPUs, checked against flex in double precision: values and gradients, with
//! shapes that fill no cube, inputs that do not lie in order, on a tape and without one. Software
//! Vulkan is enough.

use burn::backend::Autodiff;
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{DType, Tensor, TensorData};
use burn_flex::Flex;
use burn_wgpu::Wgpu;
use compare::{agree, host, numbers, off, outcome};
use pyroclast_kernels::{
    Activation, AdamWStep, Grouping, PathRow, Precision, Window, Words, adamw, attention, combine,
    conv2d, dropout_by_words, gated_sum, global_norm, group_norm, joined, layer_norm, lerp, linear,
    matmul, path_sample, self_attention, silu, sinusoids, split, split_heads, taken_apart,
};

#[path = "support/compare.rs"]
mod compare;

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

/// A layer of tokens whose axes are turned, so that they do not lie in order.
fn layer<A: AutodiffBackend>(
    [batch, tokens, inputs, outputs]: [usize; 4],
    activation: Activation,
    dtype: DType,
) -> [Vec<f64>; 4] {
    let x = numbers::<A, 3>([tokens, batch, inputs], 0, dtype).swap_dims(0, 1);
    let weight = numbers::<A, 2>([outputs, inputs], 1, dtype).transpose();
    let bias = numbers::<A, 1>([outputs], 2, dtype);
    outcome((x, weight, bias), |x, weight, bias| {
        linear(x, weight, bias, activation)
    })
}

#[test]
fn layers_are_those_of_flex() {
    for (name, activation) in Activation::ALL {
        // The last has more rows than one group of sums, and more columns than one block.
        for sizes in [[2, 3, 5, 7], [1, 1, 1, 1], [3, 200, 4, 33]] {
            agree(
                &layer::<Autodiff<Wgpu>>(sizes, activation, DType::F32),
                &layer::<Autodiff<Flex>>(sizes, activation, DType::F64),
                &format!("{name}, {sizes:?}"),
            );
        }
    }
}

#[test]
fn activations_bear_large_numbers() {
    let x = [-1e4, -100.0, 0.0, 100.0, 1e4_f32];
    fn both<A: AutodiffBackend>(x: &[f32], activation: Activation) -> [Vec<f64>; 4] {
        let x = Tensor::<A, 2>::from_data(TensorData::new(x.to_vec(), [5, 1]), &Default::default());
        let (one, zero) = (
            Tensor::ones([1, 1], &x.device()),
            Tensor::zeros([1], &x.device()),
        );
        outcome((x, one, zero), |x, weight, bias| {
            linear(x, weight, bias, activation)
        })
    }
    for (name, activation) in Activation::ALL {
        let got = both::<Autodiff<Wgpu>>(&x, activation);
        agree(&got, &both::<Autodiff<Flex>>(&x, activation), name);
    }
}

#[test]
fn layer_norm_is_that_of_flex() {
    for (shape, rows) in [
        ([2, 3, 8], [2, 2]),
        ([3, 5, 33], [1, 3]),
        ([2, 70, 20], [2, 1]),
        ([1, 1, 4], [1, 1]),
        ([2, 2, 1500], [1, 1]),
    ] {
        fn normalised<A: AutodiffBackend>(
            [batch, tokens, width]: [usize; 3],
            rows: [usize; 2],
            dtype: DType,
        ) -> [Vec<f64>; 4] {
            let x = numbers::<A, 3>([batch, width, tokens], 0, dtype).swap_dims(1, 2);
            let of = |i: usize| numbers::<A, 2>([width, rows[i]], i + 1, dtype).transpose();
            outcome((x, of(0), of(1)), |x, scale, shift| {
                layer_norm(x, scale, shift, 1e-6)
            })
        }
        agree(
            &normalised::<Autodiff<Wgpu>>(shape, rows, DType::F32),
            &normalised::<Autodiff<Flex>>(shape, rows, DType::F64),
            &format!("{shape:?}, {rows:?}"),
        );
    }
}

#[test]
fn gated_sums_are_those_of_flex() {
    for (shape, rows) in [([2, 3, 8], 2), ([3, 50, 35], 1), ([1, 1, 1], 1)] {
        fn gated<A: AutodiffBackend>(
            shape: [usize; 3],
            rows: usize,
            dtype: DType,
        ) -> [Vec<f64>; 4] {
            let [batch, tokens, width] = shape;
            let y = numbers::<A, 3>([batch, width, tokens], 1, dtype).swap_dims(1, 2);
            let gate = numbers::<A, 2>([rows, width], 2, dtype);
            outcome((numbers::<A, 3>(shape, 0, dtype), y, gate), gated_sum)
        }
        agree(
            &gated::<Autodiff<Wgpu>>(shape, rows, DType::F32),
            &gated::<Autodiff<Flex>>(shape, rows, DType::F64),
            &format!("{shape:?}, {rows}"),
        );
    }
}

#[test]
fn attention_is_that_of_flex() {
    for (heads, queries, keys, scale) in [
        (2, 5, 7, 0.5),
        (1, 1, 1, 1.0),
        (3, 33, 70, 2.0),
        (1, 4, 300, 10.0),
    ] {
        let mixed = |dtype| {
            fn of<A: AutodiffBackend>(
                sizes: [usize; 3],
                scale: f64,
                dtype: DType,
            ) -> [Vec<f64>; 4] {
                let [heads, queries, keys] = sizes;
                let q = numbers::<A, 4>([2, queries, heads, 4], 0, dtype).swap_dims(1, 2);
                let k = numbers::<A, 4>([2, heads, keys, 4], 1, dtype);
                let v = numbers::<A, 4>([2, heads, keys, 6], 2, dtype);
                outcome((q, k, v), |q, k, v| attention(q, k, v, scale))
            }
            match dtype {
                DType::F32 => of::<Autodiff<Wgpu>>([heads, queries, keys], scale, dtype),
                _ => of::<Autodiff<Flex>>([heads, queries, keys], scale, dtype),
            }
        };
        let of = format!("{heads} heads, {queries} by {keys}, scale {scale}");
        agree(&mixed(DType::F32), &mixed(DType::F64), &of);
    }
}

#[test]
fn tokens_attend_to_each_other_as_on_flex() {
    fn both<A: AutodiffBackend>(dtype: DType) -> [Vec<f64>; 2] {
        let x = numbers::<A, 3>([2, 9, 24], 0, dtype).require_grad();
        let y = self_attention(x.clone(), 2, 0.5);
        let value = host(y.clone().inner());
        let gradients = (y * numbers([2, 9, 8], 1, dtype)).sum().backward();
        [value, host(x.grad(&gradients).expect("tracked"))]
    }
    let got = both::<Autodiff<Wgpu>>(DType::F32);
    for (got, expected) in got.iter().zip(&both::<Autodiff<Flex>>(DType::F64)) {
        assert!(off(got, expected) <= 1e-5);
    }
}

/// In bf16 a factor that is computed, such as p, may be rounded the other way where it is almost a
/// tie: it differs by 2⁻⁸, and so does its share of a sum. What comes in is rounded alike.
#[test]
fn products_in_bf16_are_those_of_flex() {
    fn layer<A: AutodiffBackend>() -> [Vec<f64>; 4] {
        self::layer::<A>([3, 40, 33, 20], Activation::Identity, DType::F32)
    }
    fn curved<A: AutodiffBackend>() -> [Vec<f64>; 4] {
        self::layer::<A>([3, 40, 33, 20], Activation::Silu, DType::F32)
    }
    fn convolution<A: AutodiffBackend>(window: Window, side: usize) -> [Vec<f64>; 4] {
        let x = numbers::<A, 4>([2, 8, 9, 12], 0, DType::F32).swap_dims(2, 3);
        let weight = numbers::<A, 4>([6, 12, side, side], 1, DType::F32);
        let x = x.swap_dims(1, 2);
        let bias = numbers::<A, 1>([6], 2, DType::F32);
        outcome((x, weight, bias), |x, weight, bias| {
            conv2d(x, weight, bias, window)
        })
    }
    fn mixed<A: AutodiffBackend>() -> [Vec<f64>; 4] {
        let of = |seed| numbers::<A, 4>([2, 33, 3, 4], seed, DType::F32).swap_dims(1, 2);
        outcome((of(0), of(1), of(2)), |q, k, v| attention(q, k, v, 0.5))
    }
    fn product<A: AutodiffBackend>() -> [Vec<f64>; 4] {
        let x = numbers::<A, 3>([2, 70, 9], 0, DType::F32).swap_dims(1, 2);
        let w = numbers::<A, 3>([2, 70, 11], 1, DType::F32);
        let bias = numbers::<A, 3>([2, 9, 11], 2, DType::F32);
        outcome((x, w, bias), |x, w, bias| matmul(x, w) + bias)
    }
    type Pair = [[Vec<f64>; 4]; 2];
    let compare = |of: &str, pair: fn() -> Pair, tolerance: f64| {
        // Without matrix units, which this device does not have in any case.
        let [got, expected] = Precision::F32.within(pair);
        agree(&got, &expected, of);
        let [got, expected] = Precision::Bf16.within(pair);
        for (i, (got, expected)) in got.iter().zip(&expected).enumerate() {
            let off = off(got, expected);
            assert!(off <= tolerance, "{of}, {i}: off by {off:e}");
        }
        let unrounded = pair();
        assert_ne!(unrounded[0][0], got[0], "{of}");
    };
    type W = Autodiff<Wgpu>;
    type F = Autodiff<Flex>;
    compare("product", || [product::<W>(), product::<F>()], 1e-5);
    compare("layer", || [layer::<W>(), layer::<F>()], 1e-5);
    compare("curved", || [curved::<W>(), curved::<F>()], 2e-3);
    compare("attention", || [mixed::<W>(), mixed::<F>()], 2e-3);
    compare("3×3", || convolutions(1, 1, 3), 1e-5);
    compare("3×3, stride 2", || convolutions(2, 1, 3), 1e-5);
    compare("1×1", || convolutions(1, 0, 1), 1e-5);
    fn convolutions(stride: usize, padding: usize, side: usize) -> Pair {
        let window = Window { stride, padding };
        [
            convolution::<W>(window, side),
            convolution::<F>(window, side),
        ]
    }
}

/// Each part with a weight of its own, and one that nothing is made of.
#[test]
fn parts_are_those_of_flex() {
    fn both<A: AutodiffBackend>(dtype: DType) -> [Vec<f64>; 4] {
        let x = numbers::<A, 2>([12, 5], 0, dtype)
            .transpose()
            .detach()
            .require_grad();
        let parts = split(x.clone(), 4);
        let sum = parts[0].clone() * 2.0 + parts[1].clone() * parts[3].clone();
        // One is used twice.
        let sum = sum + parts[0].clone().square();
        let of_split = x.grad(&sum.clone().sum().backward()).expect("tracked");
        let y = numbers::<A, 3>([2, 24, 7], 1, dtype)
            .swap_dims(1, 2)
            .detach()
            .require_grad();
        let heads = split_heads(y.clone(), 3, 2);
        let mixed = heads[2].clone() * numbers([2, 2, 7, 4], 2, dtype) + heads[0].clone() * 3.0;
        // The incoming gradient lies in another order.
        let turned = mixed.clone().swap_dims(1, 3) * numbers([2, 4, 7, 2], 3, dtype);
        let of_heads = y.grad(&turned.sum().backward()).expect("tracked");
        [host(sum), host(of_split), host(mixed), host(of_heads)]
    }
    let got = both::<Autodiff<Wgpu>>(DType::F32);
    agree(&got, &both::<Autodiff<Flex>>(DType::F64), "parts");
    // Without a tape.
    let x = numbers::<Wgpu, 2>([5, 12], 0, DType::F32);
    for (i, part) in split(x.clone(), 4).into_iter().enumerate() {
        assert_eq!(host(part), host(x.clone().narrow(1, 3 * i, 3)));
    }
    // On a tape that wants no gradient, and none of an empty batch.
    type A = Autodiff<Wgpu>;
    assert!(!split(numbers::<A, 2>([5, 12], 0, DType::F32), 2)[1].is_require_grad());
    let empty = Tensor::<A, 2>::zeros([0, 12], &Default::default());
    assert_eq!(split(empty, 3)[2].dims(), [0, 4]);
}

#[test]
fn combinations_are_those_of_flex() {
    fn combined<B: Backend>(terms: usize, dtype: DType) -> Vec<f64> {
        let of = |seed| numbers::<B, 2>([30, 17], seed, dtype).transpose();
        let k: Vec<_> = (0..terms).map(|i| of(i + 1)).collect();
        let weights = [0.5, 0.0, -1.25, 1.0, 0.25, 3.0, -0.75, 2.0];
        let terms: Vec<_> = weights.into_iter().zip(&k).collect();
        host(combine(of(0), &terms))
    }
    for terms in 0..=8 {
        let (got, expected) = (
            combined::<Wgpu>(terms, DType::F32),
            combined::<Flex>(terms, DType::F64),
        );
        let off = off(&got, &expected);
        assert!(off <= 1e-6, "{terms} terms are off by {off}");
    }
}

#[test]
fn points_of_paths_are_those_of_flex() {
    let row = |i: usize| {
        let t = i as f64 / 5.0;
        PathRow {
            data: [t, 1.0],
            noise: [1.0 - t, -1.0],
        }
    };
    let rows: Vec<_> = (0..5).map(row).collect();
    fn sampled<B: Backend>(rows: &[PathRow], dtype: DType) -> [Vec<f64>; 2] {
        let x0 = numbers::<B, 3>([5, 3, 7], 0, dtype);
        let x1 = numbers::<B, 3>([5, 7, 3], 1, dtype).swap_dims(1, 2);
        path_sample(&x0, &x1, rows).map(host)
    }
    let expected = sampled::<Flex>(&rows, DType::F64);
    let plain = sampled::<Wgpu>(&rows, DType::F32);
    for (got, expected) in plain.iter().zip(&expected) {
        assert!(off(got, expected) <= 1e-6);
    }
    assert_eq!(sampled::<Autodiff<Wgpu>>(&rows, DType::F32), plain);
    // On a tape that wants a gradient.
    let x1 = numbers::<Autodiff<Wgpu>, 3>([5, 3, 7], 1, DType::F32).require_grad();
    let [x_t, u_t] = path_sample(&x1.clone().detach(), &x1, &rows);
    let gradients = (x_t + u_t).sum().backward();
    let dx1 = host(x1.grad(&gradients).expect("tracked"));
    assert!((dx1[3 * 21] - 1.6).abs() < 1e-6, "{}", dx1[3 * 21]);
}

/// By the known-answer vectors distributed with the paper's Random123 library.
#[test]
fn words_on_the_device_are_those_of_philox() {
    let zeros = Words {
        key: [0; 2],
        counter: [0; 3],
        first: 0,
    };
    let ones = Words {
        key: [u32::MAX; 2],
        counter: [0xFFFF_0000, u32::MAX, u32::MAX],
        first: 2 * 0xFFFF_FFFF_FFFF,
    };
    let second = |words: Words| Words {
        first: words.first + 1,
        ..words
    };
    for (words, expected) in [
        (zeros, 0xe169_c58d_6627_e8d5_u64),
        (second(zeros), 0x9b00_dbd8_bc57_ac4c),
        (ones, 0x41c8_3b0e_408f_276d),
        (second(ones), 0x6d54_51fd_a20b_c7c6),
    ] {
        // Dropped by the next larger share, and not by its own.
        let cell = |k: u64| (((expected >> 12) + k) as f64 + 0.5) / (1_u64 << 52) as f64;
        let x = Tensor::<Wgpu, 1>::ones([1], &Default::default());
        for (k, is_kept) in [(0, true), (1, false)] {
            let y = dropout_by_words(&x, words, cell(k)).expect("a GPU");
            assert_eq!(y.into_scalar() > 0.0, is_kept, "{expected:x}, {k}");
        }
    }
}

#[test]
fn the_gradient_of_dropout_drops_the_same() {
    type A = Autodiff<Wgpu>;
    let words = Words {
        key: [1, 2],
        counter: [3, 4, 5],
        // Blocks on both sides of 2³².
        first: (1 << 33) - 101,
    };
    let x = Tensor::<A, 2>::ones([30, 17], &Default::default()).require_grad();
    let y = dropout_by_words(&x, words, 0.25).expect("a GPU");
    let dx = x.grad(&y.clone().sum().backward()).expect("tracked");
    let y = host(y);
    assert_eq!(host(dx), y);
    let kept = y.iter().filter(|y| **y > 0.0).count() as f64 / y.len() as f64;
    assert!((kept - 0.75).abs() < 0.1, "{kept}");
    assert!(y.iter().all(|y| *y == 0.0 || (*y - 4.0 / 3.0).abs() < 1e-6));
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
        // Products of odd sizes.
        ([3, 5, 7, 9, 11], 3, 1, 1),
        ([3, 33, 17, 7, 9], 1, 1, 0),
        ([2, 13, 37, 9, 5], 3, 1, 1),
    ];
    for (sizes, kernel, stride, padding) in cases {
        let window = Window { stride, padding };
        let expected = convolved::<Autodiff<Flex>>(sizes, kernel, window, DType::F64);
        for precision in [Precision::Tf32, Precision::F32] {
            let run = || convolved::<Autodiff<Wgpu>>(sizes, kernel, window, DType::F32);
            let got = precision.within(run);
            for (part, (got, expected)) in ["y", "dx", "dw", "db"]
                .iter()
                .zip(got.iter().zip(&expected))
            {
                let off = off(got, expected);
                assert!(
                    off <= 1e-5,
                    "{part} is off by {off}: {sizes:?}, {kernel}, {window:?}, {precision:?}"
                );
            }
        }
    }
}

/// θ, m and v after a step of AdamW on bounded gradients, the bound's norm, and averages, of more
/// tensors than a launch takes, with more and fewer numbers than a cube has units.
fn updated<B: Backend>(dtype: DType) -> [Vec<f64>; 5] {
    let sizes: Vec<usize> = (0..37).map(|i| 1 + (i * 97) % 700).collect();
    let all = |seed: usize| -> Vec<Tensor<B, 1>> {
        let sizes = sizes.iter().enumerate();
        sizes
            .map(|(i, &n)| numbers([n], seed + 10 * i, dtype))
            .collect()
    };
    let norm = global_norm(&all(3));
    let step = AdamWStep {
        betas: [0.9, 0.999],
        epsilon: 1e-8,
        rate: 1e-2,
        root_correction: 0.5,
        decay: 1e-3,
    };
    let factor = norm.clone().recip();
    let state = all(0).into_iter().zip(all(1)).zip(all(2));
    let state = state
        .map(|((theta, m), v)| [theta, m, v.square()])
        .collect();
    let state = adamw(state, all(3), Some(&factor), &step);
    let part = |i: usize| state.iter().map(|x| x[i].clone()).collect::<Vec<_>>();
    let averages = lerp(all(5), &part(0), 0.01);
    let host = |x: Vec<Tensor<B, 1>>| x.into_iter().flat_map(host).collect();
    [
        host(part(0)),
        host(part(1)),
        host(part(2)),
        host(vec![norm]),
        host(averages),
    ]
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

#[test]
fn sinusoids_are_those_of_flex() {
    const N: usize = 9;
    /// Values, and gradients by the times. With no shift the angles have the same bits everywhere.
    fn both<A: AutodiffBackend>(angles: &[[f64; 2]], sines_first: bool) -> [Vec<f64>; 2] {
        let t = numbers::<A, 1>([N], 0, DType::F32).detach().require_grad();
        let y = sinusoids(t.clone(), angles, sines_first);
        let value = host(y.clone().inner());
        let cotangent = numbers([N, 2 * angles.len()], 1, DType::F32);
        let gradients = (y * cotangent).sum().backward();
        [value, host(t.grad(&gradients).expect("tracked"))]
    }
    let steep: Vec<_> = (0..40).map(|k| [1.3_f64.powi(k) * 0.2, 0.0]).collect();
    let shifted = [[1.0, 0.5], [-3.0, 2.0], [0.25, -7.0]];
    for sines_first in [false, true] {
        let got = both::<Autodiff<Wgpu>>(&steep, sines_first);
        let expected = both::<Autodiff<Flex>>(&steep, sines_first);
        let [of_value, of_gradient] = [0, 1].map(|i| off(&got[i], &expected[i]));
        assert!(of_value <= 2e-7, "{of_value}");
        assert!(of_gradient <= 1e-6, "{of_gradient}");
        let got = both::<Autodiff<Wgpu>>(&shifted, sines_first);
        let expected = both::<Autodiff<Flex>>(&shifted, sines_first);
        for (got, expected) in got.iter().zip(&expected) {
            let off = off(got, expected);
            assert!(off <= 2e-6, "{off}");
        }
    }
    let none = numbers::<Wgpu, 1>([0], 0, DType::F32);
    assert_eq!(sinusoids(none, &steep, false).dims(), [0, 80]);
}

#[test]
fn many_tensors_become_one_and_many_again() {
    let lengths: Vec<usize> = (0..37).map(|i| 1 + (i * 97) % 700).collect();
    let tensor = |(i, &n): (usize, &usize)| numbers::<Wgpu, 1>([n], i, DType::F32);
    let tensors: Vec<_> = lengths.iter().enumerate().map(tensor).collect();
    let all = joined(&tensors);
    let values: Vec<f64> = tensors.iter().cloned().flat_map(host).collect();
    assert_eq!(host(all.clone()), values);
    let apart = taken_apart(all, &lengths);
    assert!(
        apart
            .iter()
            .zip(&tensors)
            .all(|(a, b)| host(a.clone()) == host(b.clone()))
    );
    assert_eq!(apart.len(), tensors.len());
}
