//! A batch in parts has the loss and the gradient of the whole, whatever is trained.

use super::{A, B, ExactVelocity, number, shaken, values};
use burn::module::AutodiffModule;
use pyroclast::burn;
use pyroclast::core::few_step::FewStep;
use pyroclast::core::flow::Flow;
use pyroclast::core::loss::PseudoHuber;
use pyroclast::core::network::Network;
use pyroclast::core::noise::{Noise, Stream};
use pyroclast::core::objective::{Objective, VarianceLoss};
use pyroclast::core::path::Path;
use pyroclast::core::prediction::Prediction;
use pyroclast::core::schedule::BetaTable;
use pyroclast::core::weighting::Weighting;
use pyroclast::models::{Init, Mlp, MlpConfig, UNetConfig};
use pyroclast::train::dataset::Dataset;
use pyroclast::train::learn::{Order, Trainer};

/// No number of pairs but 1 divides it.
const BATCH: usize = 11;

/// What a step of a trainer shows and does: its loss, the gradient, and the validation afterwards.
///
/// After the first step, the first moment is `(1 − β1)·g`.
fn step<N, const D: usize>(mut trainer: Trainer<A, N, D>) -> (f64, Vec<f64>, f64)
where
    N: Network<A, D> + AutodiffModule<A>,
    N::InnerModule: Network<B, D>,
{
    let batch = trainer.batcher().batch(5, &mut Order::default());
    let loss = number(trainer.step(&batch));
    let first = trainer.optimizer.first.iter().cloned();
    (
        loss,
        first.flat_map(values).collect(),
        trainer.validate([&batch]),
    )
}

/// Checks a trainer in parts of several sizes against the whole, and returns the whole gradient.
#[track_caller]
fn check<N, const D: usize>(what: &str, trainer: impl Fn() -> Trainer<A, N, D>) -> Vec<f64>
where
    N: Network<A, D> + AutodiffModule<A>,
    N::InnerModule: Network<B, D>,
{
    let whole = step(trainer().batch(BATCH));
    let size = |gradient: &[f64]| gradient.iter().fold(0.0_f64, |most, g| most.max(g.abs()));
    assert!(size(&whole.1) > 1e-6, "{what} has no gradient");
    for pairs in [1, 3, 8, BATCH, 20] {
        let parts = step(trainer().batch(BATCH).micro_batch(pairs));
        for (of_parts, of_whole) in [(parts.0, whole.0), (parts.2, whole.2)] {
            let error = (of_parts / of_whole - 1.0).abs();
            assert!(error < 1e-12, "{what} by {pairs}: {of_parts} {of_whole}");
        }
        let apart: Vec<f64> = (parts.1.iter().zip(&whole.1)).map(|(a, b)| a - b).collect();
        let error = size(&apart) / size(&whole.1);
        assert!(
            error < 1e-12,
            "{what} by {pairs}: gradients differ by {error:e}"
        );
    }
    whole.1
}

/// Points of the plane in three classes.
fn points() -> Dataset {
    let values = Noise::new(2).draws(Stream::Data, 0).normals(2 * 40);
    let labels: Vec<u32> = (0..40).map(|row| row % 3).collect();
    Dataset::rows(&values, 2).with_labels(&labels, 3)
}

fn mlp(config: MlpConfig) -> Mlp<A> {
    let device = Default::default();
    let config = MlpConfig {
        width: 16,
        classes: 3,
        ..config
    };
    config.init(&mut Init::new(Noise::new(0), &device))
}

fn trainer(flow: Flow<Mlp<A>>) -> Trainer<A, Mlp<A>, 2> {
    Trainer::new(flow, points(), Noise::new(1), &Default::default())
}

#[test]
fn parts_of_a_batch_add_up_to_its_gradient_for_every_objective() {
    let plain = || mlp(MlpConfig::new(2));
    let double = || {
        mlp(MlpConfig {
            learns_variance: true,
            ..MlpConfig::new(2)
        })
    };
    check("flow matching", || {
        trainer(Flow::velocity(plain(), Path::optimal_transport()))
    });
    check("a weighted loss", || {
        let objective = Objective {
            weighting: Weighting::MinSnr { gamma: 5.0 },
            ..Objective::new(Prediction::Noise)
        };
        trainer(Flow::new(plain(), Path::variance_preserving(), objective))
    });
    check("a loss of one's own", || {
        trainer(Flow::data(plain(), Path::linear())).loss_by(PseudoHuber { c: 0.1 })
    });
    check("velocity and score of a bridge", || {
        trainer(Flow::velocity_and_score(double(), Path::bridge(0.5)))
    });
    check("a learned variance", || {
        let objective = Objective {
            variance: VarianceLoss::Hybrid {
                weight: 1.0,
                decoder: None,
            },
            ..Objective::new(Prediction::Noise)
        };
        trainer(Flow::new(
            double(),
            Path::chain(BetaTable::default()),
            objective,
        ))
    });
}

#[test]
fn parts_of_a_batch_add_up_to_its_gradient_for_few_steps() {
    for name in [
        "mean-flow",
        "shortcut",
        "semigroup",
        "lagrangian",
        "eulerian",
        "consistency-training",
        "consistency-distillation",
        "continuous-consistency",
    ] {
        let mut method: FewStep = name.parse().expect("a training");
        if let FewStep::MeanFlow { guidance, .. } = &mut method {
            *guidance = 2.0;
        }
        let objective = Objective::new(method.prediction().expect("a training"));
        check(name, || {
            let network = mlp(MlpConfig {
                durations: true,
                ..MlpConfig::new(2)
            });
            let flow = Flow::new(network, Path::linear(), objective);
            let trainer = trainer(flow).few_step(method);
            match method.needs_teacher() {
                true => trainer.teacher(Box::new(ExactVelocity)),
                false => trainer,
            }
        });
    }
}

#[test]
fn parts_of_a_batch_have_the_dropout_masks_of_the_whole() {
    let gradient = |dropout: f64| {
        check("dropout", || {
            let config = UNetConfig {
                channels: 4,
                multipliers: vec![1.0],
                dropout,
                ..UNetConfig::new(1, [4, 4])
            };
            let device = Default::default();
            let network = shaken(config.init::<A>(&mut Init::new(Noise::new(0), &device)));
            let values = Noise::new(2).draws(Stream::Data, 0).normals(16 * 20);
            let images = Dataset::images(&values, [1, 4, 4]);
            let flow = Flow::velocity(network, Path::linear());
            Trainer::new(flow, images, Noise::new(1), &device)
        })
    };
    assert_ne!(gradient(0.5), gradient(0.0));
}
