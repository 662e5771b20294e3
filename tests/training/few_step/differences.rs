//! A difference in the place of a derivative, for networks without tangents: taken where it means
//! something, refused where it does not.

use super::{A, B, column, tensor};
use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast::burn;
use pyroclast::core::few_step::FewStep;
use pyroclast::core::flow::Flow;
use pyroclast::core::jvp::Derivative;
use pyroclast::core::network::{Direction, Network};
use pyroclast::core::noise::{Draws, Noise};
use pyroclast::core::objective::Objective;
use pyroclast::core::path::Path;
use pyroclast::train::dataset::Dataset;
use pyroclast::train::learn::{TrainError, Trainer};

/// `a·sin(ωt) + x`, whose layers carry no tangents.
#[derive(Module, Debug)]
struct Wave<B: Backend> {
    a: Param<Tensor<B, 1>>,
    frequency: f64,
}

impl<B: Backend> Wave<B> {
    fn new(a: f64, frequency: f64) -> Self {
        let a = Param::from_tensor(tensor(&[a], [1]));
        Self { a, frequency }
    }
}

impl<T: Backend> Network<T, 2> for Wave<T> {
    type Condition = ();

    fn forward(&self, x: Tensor<T, 2>, t: Tensor<T, 1>, (): &()) -> Tensor<T, 2> {
        self.forward_over(x, t.clone(), t.zeros_like(), &(), None)
    }

    fn forward_over(
        &self,
        x: Tensor<T, 2>,
        t: Tensor<T, 1>,
        duration: Tensor<T, 1>,
        (): &(),
        _: Option<&mut Draws>,
    ) -> Tensor<T, 2> {
        let wave = (t * self.frequency).sin() * self.a.val() + duration;
        x + wave.unsqueeze_dim::<2>(1)
    }
}

/// At a crest of the slope, with an output of 0.
fn disagreement(frequency: f64) -> f64 {
    let inputs = (column(&[0.0]), tensor(&[0.0], [1]), tensor(&[0.0], [1]));
    let direction = Direction {
        x: None,
        t: 1.0,
        duration: 0.0,
    };
    let way = Derivative::Difference { step: 4e-3 };
    let network = Wave::<B>::new(1.0, frequency);
    way.disagreement(&network, inputs, &(), &direction)
        .expect("no tangents")
}

#[test]
fn a_difference_moves_with_its_step_as_much_as_the_network_has_waves() {
    // sin(ωh)/h and sin(2ωh)/2h, whose ratio is cos(ωh).
    for frequency in [1.0, 30.0, 150.0, 300.0] {
        let cosine = (frequency * 4e-3_f64).cos();
        let expected = (1.0 - cosine) / (1.0 + cosine);
        let got = disagreement(frequency);
        assert!(
            (got - expected).abs() < 1e-8,
            "{frequency}: {got} {expected}"
        );
    }
    assert!(disagreement(1000.0) > 0.5);
}

fn trained(network: Wave<A>, name: &str) -> Result<(), TrainError> {
    let method: FewStep = name.parse().expect("a training");
    let prediction = method.prediction().expect("an average velocity");
    let flow = Flow::new(network, Path::linear(), Objective::new(prediction));
    let points = Dataset::rows(&[0.0, 1.0, 2.0, 3.0], 1);
    let mut trainer = Trainer::new(flow, points, Noise::new(0), &Default::default())
        .batch(16)
        .log_every(2)
        .few_step(method);
    trainer.run(4, &mut ()).map(|_| ())
}

#[test]
fn a_network_with_fast_waves_is_refused_and_another_is_not() {
    for name in ["mean-flow", "eulerian", "continuous-consistency"] {
        trained(Wave::new(1.0, 10.0), name).expect("a smooth network");
        let refused = trained(Wave::new(1.0, 1000.0), name).expect_err("a rough network");
        assert!(matches!(refused, TrainError::Rough { .. }), "{refused}");
        let text = refused.to_string();
        assert!(text.contains("Network::tangent_over"), "{text}");
    }
    // Nothing is differentiated by the time here, and the duration has no waves.
    for name in ["shortcut", "lagrangian"] {
        trained(Wave::new(1.0, 1000.0), name).expect("no difference in the time");
    }
}
