//! A linear network under every kind of condition, against the velocity of a Gaussian in closed
//! form.
//!
//! `(x1, c)` jointly normal, `x_t = t·x1 + (1 − t)·x0`:
//! `u(x | c) = (m(c) + t·v/(t²v + (1 − t)²)·(x − t·m(c)) − x)/(1 − t)`, where `x1 | c ~ N(m(c), v)`
//!
//! Given t, u is linear in x and c, so that a network with one linear layer on both is exact, once
//! it is trained at this t.

use burn::backend::Autodiff;
use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::backend::Backend;
use burn::tensor::{Int, Tensor};
use burn_flex::Flex;
use pyroclast::core::condition::{Condition, Given, Images, Labels, Sequences, Vectors};
use pyroclast::core::flow::Flow;
use pyroclast::core::network::Network;
use pyroclast::core::noise::{Noise, Stream};
use pyroclast::core::path::Path;
use pyroclast::core::time_sampler::TimeDistribution;
use pyroclast::models::Init;
use pyroclast::train::dataset::{Dataset, Scaling};
use pyroclast::train::learn::{LearningRate, Trainer};
use pyroclast::train::task::Task;

type A = Autodiff<Flex>;

/// Means, variances and covariance of x1 and c.
const MEAN: [f64; 2] = [0.4, -0.1];
const VARIANCE: [f64; 2] = [1.3, 0.9];
const COVARIANCE: f64 = 0.8;
/// Samples, whose moments are exactly these.
const N: usize = 1024;
/// `u` of a normal x1 of this mean and variance.
fn velocity(mean: f64, variance: f64, t: f64, x: f64) -> f64 {
    let gain = t * variance / (t * t * variance + (1.0 - t).powi(2));
    (mean + gain * (x - t * mean) - x) / (1.0 - t)
}

#[test]
fn the_closed_form_is_that_of_the_literature() {
    let slope = COVARIANCE / VARIANCE[1];
    let mean = MEAN[0] + slope * (0.7 - MEAN[1]);
    let variance = VARIANCE[0] - slope * COVARIANCE;
    assert!((mean - 1.111111111111111).abs() < 1e-14);
    assert!((variance - 0.5888888888888889).abs() < 1e-14);
    assert!((velocity(mean, variance, 0.6, 0.9) - 1.08183990442055).abs() < 1e-13);
    assert!((velocity(MEAN[0], VARIANCE[0], 0.6, 0.9) - 0.799363057324841).abs() < 1e-13);
}

/// How a condition becomes numbers, and how many; a flag says whether there is one.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Labels,
    Vectors,
    Sequences,
    Images,
}

type Conditions<B> = (Labels<B>, (Vectors<B>, (Images<B>, Sequences<B>)));

impl Kind {
    fn width(self) -> usize {
        match self {
            Self::Labels => 2,
            _ => 1,
        }
    }

    /// What samples are told, c being one of two numbers for labels.
    fn tell(self, c: &[f64]) -> Given {
        let numbers: Vec<f32> = c.iter().map(|&c| c as f32).collect();
        match self {
            Self::Labels => {
                let label = |&c: &f64| u32::from(c > MEAN[1]);
                Given::labels(&c.iter().map(label).collect::<Vec<_>>(), 2)
            }
            Self::Vectors => Given::vectors(&numbers, 1),
            Self::Sequences => {
                // The mean of the tokens that count; the others say something else.
                let row = |(i, &c): (usize, &f32)| match i % 2 {
                    0 => [c, 9.0, -7.0],
                    _ => [c + 1.0, c - 1.0, 5.0],
                };
                let rows: Vec<f32> = numbers.iter().enumerate().flat_map(row).collect();
                let lengths: Vec<usize> = (0..c.len()).map(|i| 1 + i % 2).collect();
                Given::sequences(&rows, [3, 1], &lengths)
            }
            // A pixel of c, and one that says that it is there.
            Self::Images => {
                let rows: Vec<f32> = numbers.iter().flat_map(|&c| [c, 1.0]).collect();
                Given::images(&rows, [1, 1, 2])
            }
        }
    }

    /// The numbers of each row, `[batch, width]`, and the flag, `[batch, 1]`.
    fn read<B: Backend>(
        self,
        (labels, (vectors, (images, sequences))): &Conditions<B>,
        batch: usize,
        device: &B::Device,
    ) -> [Tensor<B, 2>; 2] {
        match self {
            Self::Labels => {
                let labels: Tensor<B, 1, Int> = labels.or_class(2, batch, device);
                let all: Tensor<B, 2> = labels.one_hot(3).float();
                let flag = all.clone().narrow(1, 2, 1).neg() + 1.0;
                [all.narrow(1, 0, 2), flag]
            }
            Self::Vectors => {
                let flagged = vectors.flagged(batch, 1, device);
                [flagged.clone().narrow(1, 0, 1), flagged.narrow(1, 1, 1)]
            }
            Self::Sequences => match sequences.tokens() {
                None => [0, 1].map(|_| Tensor::zeros([batch, 1], device)),
                Some((tokens, counts)) => {
                    let counts = counts.float();
                    let sum: Tensor<B, 2> =
                        (tokens.squeeze_dim::<2>(2) * counts.clone()).sum_dim(1);
                    let count: Tensor<B, 2> = counts.sum_dim(1);
                    let flag = count.clone().clamp(0.0, 1.0);
                    [sum / count.clamp_min(1.0), flag]
                }
            },
            Self::Images => {
                let pixels = images
                    .or_zeros([batch, 1, 1, 2], device)
                    .reshape([batch, 2]);
                [pixels.clone().narrow(1, 0, 1), pixels.narrow(1, 1, 1)]
            }
        }
    }
}

