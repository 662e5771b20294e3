//! One training step: batch, path, forward, backward, AdamW, EMA; on flex.

use burn::backend::Autodiff;
use burn::tensor::Tensor;
use burn_flex::{Flex, FlexDevice};
use criterion::{Criterion, criterion_group, criterion_main};
use pyroclast::core::flow::Flow;
use pyroclast::core::noise::{Noise, Stream};
use pyroclast::core::path::Path;
use pyroclast::kernels::join_pool;
use pyroclast::models::{Init, UNetConfig};
use pyroclast::train::batch::{Batch, Order};
use pyroclast::train::config::{Architecture, Config};
use pyroclast::train::ema::Ema;
use pyroclast::train::optimizer::{AdamW, AdamWConfig, LearningRate};
use pyroclast::train::parameters::values;
use pyroclast::train::task::Task;
use pyroclast::train::trainer::Trainer;
use pyroclast::train::training::{batcher, begin};
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn step(c: &mut Criterion, name: &str, preset: &str, settings: &[&str]) {
    let settings: Vec<String> = settings.iter().map(|s| (*s).to_owned()).collect();
    let config = Config::load(preset, &settings).expect("a preset");
    let noise = Noise::new(0);
    let task = Task::load(&config.data, noise).expect("shipped data");
    let mut init = Init::<Autodiff<Flex>>::new(noise, &FlexDevice);
    // The batch is made beside the device's work in a run, and so is not timed here.
    let batch = batcher(&config, task.training.clone()).batch(0, &mut Order::default());
    let dataset = &task.training;
    match config
        .architecture(&dataset.shape, dataset.classes())
        .expect("a network")
    {
        Architecture::Mlp(mlp) => {
            let network = mlp.init(&mut init);
            let mut trainer = begin::<Autodiff<Flex>, _, 2>(network, &task, &config, &FlexDevice);
            c.bench_function(name, |b| b.iter(|| trainer.step(&batch).into_scalar()));
        }
        Architecture::UNet(unet) => {
            let network = unet.init(&mut init);
            let mut trainer = begin::<Autodiff<Flex>, _, 4>(network, &task, &config, &FlexDevice);
            c.bench_function(name, |b| b.iter(|| trainer.step(&batch).into_scalar()));
        }
    }
}

/// A step on images of 32×32×3 that hold noise: nothing of that size ships.
fn image_step(c: &mut Criterion) {
    let shape = [3, 32, 32];
    let size = shape.iter().product::<usize>();
    let (noise, batch) = (Noise::new(0), 16);
    let network = UNetConfig {
        channels: 64,
        multipliers: vec![1, 2],
        ..UNetConfig::new(3, [32, 32])
    };
    let network = network.init(&mut Init::<Autodiff<Flex>>::new(noise, &FlexDevice));
    let flow = Flow::velocity(network, Path::linear());
    let parameters: Vec<_> = (values(&flow.network).into_iter())
        .map(Tensor::inner)
        .collect();
    let learning_rate = LearningRate {
        peak: 1e-3,
        warm_up: 0,
        cosine: None,
    };
    let optimizer = AdamW::new(AdamWConfig::default(), &parameters);
    let ema = Ema::new(0.999, parameters);
    let mut trainer = Trainer::<Autodiff<Flex>, _, 4>::new(
        flow,
        optimizer,
        ema,
        learning_rate,
        noise,
        &shape,
        FlexDevice,
    );
    let normals = |step| noise.draws(Stream::Source, step).normals(batch * size);
    let batch = Batch {
        step: 0,
        x0: normals(0),
        x1: normals(1),
        z: None,
        t: noise.draws(Stream::Time, 0).uniforms(batch),
        given: Default::default(),
    };
    c.bench_function("train/image-unet-batch-16", |b| {
        b.iter(|| trainer.step(&batch).into_scalar());
    });
}

fn training(c: &mut Criterion) {
    join_pool();
    let independent = "path.coupling=independent";
    step(c, "train/mlp-3x64-batch-512", "moons", &[independent]);
    let wide = [
        "training.batch=4096",
        "network.width=512",
        "network.activation=silu",
        independent,
    ];
    step(c, "train/mlp-3x512-batch-4096", "moons", &wide);
    let unet = [
        "training.batch=128",
        "network.channels=32",
        "network.multipliers=[1, 2]",
        "network.blocks=1",
    ];
    step(c, "train/digits-unet-batch-128", "digits", &unet);
    image_step(c);
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10).measurement_time(Duration::from_secs(5));
    targets = training
}
criterion_main!(benches);
