//! One training step: batch, path, forward, backward, AdamW, EMA; on flex.

use burn::backend::Autodiff;
use burn::module::AutodiffModule;
use burn_flex::{Flex, FlexDevice};
use criterion::{Bencher, Criterion, criterion_group, criterion_main};
use pyroclast::core::flow::Flow;
use pyroclast::core::network::Network;
use pyroclast::core::noise::{Noise, Stream};
use pyroclast::core::path::Path;
use pyroclast::kernels::join_pool;
use pyroclast::models::{Init, UNetConfig};
use pyroclast::train::config::Config;
use pyroclast::train::dataset::Dataset;
use pyroclast::train::learn::{Order, Trainer};
use pyroclast::train::network::WithNetwork;
use pyroclast::train::task::Task;
use pyroclast_allocator::{MiMalloc, keep_pages};
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn step(c: &mut Criterion, name: &str, preset: &str, settings: &[&str]) {
    let settings: Vec<String> = settings.iter().map(|s| (*s).to_owned()).collect();
    let config = Config::load(preset, &settings).expect("a preset");
    let noise = Noise::new(0);
    let task = Task::load(&config.data, noise).expect("shipped data");
    let mut init = Init::<Autodiff<Flex>>::new(noise, &FlexDevice);
    let dataset = &task.training;
    let architecture = config.architecture(&dataset.shape, dataset.classes());
    let timed = Timed {
        criterion: c,
        name,
        config: &config,
        task: task.clone(),
    };
    architecture.expect("a network").build(&mut init, timed);
}

/// A step of a configuration, timed.
struct Timed<'a> {
    criterion: &'a mut Criterion,
    name: &'a str,
    config: &'a Config,
    task: Task,
}

impl WithNetwork<Autodiff<Flex>> for Timed<'_> {
    type Output = ();

    fn with<N, const D: usize>(self, network: N)
    where
        N: Network<Autodiff<Flex>, D> + AutodiffModule<Autodiff<Flex>>,
        N::InnerModule: Network<Flex, D>,
    {
        let mut trainer = self.config.trainer(network, self.task, &FlexDevice);
        // The batch is made beside the device's work in a run, and so is not timed here.
        let batch = trainer.batcher().batch(0, &mut Order::default());
        let bench = |b: &mut Bencher<'_>| b.iter(|| trainer.step(&batch).into_scalar());
        self.criterion.bench_function(self.name, bench);
    }
}

/// A step on images of 32×32×3 that hold noise: nothing of that size ships.
fn image_step(c: &mut Criterion) {
    let shape = [3, 32, 32];
    let size = shape.iter().product::<usize>();
    let (noise, batch) = (Noise::new(0), 16);
    let network = UNetConfig {
        channels: 64,
        multipliers: vec![1.0, 2.0],
        ..UNetConfig::new(3, [32, 32])
    };
    let network = network.init(&mut Init::<Autodiff<Flex>>::new(noise, &FlexDevice));
    let flow = Flow::velocity(network, Path::linear());
    let data = Dataset::images(&noise.draws(Stream::Data, 0).normals(batch * size), shape);
    let mut trainer = Trainer::new(flow, data, noise, &FlexDevice).batch(batch);
    let batch = trainer.batcher().batch(0, &mut Order::default());
    c.bench_function("train/image-unet-batch-16", |b| {
        b.iter(|| trainer.step(&batch).into_scalar());
    });
}

fn training(c: &mut Criterion) {
    keep_pages();
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
