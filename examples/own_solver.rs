//! A solver of one's own, in a solve of an exact field and in the sampling of a trained model.

use pyroclast::backend::{Autodiff, Flex};
use pyroclast::burn::tensor::{Tensor, backend::Backend};
use pyroclast::core::condition::Given;
use pyroclast::core::noise::{Noise, Stream};
use pyroclast::core::{field::VectorField, flow::Flow, path::Path, toy::Toy};
use pyroclast::metrics::wasserstein;
use pyroclast::models::{Init, MlpConfig};
use pyroclast::solvers::{Method, TimeGrid, integrate};
use pyroclast::train::draw::{OwnMethod, Plan};
use pyroclast::train::{dataset::Dataset, learn::Trainer};

/// Ralston's method of order 2: a slope at two thirds of the step, with three quarters of the
/// weight.
struct Ralston;

impl<B: Backend, F: VectorField<B, D>, const D: usize> Method<B, F, D> for Ralston {
    type State = ();

    fn step(&self, field: &F, t: f64, s: f64, x: Tensor<B, D>, _: ()) -> (Tensor<B, D>, ()) {
        let h = s - t;
        let first = field.velocity(t, x.clone());
        let second = field.velocity(
            t + h * 2.0 / 3.0,
            x.clone() + first.clone() * (h * 2.0 / 3.0),
        );
        (x + first * (h / 4.0) + second * (h * 3.0 / 4.0), ())
    }
}

fn moons(n: usize, k: u64) -> Vec<f32> {
    Toy::Moons.sample(n, &mut Noise::new(0).draws(Stream::Data, k))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let device = Default::default();
    let decay = |_: f64, x: Tensor<Flex, 2>| x.neg();
    let x0 = Tensor::ones([1, 1], &device);
    let x1 = integrate(&decay, &Ralston, x0, &TimeGrid::uniform(0.0, 1.0, 32));
    println!("dx/dt = -x ends at {:.5}; 1/e is 0.36788", x1.into_scalar());

    let mut init = Init::<Autodiff<Flex>>::new(Noise::new(0), &device);
    let flow = Flow::velocity(MlpConfig::new(2).init(&mut init), Path::optimal_transport());
    let data = Dataset::rows(&moons(10_000, 0), 2);
    let mut trainer = Trainer::new(flow, data, Noise::new(0), &device).batch(128);
    trainer.run(5000, &mut ())?;

    let ralston = OwnMethod::new("ralston", |_| Ralston).costs_per_step(2);
    let plan = Plan::new(ralston, 25, 0);
    let x1 = trainer.model().sample(1000, &Given::nothing(), &plan)?;
    let w2 = wasserstein(&x1, &moons(1000, 1), 2);
    println!("W2 of 1000 samples and 1000 points: {w2:.3}");
    Ok(())
}
