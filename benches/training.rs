//! One training step: batch, path, forward, backward, AdamW, EMA; on flex.

use burn::backend::Autodiff;
use burn_flex::{Flex, FlexDevice};
use criterion::{Criterion, criterion_group, criterion_main};
use pyroclast::core::noise::Noise;
use pyroclast::models::Init;
use pyroclast::train::batch::Order;
use pyroclast::train::config::{Architecture, Config};
use pyroclast::train::task::Task;
use pyroclast::train::training::{batcher, begin};
use std::time::Duration;

fn step(c: &mut Criterion, name: &str, preset: &str, settings: &[&str]) {
    let settings: Vec<String> = settings.iter().map(|s| (*s).to_owned()).collect();
    let config = Config::load(preset, &settings).expect("a preset");
    let noise = Noise::new(0);
    let task = Task::load(&config.data, noise).expect("shipped data");
    let mut init = Init::<Autodiff<Flex>>::new(noise, &FlexDevice);
    // The batch is made beside the device's work in a run, and so is not timed here.
    let batch = batcher(&task, &config, task.training.clone()).batch(0, &mut Order::default());
    let dataset = &task.training;
    match config
        .architecture(&dataset.shape, dataset.classes)
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

fn training(c: &mut Criterion) {
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
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10).measurement_time(Duration::from_secs(5));
    targets = training
}
criterion_main!(benches);
