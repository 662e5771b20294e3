//! Two moons by optimal-transport flow matching.

use pyroclast::backend::{Autodiff, Flex};
use pyroclast::core::noise::{Noise, Stream};
use pyroclast::core::{condition::Given, flow::Flow, path::Path, toy::Toy};
use pyroclast::metrics::wasserstein;
use pyroclast::models::{Init, MlpConfig};
use pyroclast::train::draw::{MethodName, Plan};
use pyroclast::train::{dataset::Dataset, learn::Trainer};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (device, noise) = (Default::default(), Noise::new(0));
    let moons = |n, k| Toy::Moons.sample(n, &mut noise.draws(Stream::Data, k));
    let network = MlpConfig::new(2).init(&mut Init::<Autodiff<Flex>>::new(noise, &device));
    let flow = Flow::velocity(network, Path::optimal_transport());

    let data = Dataset::rows(&moons(10_000, 0), 2);
    let mut trainer = Trainer::new(flow, data, noise, &device).batch(128);
    trainer.run(5000, &mut ())?;
    let plan = Plan::new(MethodName::HEUN, 50, 0);
    let x1 = trainer.model().sample(1000, &Given::nothing(), &plan)?;
    let w2 = wasserstein(&x1, &moons(1000, 1), 2);
    println!("W2 of 1000 samples and 1000 points: {w2:.3}");
    Ok(())
}