/// `W·(z, x·f, f, x·(1 − f), 1 − f)`, with the numbers z and the flag f of the condition.
#[derive(Module, Debug)]
struct OneLayer<B: Backend> {
    linear: Linear<B>,
    #[module(skip)]
    kind: Kind,
}

impl<B: Backend> OneLayer<B> {
    fn new(kind: Kind, device: &B::Device) -> Self {
        let linear = Init::new(Noise::new(0), device).linear(kind.width() + 4, 1);
        Self { linear, kind }
    }
}

impl<B: Backend> Network<B, 4> for OneLayer<B> {
    type Condition = Conditions<B>;

    fn forward(&self, x: Tensor<B, 4>, _: Tensor<B, 1>, condition: &Conditions<B>) -> Tensor<B, 4> {
        let (dims, device) = (x.dims(), x.device());
        let x = x.reshape([dims[0], 1]);
        let [z, flag] = self.kind.read(condition, dims[0], &device);
        let none = flag.clone().neg() + 1.0;
        let parts = [z, x.clone() * flag.clone(), flag, x * none.clone(), none];
        let y = self.linear.forward(Tensor::cat(parts.to_vec(), 1));
        y.reshape(dims)
    }
}

/// x1 and c of all samples, with exactly the moments above; c takes two values if `is_binary`.
fn samples(is_binary: bool) -> [Vec<f64>; 2] {
    let mut draws = Noise::new(1).draws(Stream::Data, 0);
    let mut normals = || {
        draws
            .normals(N)
            .into_iter()
            .map(f64::from)
            .collect::<Vec<f64>>()
    };
    let standardised = |mut values: Vec<f64>| {
        let mean = values.iter().sum::<f64>() / N as f64;
        values.iter_mut().for_each(|v| *v -= mean);
        let variance = values.iter().map(|v| v * v).sum::<f64>() / N as f64;
        values.iter_mut().for_each(|v| *v /= variance.sqrt());
        values
    };
    let (mut a, b) = (normals(), normals());
    if is_binary {
        a = (0..N)
            .map(|i| if i % 2 == 0 { 1.0 } else { -1.0 })
            .collect();
    }
    let a = standardised(a);
    let b = standardised(b);
    let overlap = a.iter().zip(&b).map(|(a, b)| a * b).sum::<f64>() / N as f64;
    let b = standardised(b.iter().zip(&a).map(|(b, a)| b - overlap * a).collect());
    let slope = COVARIANCE / VARIANCE[1].sqrt();
    let rest = (VARIANCE[0] - slope * slope).sqrt();
    let x1 = a
        .iter()
        .zip(&b)
        .map(|(a, b)| MEAN[0] + slope * a + rest * b);
    let c = a.iter().map(|a| MEAN[1] + VARIANCE[1].sqrt() * a);
    [x1.collect(), c.collect()]
}

/// Trains at a time, and checks the velocity there.
fn check(kind: Kind, t: f64) {
    let device = Default::default();
    let [x1, c] = samples(kind == Kind::Labels);
    let x1: Vec<f32> = x1.iter().map(|&x| x as f32).collect();
    let data = Dataset::images(&x1, [1, 1, 1]).with(kind.tell(&c));
    let nothing = data.select(&[]);
    let task = Task::new(data, nothing, Scaling::identity());
    let path = Path::linear().at_times(TimeDistribution::LogitNormal {
        mean: (t / (1.0 - t)).ln(),
        std: 1e-4,
    });
    let flow = Flow::velocity(OneLayer::<A>::new(kind, &device), path);
    let mut trainer = Trainer::new(flow, task, Noise::new(0), &device)
        .batch(4096)
        .learning_rate(LearningRate {
            peak: 1e-2,
            warm_up: 0,
            cosine: Some(1000),
        })
        .ema(0.995)
        .condition_dropout(0.4);
    trainer.run(1000, &mut ()).expect("it does not diverge");
    let network = trainer.averaged().network;
    let c = match kind {
        Kind::Labels => MEAN[1] + VARIANCE[1].sqrt(),
        _ => 0.7,
    };
    let slope = COVARIANCE / VARIANCE[1];
    let given = (
        MEAN[0] + slope * (c - MEAN[1]),
        VARIANCE[0] - slope * COVARIANCE,
    );
    for (told, (mean, variance)) in [
        (kind.tell(&[c]), given),
        (Given::nothing(), (MEAN[0], VARIANCE[0])),
    ] {
        for x in [0.9, -0.5] {
            let state = Tensor::<Flex, 4>::full([1, 1, 1, 1], x, &device);
            let condition = Condition::upload(&told, &device);
            let y = network.forward(state, Tensor::full([1], t, &device), &condition);
            let difference = f64::from(y.into_scalar()) - velocity(mean, variance, t, x);
            println!(
                "{kind:?} t = {t} x = {x} {}: {difference:.1e}",
                told.is_nothing()
            );
            assert!(difference.abs() < 1e-2, "{kind:?} {t} {x}: {difference}");
        }
    }
}

#[test]
fn a_linear_network_reaches_the_conditional_velocity_by_every_kind_of_condition() {
    for kind in [Kind::Labels, Kind::Vectors, Kind::Sequences, Kind::Images] {
        for t in [0.6, 0.2] {
            check(kind, t);
        }
    }
}
