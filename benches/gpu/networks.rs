//! Training steps and sampling of whole networks.

use crate::report::Report;
use burn::backend::Autodiff;
use burn::tensor::backend::Backend;
use burn::tensor::{DType, Tensor};
use pyroclast::core::condition::Given;
use pyroclast::core::flow::Flow;
use pyroclast::core::noise::{Noise, Stream};
use pyroclast::core::path::Path;
use pyroclast::models::{Heads, Init, UNet, UNetConfig};
use pyroclast::solvers::{HEUN, TimeGrid, integrate};
use pyroclast::train::dataset::Dataset;
use pyroclast::train::learn::{AdamWConfig, Batch, Trainer};

/// A UNet for digits, and the one of 35.7 million parameters that is trained on CIFAR-10.
pub(crate) fn networks() -> [(&'static str, UNetConfig); 2] {
    [
        (
            "digits-unet",
            UNetConfig {
                classes: 10,
                ..UNetConfig::new(1, [8, 8])
            },
        ),
        (
            "cifar-unet",
            UNetConfig {
                channels: 128,
                multipliers: vec![1.0, 2.0, 2.0, 2.0],
                blocks: 2,
                attention: vec![16],
                heads: Heads::Count(4),
                ..UNetConfig::new(3, [32, 32])
            },
        ),
    ]
}

pub(crate) fn flow<B: Backend>(config: &UNetConfig, device: &B::Device) -> Flow<UNet<B>> {
    let network = config.init(&mut Init::<B>::new(Noise::new(0), device));
    Flow::velocity(network, Path::linear())
}

pub(crate) fn shape(config: &UNetConfig) -> [usize; 3] {
    let [height, width] = config.image_size;
    [config.image_channels, height, width]
}

pub(crate) fn batch(config: &UNetConfig, size: usize) -> Batch {
    let noise = Noise::new(0);
    let n = size * shape(config).iter().product::<usize>();
    let normals = |step| noise.draws(Stream::Source, step).normals(n);
    Batch {
        step: 0,
        x0: normals(0),
        x1: normals(1),
        z: None,
        t: noise.draws(Stream::Time, 0).uniforms(size),
        given: match config.classes {
            0 => Given::default(),
            classes => Given::labels(
                &(0..size).map(|i| (i % classes) as u32).collect::<Vec<_>>(),
                classes,
            ),
        },
    }
}

pub(crate) fn trainer<B: Backend>(
    config: &UNetConfig,
    device: &B::Device,
) -> Trainer<Autodiff<B>, UNet<Autodiff<B>>, 4> {
    let flow = flow::<Autodiff<B>>(config, device);
    let shape = shape(config);
    let data = Dataset::images(&vec![0.0; shape.iter().product()], shape);
    let config = AdamWConfig {
        clip: 1.0,
        ..AdamWConfig::default()
    };
    let trainer = Trainer::new(flow, data, Noise::new(0), device);
    trainer.learning_rate(1e-4).adamw(config)
}

pub(crate) fn steps<B: Backend>(device: &B::Device, report: &mut Report) {
    for (name, config) in networks() {
        let name = format!("train/{name}-batch-128");
        if !report.wants(&name) {
            continue;
        }
        let (mut trainer, batch) = (trainer::<B>(&config, device), batch(&config, 128));
        report.time::<B>(&name, "f32", device, || drop(trainer.step(&batch)));
    }
}

pub(crate) fn sampling<B: Backend>(device: &B::Device, report: &mut Report) {
    for (name, config) in networks() {
        let name = format!("sample/{name}-100-heun-20");
        if !report.wants(&name) {
            continue;
        }
        let flow = flow::<B>(&config, device);
        let grid = TimeGrid::uniform(0.0, 1.0, 20);
        let [channels, height, width] = shape(&config);
        let x0: Tensor<B, 4> = Noise::new(0).draws(Stream::Sampler, 0).normal_tensor(
            [100, channels, height, width],
            device,
            DType::F32,
        );
        report.time::<B>(&name, "f32", device, || {
            drop(integrate(&flow.unconditional(), &HEUN, x0.clone(), &grid));
        });
    }
}
