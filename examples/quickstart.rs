//! Two moons by optimal-transport flow matching.

use burn::{backend::Autodiff, tensor::DType};
use burn_flex::Flex;
use pyroclast::core::noise::{Noise, Stream};
use pyroclast::solvers::{HEUN, TimeGrid, integrate};
use pyroclast::train::{batch, config::Config, task::Task, training};
use pyroclast::{metrics::wasserstein, models::Init, models::MlpConfig};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (device, noise) = (Default::default(), Noise::new(0));
    let config = Config::load("moons", &["training.steps=2000".into()])?;
    let task = Task::load(&config.data, noise)?;
    let network = MlpConfig::new(2).init(&mut Init::<Autodiff<Flex>>::new(noise, &device));
    let mut trainer = training::begin::<Autodiff<Flex>, _, 2>(network, &task, &config, &device);
    for batch in batch::prefetch(training::batcher(&config, task.training.clone()), 0, 2000) {
        trainer.step(&batch);
    }
    let (flow, grid) = (trainer.averaged(), TimeGrid::uniform(0.0, 1.0, 50));
    let mut draws = noise.draws(Stream::Sampler, 0);
    let x0 = draws.normal_tensor([1000, 2], &device, DType::F32);
    let x1 = integrate(&flow.unconditional(), &HEUN, x0, &grid);
    let [data, _] = task.test_points(1000, noise, 0);
    let w2 = wasserstein(&x1.into_data().to_vec::<f32>()?, &data, 2);
    println!("W2 of 1000 samples and 1000 points: {w2:.3}");
    Ok(())
}
