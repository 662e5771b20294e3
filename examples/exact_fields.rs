//! A mixture of three Gaussians reached without any network: its exact field, by an ODE, by an SDE, and under another schedule.
//!
//! The exact field is what a perfectly trained network would be, so this shows what a solver and a schedule cost by themselves.

use burn::tensor::{DType, Tensor, TensorData};
use burn_flex::Flex;
use pyroclast::core::analytic::GaussianMixture;
use pyroclast::core::field::Counted;
use pyroclast::core::noise::{Noise, Stream};
use pyroclast::core::rescheduled::Rescheduled;
use pyroclast::core::reverse_sde::{NoiseLevel, ReverseSde};
use pyroclast::core::schedule::{Linear, Trigonometric};
use pyroclast::solvers::{Adaptive, DOPRI5, EulerMaruyama, HEUN, Increments, TimeGrid, integrate};

const N: usize = 4000;

fn mixture() -> GaussianMixture<Flex, Linear, 2> {
    let means = TensorData::new(vec![-2.0_f64, 0.5, 3.0], [3, 1]);
    let means = Tensor::from_data(means, (&Default::default(), DType::F64));
    GaussianMixture::new(means, &[0.2, 0.5, 0.3], &[0.3, 0.2, 0.5], Linear::default())
}

fn report(name: &str, x: Tensor<Flex, 2>, evaluations: usize) {
    let x: Vec<f64> = x.into_data().to_vec().expect("the mixture is in f64");
    let share = |low: f64, high: f64| {
        x.iter().filter(|v| (low..high).contains(*v)).count() as f64 / N as f64
    };
    let (a, b, c) = (share(-9.0, -0.9), share(-0.9, 1.4), share(1.4, 9.0));
    println!("{name:<28} {a:.3} {b:.3} {c:.3}  {evaluations:>4} evaluations");
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let noise = Noise::new(0);
    let x0: Tensor<Flex, 2> =
        noise
            .draws(Stream::Sampler, 0)
            .normal_tensor([N, 1], &Default::default(), DType::F64);
    println!("{:<28} 0.200 0.500 0.300", "the law");

    let field = mixture();
    let counted = Counted::new(&field);
    let x = integrate(
        &counted,
        &HEUN,
        x0.clone(),
        &TimeGrid::uniform(0.0, 1.0, 50),
    );
    report("Heun, 50 steps", x, counted.evaluations());

    let solution = Adaptive::default().solve(&field, &DOPRI5, x0.clone(), (0.0, 1.0))?;
    report(
        "Dormand–Prince, adaptive",
        solution.x,
        solution.statistics.evaluations,
    );

    let sde = ReverseSde {
        field: Counted::new(&field),
        noise_level: NoiseLevel::Sigma(2.0),
    };
    let method = EulerMaruyama {
        brownian: Increments { noise, first: 1 },
    };
    let x = integrate(&sde, &method, x0.clone(), &TimeGrid::uniform(0.0, 1.0, 200));
    report("Euler–Maruyama, g = 2σ", x, sde.field.evaluations());

    let turned = Rescheduled {
        field,
        schedule: Trigonometric,
    };
    let counted = Counted::new(&turned);
    let x = integrate(&counted, &HEUN, x0, &TimeGrid::uniform(0.0, 1.0, 50));
    report("Heun, trigonometric path", x, counted.evaluations());
    Ok(())
}
