//! The path is one value: optimal-transport flow matching, a stochastic bridge and
//! variance-preserving diffusion differ by a line.

use pyroclast::backend::{Autodiff, Flex};
use pyroclast::core::condition::Given;
use pyroclast::core::noise::{Noise, Stream};
use pyroclast::core::{flow::Flow, path::Path, toy::Toy};
use pyroclast::metrics::wasserstein;
use pyroclast::models::{Init, MlpConfig};
use pyroclast::train::draw::{MethodName, Plan};
use pyroclast::train::{dataset::Dataset, learn::Trainer};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (device, noise) = (Default::default(), Noise::new(0));
    let moons = |n, k| Toy::Moons.sample(n, &mut noise.draws(Stream::Data, k));
    let (data, test) = (Dataset::rows(&moons(10_000, 0), 2), moons(1000, 1));
    for (name, path) in [
        ("OT-CFM", Path::optimal_transport()),
        ("bridge", Path::bridge(0.5)),
        ("VP diffusion", Path::variance_preserving()),
    ] {
        let network = MlpConfig::new(2).init(&mut Init::<Autodiff<Flex>>::new(noise, &device));
        let flow = Flow::velocity(network, path);
        let mut trainer = Trainer::new(flow, data.clone(), noise, &device).batch(128);
        trainer.run(5000, &mut ())?;
        let plan = Plan::new(MethodName::HEUN, 50, 0);
        let x1 = trainer.model().sample(1000, &Given::nothing(), &plan)?;
        println!(
            "{name}: W2 of 1000 samples and 1000 points {:.3}",
            wasserstein(&x1, &test, 2)
        );
    }
    Ok(())
}
