//! The kernels for GPUs on images that lie in memory with their channels last, as convolutions give
//! them, and in the order of their shape: the same numbers, checked against flex in double
//! precision.

use burn::backend::Autodiff;
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{DType, Tensor};
use burn_flex::Flex;
use burn_wgpu::Wgpu;
use compare::{host, numbers, off};
use pyroclast_kernels::{
    Grouping, Window, Words, combine, concat, conv2d, doubled, dropout_by_words, fork, from_tokens,
    group_norm, halved, modulated_group_norm, scaled, shift_channels, silu, to_tokens,
};

#[path = "support/compare.rs"]
#[allow(dead_code, reason = "another test uses the rest")]
mod compare;

/// Which of two images and of the gradient that comes in have their channels last.
#[derive(Debug, Clone, Copy)]
struct Orders([bool; 3]);

impl Orders {
    fn all() -> impl Iterator<Item = Self> {
        (0..8).map(|i| Self([i & 1, i & 2, i & 4].map(|bit| bit > 0)))
    }
}

fn image<B: Backend>(
    [batch, channels, height, width]: [usize; 4],
    seed: usize,
    is_last: bool,
    dtype: DType,
) -> Tensor<B, 4> {
    let x = numbers::<B, 4>([batch, height, width, channels], seed, dtype);
    let x = x.permute([0, 3, 1, 2]);
    match is_last {
        true => x,
        // A view has no such shape, so that this copies.
        false => x.reshape([-1]).reshape([batch, channels, height, width]),
    }
}

/// An operation of two images and of rows with two numbers per channel.
trait Operation {
    fn run<B: Backend>(&self, x: [Tensor<B, 4>; 2], rows: Tensor<B, 2>) -> Tensor<B, 4>;

    /// The value, and the gradients that there are.
    fn outcome<A: AutodiffBackend>(
        &self,
        shape: [usize; 4],
        Orders([a, b, c]): Orders,
        dtype: DType,
    ) -> Vec<Vec<f64>> {
        let leaf = |seed, is_last| {
            let x = image::<A>(shape, seed, is_last, dtype);
            x.detach().require_grad()
        };
        let (x, y) = (leaf(0, a), leaf(1, b));
        let rows = numbers::<A, 2>([shape[0], 2 * shape[1]], 2, dtype).require_grad();
        let z = self.run([x.clone(), y.clone()], rows.clone());
        let value = host(z.clone().inner());
        let along = image::<A>(z.dims(), 3, true, dtype);
        let gradients = match c {
            true => z.permute([0, 2, 3, 1]) * along.permute([0, 2, 3, 1]),
            false => z * image::<A>(along.dims(), 3, false, dtype),
        };
        let gradients = gradients.sum().backward();
        let mut all = vec![value];
        all.extend([x, y].iter().filter_map(|x| x.grad(&gradients)).map(host));
        all.extend(rows.grad(&gradients).map(host));
        all
    }
}

fn check(name: &str, operation: &impl Operation, shape: [usize; 4]) {
    for orders in Orders::all() {
        let got = operation.outcome::<Autodiff<Wgpu>>(shape, orders, DType::F32);
        let expected = operation.outcome::<Autodiff<Flex>>(shape, orders, DType::F64);
        assert_eq!(got.len(), expected.len(), "{name}");
        for (i, (got, expected)) in got.iter().zip(&expected).enumerate() {
            let off = off(got, expected);
            assert!(
                off <= 1e-5,
                "{name}, {i}, of {shape:?}, {orders:?}: {off:e}"
            );
        }
        let [a, b, _] = orders.0;
        let plain = |seed, is_last| image::<Wgpu>(shape, seed, is_last, DType::F32);
        let rows = numbers([shape[0], 2 * shape[1]], 2, DType::F32);
        let y = operation.run([plain(0, a), plain(1, b)], rows);
        let off = off(&host(y), &expected[0]);
        assert!(off <= 1e-5, "{name} without a tape, {orders:?}: {off:e}");
    }
}

/// A number per channel, alike for all samples.
fn row<B: Backend>(of: &Tensor<B, 4>, seed: usize) -> Tensor<B, 2> {
    numbers([1, of.dims()[1]], seed, of.dtype())
}

struct Normalised(Grouping);

impl Operation for Normalised {
    fn run<B: Backend>(&self, [x, _]: [Tensor<B, 4>; 2], rows: Tensor<B, 2>) -> Tensor<B, 4> {
        let channels = x.dims()[1];
        let gain = rows.narrow(1, 0, channels);
        let bias = row(&x, 5);
        group_norm(x, gain, bias, self.0)
    }
}

/// With one row of gains and biases for all samples, which want gradients too.
struct Modulated(Grouping);

impl Operation for Modulated {
    fn run<B: Backend>(&self, [x, y]: [Tensor<B, 4>; 2], rows: Tensor<B, 2>) -> Tensor<B, 4> {
        let channels = x.dims()[1];
        let shared = |i: usize| {
            y.clone()
                .narrow(3, i, 1)
                .sum_dim(2)
                .sum_dim(0)
                .reshape([1, channels])
        };
        let last = y.dims()[3] - 1;
        modulated_group_norm(x, shared(0), shared(last), rows, self.0)
    }
}

const SHAPES: [([usize; 4], usize); 5] = [
    ([2, 6, 3, 5], 3),
    // Fewer teams than channels, and one pixel.
    ([3, 300, 1, 1], 1),
    ([2, 1, 4, 4], 1),
    ([1, 8, 9, 33], 2),
    ([3, 64, 4, 4], 16),
];

