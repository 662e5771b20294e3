//! Group norm + SiLU on wgpu, forward and backward: our one launch each way, and the same of burn's operations.
//!
//! `cargo bench --features wgpu --bench gpu`; without a GPU, software Vulkan will do.

use burn::backend::Autodiff;
use burn::tensor::activation::silu;
use burn::tensor::backend::Backend;
use burn::tensor::{Distribution, Tensor};
use burn_wgpu::{Wgpu, WgpuDevice};
use criterion::{Criterion, criterion_group, criterion_main};
use pyroclast::kernels::{Grouping, group_norm};
use std::time::Duration;

type A = Autodiff<Wgpu>;

fn composed(
    x: Tensor<A, 4>,
    gain: Tensor<A, 2>,
    bias: Tensor<A, 2>,
    grouping: Grouping,
) -> Tensor<A, 4> {
    let shape = x.dims();
    let [batch, channels, ..] = shape;
    let rows = x.reshape([(batch * grouping.groups) as i32, -1]);
    let mean = rows.clone().mean_dim(1);
    let centred = rows - mean;
    let deviation = (centred.clone().square().mean_dim(1) + grouping.epsilon).sqrt();
    let normalised: Tensor<A, 4> = (centred / deviation).reshape(shape);
    let factor = |v: Tensor<A, 2>| v.reshape([batch, channels, 1, 1]);
    silu(normalised * factor(gain) + factor(bias))
}

fn norms(c: &mut Criterion) {
    let device = WgpuDevice::default();
    for (shape, groups) in [([16, 64, 32, 32], 32), ([128, 64, 8, 8], 8)] {
        let grouping = Grouping {
            groups,
            epsilon: 1e-5,
            silu: true,
        };
        let row = || {
            let row = Tensor::<A, 2>::random([shape[0], 64], Distribution::Default, &device);
            row.require_grad()
        };
        let x = Tensor::<A, 4>::random(shape, Distribution::Default, &device).require_grad();
        let (gain, bias) = (row(), row());
        let mut both = |name, f: fn(Tensor<A, 4>, Tensor<A, 2>, Tensor<A, 2>, Grouping) -> _| {
            c.bench_function(&format!("group-norm-silu-{name}/{shape:?}"), |b| {
                b.iter(|| {
                    let y: Tensor<A, 4> = f(x.clone(), gain.clone(), bias.clone(), grouping);
                    let gradients = y.backward();
                    A::sync(&device).expect("the device answers");
                    gradients
                });
            });
        };
        both("fused", group_norm);
        both("composed", composed);
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10).measurement_time(Duration::from_secs(5));
    targets = norms
}
criterion_main!(benches);
