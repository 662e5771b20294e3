//! Averages of a real training: what is reconstructed after it is what would have been kept.

use burn::backend::Autodiff;
use burn::tensor::Tensor;
use burn_flex::{Flex, FlexDevice};
use pyroclast::core::noise::Noise;
use pyroclast::models::{Init, Mlp};
use pyroclast::train::config::Config;
use pyroclast::train::learn::{Latest, Run, Weights};
use pyroclast::train::network::Architecture;
use pyroclast::train::parameters::slots;
use pyroclast::train::task::Task;
use std::path::Path;

fn network(config: &Config, noise: Noise) -> Mlp<Autodiff<Flex>> {
    let mut init = Init::new(noise, &FlexDevice);
    match config.architecture(&[2], 0).expect("a network") {
        Architecture::Mlp(mlp) => mlp.init(&mut init),
        _ => panic!("points are learned by an MLP"),
    }
}

/// A run of 120 steps that keeps these power-function averages, with a snapshot every 6.
fn trained(folder: &Path, widths: &[f64]) -> (Run, Config) {
    let settings = [
        "training.steps=120",
        "training.batch=16",
        "training.learning-rate=1e-2",
        "network.width=16",
        "data.size=200",
        "sampling.steps=1",
    ];
    let mut config = Config::load("moons", &settings.map(str::to_owned)).expect("a preset");
    config.training.ema_rates = vec![0.9];
    config.training.ema_power = widths.to_vec();
    let noise = Noise::new(config.training.seed);
    let task = Task::load(&config.data, noise).expect("a law of the plane");
    let run = Run::create(folder, Some(&config.to_toml())).expect("a new run");
    let mut trainer = config.trainer(network(&config, noise), task, &FlexDevice);
    let mut recorder = config.recorder(&run, ());
    let outcome = trainer.run(config.training.steps, &mut recorder);
    outcome.expect("a run");
    (run, config)
}

fn parameters((run, config): &(Run, Config), choice: Weights) -> Vec<f32> {
    let slots = slots::<Autodiff<Flex>, _>(&network(config, Noise::new(0)));
    let latest = Latest::read(run.clone()).expect("a checkpoint");
    let values: Vec<Tensor<Flex, 1>> =
        (latest.weights(choice, &slots, &FlexDevice)).expect("an average that is kept");
    Tensor::cat(values, 0)
        .into_data()
        .to_vec()
        .expect("single precision")
}

fn distance(a: &[f32], b: &[f32]) -> f64 {
    let squares = a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2));
    squares.sum::<f64>().sqrt()
}

#[test]
fn the_average_of_a_width_after_training_is_the_one_kept_in_training() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let two = trained(&folder.path().join("two"), &[0.05, 0.1]);
    // A kept width is its own reconstruction, so what other runs keep is what to compare with.
    for (width, share) in [
        (0.04, 50.0),
        (0.07, 500.0),
        (0.15, 500.0),
        (0.2, 50.0),
        (0.25, 10.0),
    ] {
        let one = trained(&folder.path().join(width.to_string()), &[width]);
        let direct = parameters(&one, Weights::Power(width));
        let error = distance(&parameters(&two, Weights::Power(width)), &direct);
        for kept in [0.05, 0.1] {
            let apart = distance(&parameters(&two, Weights::Power(kept)), &direct);
            assert!(error < apart / share, "{width}: {error} of {apart}");
        }
    }
}

#[test]
fn a_kept_width_is_reconstructed_as_it_was_kept() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run = trained(&folder.path().join("run"), &[0.05, 0.1]);
    let bytes = std::fs::read(run.0.newest().expect("a checkpoint")).expect("a readable file");
    let tensors = safetensors::SafeTensors::deserialize(&bytes).expect("safetensors");
    let slots = slots::<Autodiff<Flex>, _>(&network(&run.1, Noise::new(0)));
    for (list, choice) in [
        ("model", Weights::Raw),
        ("ema", Weights::Ema),
        ("ema.rate-0.9", Weights::Rate(0.9)),
        ("ema.power-0.05", Weights::Power(0.05)),
        ("ema.power-0.1", Weights::Power(0.1)),
    ] {
        let stored: Vec<f32> = (slots.iter())
            .flat_map(|slot| {
                let view = tensors.tensor(&format!("{list}.{}", slot.name));
                let (numbers, _) = view.expect("the list").data().as_chunks::<4>();
                numbers.iter().map(|b| f32::from_le_bytes(*b))
            })
            .collect();
        let got = parameters(&run, choice);
        match choice {
            Weights::Power(_) => {
                let scale = stored.iter().fold(0.0_f32, |m, v| m.max(v.abs()));
                let worst =
                    (stored.iter().zip(&got)).fold(0.0_f32, |m, (a, b)| m.max((a - b).abs()));
                assert!(worst <= 1e-6 * scale, "{list}: {worst} of {scale}");
            }
            _ => assert_eq!(got, stored, "{list}"),
        }
    }
}
