//! The cost of a step: van der Pol's oscillator as in torchode's protocol, a scalar SDE as in
//! torchsde's, and gradients of a neural ODE.
//!
//! Criterion's throughput is the number of steps, by which `benches/peers/compare.py` divides.

use burn::backend::Autodiff;
use burn::module::{Module, Param};
use burn::tensor::backend::Backend;
use burn::tensor::{DType, Tensor};
use burn_flex::{Flex, FlexDevice};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pyroclast::core::field::{BatchField, Diffusion, Ito, Sde, VectorField};
use pyroclast::core::noise::{Draws, Noise, Stream};
use pyroclast::kernels::{Activation, join_pool, linear};
use pyroclast::solvers::gradient::{Pullback, backsolve, checkpointed, cotangents, tape};
use pyroclast::solvers::{
    Adaptive, Control, DOPRI5, EulerMaruyama, Increments, RK4, TimeGrid, integrate,
};
use pyroclast_allocator::{MiMalloc, keep_pages};
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

type B = Flex;

fn draws() -> Draws {
    Noise::new(0).draws(Stream::Sampler, 0)
}

/// x' = y, y' = µ(1 − x²)y − x with µ = 2.
struct VanDerPol;

fn van_der_pol(x: Tensor<B, 2>) -> Tensor<B, 2> {
    let (x, y) = (x.clone().narrow(1, 0, 1), x.narrow(1, 1, 1));
    let pull = (x.clone() * x.clone() - 1.0) * y.clone() * -2.0 - x;
    Tensor::cat(vec![y, pull], 1)
}

impl VectorField<B, 2> for VanDerPol {
    fn velocity(&self, _: f64, x: Tensor<B, 2>) -> Tensor<B, 2> {
        van_der_pol(x)
    }
}

impl BatchField<B, 2> for VanDerPol {
    fn velocities(&self, _: &[f64], x: Tensor<B, 2>, _: &[usize]) -> Tensor<B, 2> {
        van_der_pol(x)
    }
}

fn adaptive(c: &mut Criterion) {
    keep_pages();
    join_pool();
    let x = draws().normal_tensor::<B, 2>([256, 2], &FlexDevice, DType::F32);
    let times: Vec<f64> = (0..200).map(|i| 7.6 * f64::from(i) / 199.0).collect();
    let (span, control) = ((0.0, 7.6), Control::tolerance(1e-5));
    let mut group = c.benchmark_group("solve");

    let shared = Adaptive::new(control).saving(times);
    let joint = || shared.solve(&VanDerPol, &DOPRI5, x.clone(), span);
    let statistics = joint().expect("smooth").statistics;
    group.throughput(Throughput::Elements(
        (statistics.steps + statistics.rejections) as u64,
    ));
    group.bench_function("vdp-256-dopri5", |b| b.iter(|| joint().expect("smooth")));

    let own = shared.clone().per_sample();
    let each = || own.solve(&VanDerPol, &DOPRI5, x.clone(), span);
    let samples = each().expect("a span").samples;
    let steps = |s: &pyroclast::solvers::Statistics| s.steps + s.rejections;
    let most = samples.iter().map(|s| steps(&s.statistics)).max();
    group.throughput(Throughput::Elements(most.expect("samples") as u64));
    group.bench_function("vdp-256-dopri5-per-sample", |b| {
        b.iter(|| each().expect("a span"))
    });
    group.finish();
}

/// dX = ½X dt + X dW.
struct Growth;

impl Sde<B, 2> for Growth {
    type Calculus = Ito;

    fn drift(&self, _: f64, x: Tensor<B, 2>) -> Tensor<B, 2> {
        x * 0.5
    }

    fn diffusion(&self, _: f64, x: &Tensor<B, 2>) -> Diffusion<B, 2> {
        Diffusion::Diagonal(x.clone())
    }
}

fn stochastic(c: &mut Criterion) {
    let x = Tensor::<B, 2>::ones([1024, 1], &FlexDevice);
    let grid = TimeGrid::uniform(0.0, 1.0, 1000);
    let method = EulerMaruyama {
        brownian: Increments {
            noise: Noise::new(0),
            first: 0,
        },
    };
    let mut group = c.benchmark_group("solve");
    group.throughput(Throughput::Elements(1000));
    group.bench_function("gbm-1024-euler-maruyama", |b| {
        b.iter(|| integrate(&Growth, &method, x.clone(), &grid).into_data())
    });
    group.finish();
}

/// tanh layers 2–64–64–2.
#[derive(Module, Debug)]
struct Net<B: Backend> {
    weights: Vec<Param<Tensor<B, 2>>>,
    biases: Vec<Param<Tensor<B, 1>>>,
}

impl<B: Backend> VectorField<B, 2> for Net<B> {
    fn velocity(&self, _: f64, x: Tensor<B, 2>) -> Tensor<B, 2> {
        let last = self.weights.len() - 1;
        (self.weights.iter().zip(&self.biases).enumerate()).fold(x, |x, (i, (w, b))| {
            let activation = if i < last {
                Activation::Tanh
            } else {
                Activation::Identity
            };
            linear(x, w.val(), b.val(), activation)
        })
    }
}

fn gradients(c: &mut Criterion) {
    let mut draws = draws();
    let mut param = |shape| {
        let value = draws.scaled_normal_tensor(0.15, shape, &FlexDevice, DType::F32);
        Param::from_tensor(value)
    };
    let field = Net::<Autodiff<B>> {
        weights: vec![param([2, 64]), param([64, 64]), param([64, 2])],
        biases: [64, 64, 2]
            .map(|n| Param::from_tensor(Tensor::zeros([n], &FlexDevice)))
            .to_vec(),
    };
    let x = draws.normal_tensor::<B, 2>([256, 2], &FlexDevice, DType::F32);
    let times = TimeGrid::uniform(0.0, 1.0, 1);
    let loss = |x: &[Tensor<Autodiff<B>, 2>]| x[1].clone().square().mean();
    let mut group = c.benchmark_group("gradient");
    group.bench_function("mlp-rk4-solve", |b| {
        let field = burn::module::AutodiffModule::valid(&field);
        let grid = TimeGrid::uniform(0.0, 1.0, 100);
        b.iter(|| integrate(&field, &RK4, x.clone(), &grid).into_data());
    });
    group.bench_function("mlp-rk4-tape", |b| {
        b.iter(|| {
            let solved = tape(&field, &RK4, x.clone(), &times, 100);
            let (_, given) = cotangents(&solved.states, loss);
            solved.pullback.apply(&given).expect("a tape")
        })
    });
    group.bench_function("mlp-rk4-checkpointed", |b| {
        b.iter(|| {
            let solved = checkpointed(&field, &RK4, x.clone(), &times, 100);
            let (_, given) = cotangents(&solved.states, loss);
            solved.pullback.apply(&given).expect("a replay")
        })
    });
    group.bench_function("dopri5-adjoint", |b| {
        b.iter(|| {
            let control = Control::default();
            let solved = backsolve(&field, &DOPRI5, x.clone(), &times, control).expect("smooth");
            let (_, given) = cotangents(&solved.states, loss);
            solved.pullback.apply(&given).expect("smooth")
        })
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10).measurement_time(Duration::from_secs(4));
    targets = adaptive, stochastic, gradients
}
criterion_main!(benches);
