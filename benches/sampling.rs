//! Sampling with Heun in 50 steps, on flex; and the pairing of a batch, exact and entropic.

use burn::tensor::{DType, Tensor};
use burn_flex::{Flex, FlexDevice};
use criterion::{Criterion, criterion_group, criterion_main};
use pyroclast::core::assignment::assign_points;
use pyroclast::core::coupling::Sinkhorn;
use pyroclast::core::flow::Flow;
use pyroclast::core::noise::{Noise, Stream};
use pyroclast::core::path::Path;
use pyroclast::core::toy::Toy;
use pyroclast::kernels::join_pool;
use pyroclast::models::{Init, MlpConfig, UNetConfig};
use pyroclast::solvers::{HEUN, TimeGrid, integrate};
use pyroclast_allocator::{MiMalloc, keep_pages};
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn flow<N>(network: N) -> Flow<N> {
    Flow::velocity(network, Path::linear())
}

fn noise<const D: usize>(shape: [usize; D]) -> Tensor<Flex, D> {
    Noise::new(0)
        .draws(Stream::Sampler, 0)
        .normal_tensor(shape, &FlexDevice, DType::F32)
}

fn sampling(c: &mut Criterion) {
    keep_pages();
    join_pool();
    let mut init = Init::<Flex>::new(Noise::new(0), &FlexDevice);
    let grid = TimeGrid::uniform(0.0, 1.0, 50);
    let mlp = flow(MlpConfig::new(2).init(&mut init));
    let x = noise([10_000, 2]);
    c.bench_function("sample/mlp-3x64-10k-points", |b| {
        b.iter(|| integrate(&mlp.unconditional(), &HEUN, x.clone(), &grid).into_data());
    });
    let unet = flow(
        UNetConfig {
            classes: 10,
            ..UNetConfig::new(1, [8, 8])
        }
        .init(&mut init),
    );
    let x = noise([100, 1, 8, 8]);
    c.bench_function("sample/digits-unet-100-images", |b| {
        b.iter(|| integrate(&unet.unconditional(), &HEUN, x.clone(), &grid).into_data());
    });
}

fn coupling(c: &mut Criterion) {
    let noise = Noise::new(0);
    let x0 = noise.draws(Stream::Source, 0).normals(1024);
    let x1 = Toy::EightGaussians.sample(512, &mut noise.draws(Stream::Data, 0));
    c.bench_function("couple/512-normal-to-8gaussians", |b| {
        b.iter(|| assign_points(&x0, &x1, 2))
    });
    // The ε of a bridge of diffusion 0.1, and the error at which pairs are drawn.
    let entropic = Sinkhorn {
        tolerance: 1e-3,
        ..Sinkhorn::new(0.02)
    };
    c.bench_function("couple/512-entropic-to-8gaussians", |b| {
        b.iter(|| entropic.couple_points(&x0, &x1, 2))
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10).measurement_time(Duration::from_secs(5));
    targets = sampling, coupling
}
criterion_main!(benches);