#[test]
fn normalisations_are_those_of_flex() {
    for (shape, groups) in SHAPES {
        for silu in [false, true] {
            let grouping = Grouping {
                groups,
                epsilon: 1e-5,
                silu,
            };
            check("group norm", &Normalised(grouping), shape);
            check("modulated", &Modulated(grouping), shape);
        }
    }
}

struct Joined(usize);

impl Operation for Joined {
    fn run<B: Backend>(&self, [x, y]: [Tensor<B, 4>; 2], _: Tensor<B, 2>) -> Tensor<B, 4> {
        let part = y.dims()[self.0].div_ceil(2);
        concat(x, y.narrow(self.0, 0, part), self.0)
    }
}

/// Zeros that are not on the tape get no gradient.
struct JoinedToZeros(usize);

impl Operation for JoinedToZeros {
    fn run<B: Backend>(&self, [x, _]: [Tensor<B, 4>; 2], _: Tensor<B, 2>) -> Tensor<B, 4> {
        let zeros = x.zeros_like();
        concat(zeros, x, self.0)
    }
}

#[test]
fn joined_images_are_those_of_flex() {
    for (shape, _) in SHAPES {
        for axis in 0..4 {
            check("joined", &Joined(axis), shape);
            check("joined to zeros", &JoinedToZeros(axis), shape);
        }
    }
}

/// What treats every number alike, but for the channels' shifts.
struct Elementwise;

impl Operation for Elementwise {
    fn run<B: Backend>(&self, [x, y]: [Tensor<B, 4>; 2], rows: Tensor<B, 2>) -> Tensor<B, 4> {
        let channels = x.dims()[1];
        let [a, b] = fork(x);
        let sum = combine(silu(a), &[(1.0, &y), (0.5, &b)]);
        scaled(
            shift_channels(sum, rows.narrow(1, channels, channels)),
            0.75,
        )
    }
}

struct Tokens;

impl Operation for Tokens {
    fn run<B: Backend>(&self, [x, y]: [Tensor<B, 4>; 2], _: Tensor<B, 2>) -> Tensor<B, 4> {
        let [.., height, width] = x.dims();
        let tokens = to_tokens(x) + to_tokens(y) * 2.0;
        from_tokens(tokens, [height, width])
    }
}

#[test]
fn numbers_one_by_one_are_those_of_flex() {
    for (shape, _) in SHAPES {
        check("elementwise", &Elementwise, shape);
        check("tokens", &Tokens, shape);
    }
}

/// Of an odd height and width too.
struct Resized;

impl Operation for Resized {
    fn run<B: Backend>(&self, [x, y]: [Tensor<B, 4>; 2], _: Tensor<B, 2>) -> Tensor<B, 4> {
        let small = halved(doubled(x) * 2.0);
        let [_, _, height, width] = y.dims();
        let large = doubled(halved(y));
        let rest = small
            .narrow(2, 0, height / 2 * 2)
            .narrow(3, 0, width / 2 * 2);
        rest + large
    }
}

#[test]
fn resized_images_are_those_of_flex() {
    for shape in [[2, 6, 3, 5], [1, 8, 4, 6], [3, 1, 2, 2]] {
        check("resized", &Resized, shape);
    }
}

/// A residual block, whose kernels come from the second image.
struct Block(Window, usize);

impl Operation for Block {
    fn run<B: Backend>(&self, [x, y]: [Tensor<B, 4>; 2], rows: Tensor<B, 2>) -> Tensor<B, 4> {
        let channels = x.dims()[1];
        let side = self.1;
        let taps = channels * side * side;
        let of = |seed| {
            let kernel = numbers::<B, 4>([channels, channels, side, side], seed, x.dtype());
            let first = y.clone().reshape([-1]).narrow(0, 0, taps);
            kernel * 0.1 + first.reshape([1, channels, side, side]) * 0.1
        };
        let (bias, grouping) = (
            rows.clone()
                .narrow(0, 0, 1)
                .narrow(1, 0, channels)
                .reshape([channels]),
            Grouping {
                groups: 2,
                epsilon: 1e-5,
                silu: true,
            },
        );
        let (gain, shift) = (row(&x, 5), row(&x, 6));
        let kernels = [7, 8].map(of);
        let [x, around] = fork(x);
        let [first, second] = kernels;
        let h = conv2d(x, first, bias.clone(), self.0);
        let h = modulated_group_norm(h, gain, shift, rows, grouping);
        let around = conv2d(around, second, bias, self.0);
        combine(around, &[(1.0, &h)])
    }
}

#[test]
fn a_block_is_that_of_flex() {
    for (stride, padding, side) in [(1, 1, 3), (2, 1, 3), (1, 0, 1), (1, 0, 3), (2, 0, 2)] {
        for shape in [[2, 4, 6, 8], [3, 6, 5, 7]] {
            check("block", &Block(Window { stride, padding }, side), shape);
        }
    }
}

#[test]
fn dropout_drops_the_same_in_every_order() {
    let words = Words {
        key: [1, 2],
        counter: [3, 4, 5],
        first: 7,
    };
    for (shape, _) in SHAPES {
        let dropped = |is_last| {
            let x = image::<Wgpu>(shape, 0, is_last, DType::F32);
            host(dropout_by_words(&x, words, 0.25).expect("a GPU"))
        };
        assert_eq!(dropped(true), dropped(false), "{shape:?}");
    }
}
