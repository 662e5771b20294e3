//! Training steps and sampling of whole networks.

use crate::report::Report;
use burn::backend::Autodiff;
use burn::module::AutodiffModule;
use burn::tensor::backend::Backend;
use burn::tensor::{DType, Tensor};
use pyroclast::core::condition::Given;
use pyroclast::core::flow::Flow;
use pyroclast::core::network::Network;
use pyroclast::core::noise::{Noise, Stream};
use pyroclast::core::path::Path;
use pyroclast::kernels::Precision;
use pyroclast::models::{DiTConfig, Heads, Init, UNet, UNetConfig};
use pyroclast::solvers::{HEUN, TimeGrid, integrate};
use pyroclast::train::dataset::Dataset;
use pyroclast::train::learn::{AdamWConfig, Batch, Numbers, Trainer};

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
    batch_of(shape(config), config.classes, size)
}

fn batch_of(shape: [usize; 3], classes: usize, size: usize) -> Batch {
    let noise = Noise::new(0);
    let n = size * shape.iter().product::<usize>();
    let normals = |step| noise.draws(Stream::Source, step).normals(n);
    Batch {
        step: 0,
        rows: 0..size,
        x0: Numbers::Drawn(noise.draws(Stream::Source, 0)),
        x1: normals(1),
        z: None,
        t: noise.draws(Stream::Time, 0).uniforms(size),
        given: match classes {
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
    trainer_of(flow::<Autodiff<B>>(config, device), shape(config), device)
}

fn trainer_of<B: Backend, N>(
    flow: Flow<N>,
    shape: [usize; 3],
    device: &B::Device,
) -> Trainer<Autodiff<B>, N, 4>
where
    N: Network<Autodiff<B>, 4> + AutodiffModule<Autodiff<B>>,
    N::InnerModule: Network<B, 4>,
{
    let data = Dataset::images(&vec![0.0; shape.iter().product()], shape);
    let config = AdamWConfig {
        clip: 1.0,
        ..AdamWConfig::default()
    };
    let trainer = Trainer::new(flow, data, Noise::new(0), device);
    trainer.learning_rate(1e-4).adamw(config)
}

/// DiT-S/2 and DiT-B/2 on latents of 32×32×4.
fn transformers() -> [(&'static str, DiTConfig); 2] {
    let with_classes = |config| DiTConfig {
        classes: 1000,
        ..config
    };
    [
        ("dit-s-2", with_classes(DiTConfig::small(4, [32, 32], 2))),
        ("dit-b-2", with_classes(DiTConfig::base(4, [32, 32], 2))),
    ]
}

fn step_of<B: Backend, N>(
    name: &str,
    precision: (&str, Precision),
    mut trainer: Trainer<Autodiff<B>, N, 4>,
    batch: &Batch,
    report: &mut Report,
) where
    N: Network<Autodiff<B>, 4> + AutodiffModule<Autodiff<B>>,
    N::InnerModule: Network<B, 4>,
{
    let device = trainer.device().clone();
    let (label, precision) = precision;
    precision.within(|| {
        report.time::<B>(name, label, &device, || drop(trainer.step(batch)));
    });
}

pub(crate) fn steps<B: Backend>(device: &B::Device, report: &mut Report) {
    for (label, precision, _) in Precision::ALL {
        for (name, config) in networks() {
            let name = format!("train/{name}-batch-128");
            if report.wants(&name) {
                let (trainer, batch) = (trainer::<B>(&config, device), batch(&config, 128));
                step_of(&name, (label, precision), trainer, &batch, report);
            }
        }
        for (name, config) in transformers() {
            let name = format!("train/{name}-batch-128");
            if report.wants(&name) {
                let mut init = Init::<Autodiff<B>>::new(Noise::new(0), device);
                let flow = Flow::velocity(config.init(&mut init), Path::linear());
                let shape = [4, 32, 32];
                let trainer = trainer_of(flow, shape, device);
                let batch = batch_of(shape, config.classes, 128);
                step_of(&name, (label, precision), trainer, &batch, report);
            }
        }
    }
}

fn sampling_of<B: Backend, N: Network<B, 4>>(
    name: &str,
    (label, precision): (&str, Precision),
    flow: &Flow<N>,
    [channels, height, width]: [usize; 3],
    device: &B::Device,
    report: &mut Report,
) {
    let grid = TimeGrid::uniform(0.0, 1.0, 20);
    let mut draws = Noise::new(0).draws(Stream::Sampler, 0);
    let shape = [100, channels, height, width];
    let x0: Tensor<B, 4> = draws.normal_tensor(shape, device, DType::F32);
    precision.within(|| {
        report.time::<B>(name, label, device, || {
            drop(integrate(&flow.unconditional(), &HEUN, x0.clone(), &grid));
        });
    });
}

pub(crate) fn sampling<B: Backend>(device: &B::Device, report: &mut Report) {
    for (label, precision, _) in Precision::ALL {
        let precision = (label, precision);
        for (name, config) in networks() {
            let name = format!("sample/{name}-100-heun-20");
            if report.wants(&name) {
                let flow = flow::<B>(&config, device);
                sampling_of(&name, precision, &flow, shape(&config), device, report);
            }
        }
        for (name, config) in transformers() {
            let name = format!("sample/{name}-100-heun-20");
            if report.wants(&name) {
                let network = config.init(&mut Init::<B>::new(Noise::new(0), device));
                let flow = Flow::velocity(network, Path::linear());
                sampling_of(&name, precision, &flow, [4, 32, 32], device, report);
            }
        }
    }
}
