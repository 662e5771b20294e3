//! Every kind of condition against conditional Gaussians whose means are known.
//!
//! `x1 | c ~ N(c, s²)`, all pixels of an image equal, with c = ±1 told as a class, a vector, a
//! sequence or an image

use burn::backend::Autodiff;
use burn::module::AutodiffModule;
use burn_flex::Flex;
use pyroclast::core::condition::Given;
use pyroclast::core::flow::Flow;
use pyroclast::core::network::Network;
use pyroclast::core::noise::{Noise, Stream};
use pyroclast::core::path::Path;
use pyroclast::models::{DiTConfig, Init, UNetConfig};
use pyroclast::train::dataset::Dataset;
use pyroclast::train::draw::{MethodName, Plan};
use pyroclast::train::learn::Trainer;

type A = Autodiff<Flex>;

const PIXELS: usize = 16;
/// s.
const STD: f64 = 0.5;
/// Samples per condition.
const N: usize = 64;

/// A way to tell the signs of some samples.
type Telling = fn(&[f32]) -> Given;

/// How each kind tells the sign.
const KINDS: [(&str, Telling); 4] = [
    ("labels", |signs| {
        let labels: Vec<u32> = signs.iter().map(|&sign| u32::from(sign > 0.0)).collect();
        Given::labels(&labels, 2)
    }),
    ("vectors", |signs| {
        let rows: Vec<f32> = signs.iter().flat_map(|&sign| [sign, 1.0]).collect();
        Given::vectors(&rows, 2)
    }),
    ("sequences", |signs| {
        // One or two tokens tell it; what lies beyond them says the opposite.
        let row = |(i, &sign): (usize, &f32)| {
            let second = if i % 2 == 0 { -sign } else { sign };
            [sign, 1.0, second, 1.0, -sign, 1.0]
        };
        let rows: Vec<f32> = signs.iter().enumerate().flat_map(row).collect();
        let lengths: Vec<usize> = (0..signs.len()).map(|i| 1 + i % 2).collect();
        Given::sequences(&rows, [3, 2], &lengths)
    }),
    ("images", |signs| {
        let rows: Vec<f32> = signs.iter().flat_map(|&sign| [sign; PIXELS]).collect();
        Given::images(&rows, [1, 4, 4])
    }),
];

/// The mean of each of [`N`] samples under a condition.
fn means<N: Network<Flex, 4>>(flow: &pyroclast::train::model::Model<N>, given: &Given) -> Vec<f64> {
    let plan = Plan::new(MethodName::HEUN, 10, 5);
    let samples = flow.sample(self::N, given, &plan).expect("samples");
    let mean = |image: &[f32]| image.iter().map(|&x| f64::from(x)).sum::<f64>() / PIXELS as f64;
    samples.chunks_exact(PIXELS).map(mean).collect()
}

/// Trains the network on samples whose signs it is told, and compares its samples.
fn check<M>(network: M, kind: &str, tell: Telling)
where
    M: Network<A, 4> + AutodiffModule<A>,
    M::InnerModule: Network<Flex, 4>,
{
    let n = 512;
    let mut draws = Noise::new(1).draws(Stream::Data, 0);
    let signs: Vec<f32> = (0..n)
        .map(|i| if i % 2 == 0 { 1.0 } else { -1.0 })
        .collect();
    // The parity of a row is that of its sign, and must not be that of its length.
    let signs: Vec<f32> = (draws.permutation(n).into_iter())
        .map(|i| signs[i])
        .collect();
    let noise = draws.normals(n);
    let pixels = signs.iter().zip(&noise);
    let pixels: Vec<f32> = pixels
        .flat_map(|(&sign, &noise)| [sign + STD as f32 * noise; PIXELS])
        .collect();
    let data = Dataset::images(&pixels, [1, 4, 4]).with(tell(&signs));
    let flow = Flow::velocity(network, Path::linear());
    let mut trainer = Trainer::new(flow, data, Noise::new(0), &Default::default())
        .batch(64)
        .learning_rate(3e-3)
        .ema(0.98)
        .condition_dropout(0.2);
    trainer.run(400, &mut ()).expect("it does not diverge");
    let model = trainer.model();
    // Five standard errors of the mean of N samples: .31, where the other condition is 2 away.
    let bound = 5.0 * STD / (N as f64).sqrt();
    for sign in [1.0, -1.0] {
        let found = means(&model, &tell(&[sign as f32; N]));
        let mean = found.iter().sum::<f64>() / N as f64;
        assert!((mean - sign).abs() < bound, "{kind}: {mean} for {sign}");
    }
    // Without a condition, samples of both signs, in equal shares to five standard errors.
    let found = means(&model, &Given::nothing());
    let share = found.iter().filter(|mean| **mean > 0.0).count() as f64 / N as f64;
    let bound = 5.0 * 0.5 / (N as f64).sqrt();
    assert!((share - 0.5).abs() < bound, "{kind}: {share} positive");
}

#[test]
fn a_unet_learns_the_conditional_mean_by_every_kind_of_condition() {
    for (kind, tell) in KINDS {
        let mut config = UNetConfig {
            channels: 8,
            ..UNetConfig::new(1, [4, 4])
        };
        match kind {
            "labels" => config.classes = 2,
            "vectors" => config.attributes = 2,
            "sequences" => config.sequence = 2,
            _ => config.beside = 1,
        }
        let device = Default::default();
        let network = config.init(&mut Init::<A>::new(Noise::new(0), &device));
        check(network, kind, tell);
    }
}

#[test]
fn a_transformer_learns_the_conditional_mean_by_every_kind_of_condition() {
    for (kind, tell) in KINDS {
        let mut config = DiTConfig {
            width: 16,
            depth: 2,
            heads: 2,
            ..DiTConfig::new(1, [4, 4])
        };
        match kind {
            "labels" => config.classes = 2,
            "vectors" => config.attributes = 2,
            "sequences" => config.sequence = 2,
            _ => config.beside = 1,
        }
        let device = Default::default();
        let network = config.init(&mut Init::<A>::new(Noise::new(0), &device));
        check(network, kind, tell);
    }
}
