//! Training with products in bf16: what is rounded, and what is not.

use crate::checkpointing::shaken;
use burn::backend::Autodiff;
use burn::module::AutodiffModule;
use burn::tensor::bf16;
use burn_flex::Flex;
use pyroclast::core::flow::Flow;
use pyroclast::core::network::Network;
use pyroclast::core::noise::Noise;
use pyroclast::core::path::Path;
use pyroclast::kernels::Precision;
use pyroclast::models::{DiTConfig, Init, UNetConfig};
use pyroclast::train::dataset::Dataset;
use pyroclast::train::learn::{Order, Trainer};
use pyroclast::train::parameters::values;
use std::iter::zip;

type A = Autodiff<Flex>;

const STEPS: u64 = 12;

/// The losses of a training and the parameters before and after it.
fn trained<N>(
    network: impl Fn(&mut Init<'_, A>) -> N,
    learning_rate: f64,
    precision: Precision,
) -> (Vec<f32>, [Vec<f32>; 2])
where
    N: Network<A, 4> + AutodiffModule<A>,
    N::InnerModule: Network<Flex, 4>,
{
    let (device, noise) = (Default::default(), Noise::new(3));
    let network = network(&mut Init::new(noise, &device));
    let pixels: Vec<f32> = (0..40 * 64)
        .map(|i| ((i * i) % 17) as f32 / 8.0 - 1.0)
        .collect();
    let data = Dataset::images(&pixels, [1, 8, 8]);
    let flow = Flow::velocity(network, Path::linear());
    let trainer = Trainer::new(flow, data, noise, &device).precision(precision);
    let mut trainer = trainer.batch(16).learning_rate(learning_rate);
    let host = |trainer: &Trainer<A, N, 4>| -> Vec<f32> {
        let all = values(&trainer.flow.network).into_iter();
        let all = all.map(|x| x.into_data().into_vec::<f32>().expect("single precision"));
        all.flatten().collect()
    };
    let before = host(&trainer);
    let (batcher, mut order) = (trainer.batcher(), Order::default());
    let batches = (0..STEPS).map(|step| batcher.batch(step, &mut order));
    let losses = batches
        .map(|batch| trainer.step(&batch).into_scalar())
        .collect();
    (losses, [before, host(&trainer)])
}

/// bf16 rounds by up to 2⁻⁸, and what a network computes adds up many of them.
#[test]
fn losses_in_bf16_follow_those_in_single_precision() {
    let unet = |init: &mut Init<'_, A>| UNetConfig::new(1, [8, 8]).init(init);
    let dit = |init: &mut Init<'_, A>| DiTConfig::new(1, [8, 8]).init(init);
    let of_unet = [Precision::F32, Precision::Bf16].map(|p| trained(unet, 1e-3, p).0);
    let of_dit = [Precision::F32, Precision::Bf16].map(|p| trained(dit, 1e-3, p).0);
    for [single, rounded] in [of_unet, of_dit] {
        assert!(single[STEPS as usize - 1] < 0.9 * single[0], "{single:?}");
        assert_ne!(single, rounded);
        for (a, b) in zip(&single, &rounded) {
            assert!((a - b).abs() < 1e-2 * a, "{single:?} and {rounded:?}");
        }
    }
}

/// Steps far smaller than the spacing of bf16 add up, since parameters and moments have single
/// precision.
#[test]
fn parameters_keep_single_precision() {
    // Behind layers that start at zero gradients would be far below AdamW's ε.
    let unet = |init: &mut Init<'_, A>| shaken(UNetConfig::new(1, [8, 8]).init(init));
    let rate = 1e-6;
    let (_, [before, after]) = trained(unet, rate, Precision::Bf16);
    let (_, [_, single]) = trained(unet, rate, Precision::F32);
    let large = |x: &&(f32, f32, f32)| x.0.abs() > 0.01;
    let all: Vec<_> = zip(zip(before, after), single)
        .map(|((a, b), c)| (a, b, c))
        .collect();
    let large: Vec<_> = all.iter().filter(large).collect();
    // bf16's numbers above 0.01 are at least 2⁻¹⁴ apart, which is five times what all steps add up to.
    assert!(large.len() > 10_000);
    let moved = large.iter().filter(|(a, b, _)| a != b).count();
    assert!(moved * 100 > large.len() * 99, "{moved} of {}", large.len());
    let is_rounded = |x: &f32| bf16::from_f32(*x).to_f32() == *x;
    let rounded = large.iter().filter(|(_, b, _)| is_rounded(b)).count();
    assert!(rounded * 100 < large.len(), "{rounded} of {}", large.len());
    // Most go where they go in single precision: Adam's first steps are all of the size of the rate.
    let alike = large
        .iter()
        .filter(|(a, b, c)| (b - a) * (c - a) > 0.0)
        .count();
    assert!(alike * 10 > large.len() * 9, "{alike} of {}", large.len());
}
