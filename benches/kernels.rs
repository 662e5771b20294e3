//! Single kernels, forward and backward, and normal noise; on flex.

use burn::backend::Autodiff;
use burn::tensor::{DType, Tensor};
use burn_flex::{Flex, FlexDevice};
use criterion::{Criterion, criterion_group, criterion_main};
use pyroclast::core::noise::{Noise, Stream};
use pyroclast::kernels::{
    Activation, Grouping, Window, attention, conv2d, group_norm, join_pool, linear, silu,
};
use pyroclast_allocator::{MiMalloc, keep_pages};
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

type A = Autodiff<Flex>;

fn leaf<const D: usize>(shape: [usize; D], step: u64) -> Tensor<A, D> {
    let mut draws = Noise::new(0).draws(Stream::Source, step);
    let x: Tensor<A, D> = draws.normal_tensor(shape, &FlexDevice, DType::F32);
    x.require_grad()
}

/// The value of `f`, and its gradient against a cotangent of ones.
fn both<const D: usize, const E: usize>(
    c: &mut Criterion,
    name: &str,
    x: [Tensor<A, D>; 1],
    f: impl Fn(Tensor<A, D>) -> Tensor<A, E>,
) {
    let [x] = x;
    c.bench_function(name, |b| b.iter(|| f(x.clone()).backward()));
}

fn kernels(c: &mut Criterion) {
    keep_pages();
    join_pool();
    let image = || [leaf([16, 64, 32, 32], 0)];
    both(c, "kernel/silu-16x64x32x32", image(), silu);
    let row = |step| leaf([1, 64], step);
    let (gain, bias) = (row(1), row(2));
    let grouping = Grouping {
        groups: 16,
        epsilon: 1e-5,
        silu: true,
    };
    both(c, "kernel/group-norm-silu-16x64x32x32", image(), |x| {
        group_norm(x, gain.clone(), bias.clone(), grouping)
    });
    let window = Window {
        stride: 1,
        padding: 1,
    };
    let (weight, bias) = (leaf([64, 64, 3, 3], 3), leaf([64], 4));
    both(c, "kernel/conv-3x3-64-to-64-16x32x32", image(), |x| {
        conv2d(x, weight.clone(), bias.clone(), window)
    });
    both(
        c,
        "kernel/conv-3x3-64-to-64-128x8x8",
        [leaf([128, 64, 8, 8], 0)],
        |x| conv2d(x, weight.clone(), bias.clone(), window),
    );
    let (weight, bias) = (leaf([512, 512], 5), leaf([512], 6));
    both(
        c,
        "kernel/linear-silu-4096x512x512",
        [leaf([4096, 512], 0)],
        |x| linear(x, weight.clone(), bias.clone(), Activation::Silu),
    );
    both(
        c,
        "kernel/attention-16x4x64x32",
        [leaf([16, 4, 64, 32], 0)],
        |x| attention(x.clone(), x.clone(), x, 0.18),
    );
    c.bench_function("kernel/normals-400k", |b| {
        let mut step = 0;
        b.iter(|| {
            step += 1;
            Noise::new(0).draws(Stream::Source, step).normals(400_000)
        });
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10).measurement_time(Duration::from_secs(3));
    targets = kernels
}
criterion_main!(benches);
