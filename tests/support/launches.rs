//! What a step launches on a GPU, by CubeCL's log.

#![allow(dead_code, reason = "each test uses a part of it")]

use crate::counting::Traffic;
use burn::backend::Autodiff;
use burn::module::AutodiffModule;
use burn::tensor::backend::Backend;
use burn::tensor::{Int, Tensor};
use burn_wgpu::Wgpu;
use cubecl::config::profiling::ProfilingLogLevel;
use cubecl::config::{CubeClRuntimeConfig, RuntimeConfig};
use pyroclast::core::condition::Given;
use pyroclast::core::network::Network;
use pyroclast::core::noise::{Noise, Stream};
use pyroclast::models::Init;
use pyroclast::train::config::Config;
use pyroclast::train::dataset::Dataset;
use pyroclast::train::draw::{MethodName, Plan, sample};
use pyroclast::train::learn::Order;
use pyroclast::train::network::WithNetwork;
use pyroclast::train::task::Task;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{fs, thread};

/// A network and its training.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    preset: &'static str,
    settings: &'static [&'static str],
    /// Channels, height and width.
    shape: [usize; 3],
    classes: usize,
    /// The most launches of a step of training, and of a step of Heun's method.
    pub(crate) budget: [usize; 2],
}

pub(crate) const CASES: [Case; 3] = [
    Case {
        name: "UNet of `digits`",
        preset: "digits",
        settings: &["network.channels=8"],
        shape: [1, 8, 8],
        classes: 10,
        budget: [445, 455],
    },
    Case {
        name: "UNet of `cifar10`",
        preset: "cifar10",
        settings: &["network.channels=32"],
        shape: [3, 32, 32],
        classes: 10,
        budget: [1420, 1345],
    },
    Case {
        name: "DiT-S/2 on 8×8 latents",
        preset: "cifar10",
        settings: &[
            "network={kind=\"dit\",width=64,depth=12,heads=2,patch=2}",
            "data.flip=false",
        ],
        shape: [4, 8, 8],
        classes: 10,
        budget: [780, 1050],
    },
];

/// CubeCL's record of its launches.
pub(crate) struct Record(PathBuf);

impl Record {
    /// Starts it, which has to come before the first launch.
    pub(crate) fn start() -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("launches");
        // CubeCL appends to a record of an earlier run.
        let _ = fs::remove_file(&path);
        let mut config = CubeClRuntimeConfig::default();
        config.profiling.logger.level = ProfilingLogLevel::Minimal;
        config.profiling.logger.file = Some(path.clone());
        CubeClRuntimeConfig::set(config);
        Self(path)
    }

    /// The kernels so far. The record is written by a thread of its own, so a kernel that nothing
    /// else uses is launched last and waited for.
    fn kernels(&self) -> Vec<String> {
        let device = Default::default();
        let read = || fs::read_to_string(&self.0).unwrap_or_default();
        let marks = |text: &str| text.lines().filter(|line| line.contains(MARK)).count();
        let before = marks(&read());
        let first = Tensor::<Wgpu, 1, Int>::zeros([1], &device);
        Tensor::<Wgpu, 1>::ones([1], &device)
            .gather(0, first)
            .into_scalar();
        let start = Instant::now();
        loop {
            let text = read();
            if marks(&text) > before {
                return text.lines().map(str::to_owned).collect();
            }
            assert!(
                start.elapsed() < Duration::from_secs(60),
                "no mark in the record of launches:\n{text}"
            );
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// What some work launches, by the names of the kernels.
    fn of(&self, work: impl FnOnce()) -> BTreeMap<String, usize> {
        let before = self.kernels().len();
        work();
        let mut launched = BTreeMap::new();
        let kernels = self.kernels();
        // The mark is three: two tensors, and what is done with them.
        for kernel in &kernels[before..kernels.len() - 3] {
            *launched.entry(kernel.clone()).or_default() += 1;
        }
        launched
    }
}

/// In the name of the kernel that marks the end of a record.
const MARK: &str = "Gather";

/// What a step of training and a step of sampling launch.
pub(crate) type Launches = [BTreeMap<String, usize>; 2];

impl Case {
    pub(crate) fn launches<B: Backend>(&self, record: &Record) -> (Launches, [Traffic; 2])
    where
        B::Device: Default,
    {
        let settings: Vec<String> = self.settings.iter().map(|s| (*s).to_owned()).collect();
        let config = Config::load(self.preset, &settings).expect("a preset");
        let [samples, dim] = [8, self.shape.iter().product()];
        let values = Noise::new(1)
            .draws(Stream::Source, 0)
            .normals(samples * dim);
        let labels: Vec<u32> = (0..8).collect();
        let data = Dataset::images(&values, self.shape).with_labels(&labels, self.classes);
        let device = Default::default();
        let mut init = Init::<Autodiff<B>>::new(Noise::new(0), &device);
        let architecture = config.architecture(&data.shape, data.classes());
        architecture.expect("a fitting network").build(
            &mut init,
            Steps {
                config: &config,
                task: data.into(),
                device: &device,
                record,
            },
        )
    }
}

/// The second step of a training, and what a longer sampling launches more than a shorter one.
struct Steps<'a, B: Backend> {
    config: &'a Config,
    task: Task,
    device: &'a B::Device,
    record: &'a Record,
}

impl<B: Backend> WithNetwork<Autodiff<B>> for Steps<'_, B> {
    type Output = (Launches, [Traffic; 2]);

    fn with<N, const D: usize>(self, network: N) -> Self::Output
    where
        N: Network<Autodiff<B>, D> + AutodiffModule<Autodiff<B>>,
        N::InnerModule: Network<B, D>,
    {
        let shape = self.task.training.shape.clone();
        let dim = shape.iter().product();
        let x0 = (self.config.path.source).for_sampling(2, dim, Noise::new(6), 0);
        let given = Given::labels(&[0, 1], self.task.training.classes());
        let mut trainer = self
            .config
            .trainer(network, self.task, self.device)
            .batch(2);
        let (batcher, mut order) = (trainer.batcher(), Order::default());
        trainer.step(&batcher.batch(0, &mut order));
        let batch = batcher.batch(1, &mut order);
        let mut traffic = [Traffic::default(); 2];
        let training = self.record.of(|| {
            traffic[0] = Traffic::of(|| drop(trainer.step(&batch)));
        });
        let averaged = trainer.averaged();
        let steps = |n| {
            let plan = Plan {
                guidance: self.config.sampling.guidance,
                ..Plan::new(MethodName::HEUN, n, 7)
            };
            let mut drawn = Traffic::default();
            let launched = self.record.of(|| {
                drawn = Traffic::of(|| {
                    let samples = sample(
                        &averaged,
                        &x0,
                        &shape,
                        &given,
                        &plan,
                        self.device,
                        &mut |_, _, _| {},
                    );
                    drop(samples.expect("finite samples"));
                });
            });
            (launched, drawn)
        };
        let (short, long) = (steps(1), steps(2));
        let more = long.0.into_iter().filter_map(|(kernel, n)| {
            let more = n - short.0.get(&kernel).copied().unwrap_or_default();
            (more > 0).then_some((kernel, more))
        });
        traffic[1] = Traffic {
            waits: long.1.waits - short.1.waits,
            uploads: long.1.uploads - short.1.uploads,
            bytes: long.1.bytes - short.1.bytes,
        };
        ([training, more.collect()], traffic)
    }
}

pub(crate) const WHAT: [&str; 2] = ["step of training", "step of Heun"];

pub(crate) fn total(launched: &BTreeMap<String, usize>) -> usize {
    launched.values().sum()
}
