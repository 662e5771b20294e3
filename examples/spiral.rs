//! A neural ODE fitted to points of a spiral, as in Chen et al. 2018: no velocity is shown, the gradient comes through the solver.

use burn::backend::Autodiff;
use burn::module::{AutodiffModule, Module};
use burn::nn::Linear;
use burn::optim::{AdamConfig, Optimizer};
use burn::tensor::{Tensor, activation::tanh, backend::Backend};
use burn_flex::Flex;
use pyroclast::core::{field::VectorField, noise::Noise};
use pyroclast::models::Init;
use pyroclast::solvers::gradient::{Pullback, checkpointed_adaptive, cotangents};
use pyroclast::solvers::{Adaptive, Control, DOPRI5, TimeGrid};

#[derive(Module, Debug)]
struct Net<B: Backend> {
    inner: Linear<B>,
    outer: Linear<B>,
}

impl<B: Backend> VectorField<B, 2> for Net<B> {
    fn velocity(&self, _: f64, x: Tensor<B, 2>) -> Tensor<B, 2> {
        self.outer.forward(tanh(self.inner.forward(x)))
    }
}

/// x(s + t) at 100 times s of [0, 10].
fn spiral<B: Backend>(t: f64) -> Tensor<B, 2> {
    let s = Tensor::arange(0..100, &Default::default()).float() * 0.1 + t;
    let (x, y) = ((s.clone() * 2.0).cos(), (s.clone() * 2.0).sin());
    Tensor::stack(vec![x, y], 1) * ((s * -0.1).exp() * 2.0).unsqueeze_dim(1)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (device, control) = (Default::default(), Control::tolerance(1e-4));
    let mut init = Init::new(Noise::new(0), &device);
    let (inner, outer) = (init.linear(2, 50), init.linear(50, 2));
    let mut net = Net { inner, outer };
    let mut optimizer = AdamConfig::new().init::<Autodiff<Flex>, Net<_>>();
    // Short pieces, all solved as one batch: the end of a long solve tells little of a bad field.
    let times = TimeGrid::uniform(0.0, 0.6, 3);
    for step in 0..=800 {
        let solved = checkpointed_adaptive(&net, &DOPRI5, spiral::<Flex>(0.0), &times, control)?;
        let (loss, given) = cotangents(&solved.states, |states| {
            let pairs = states.iter().zip(times.times());
            let misses = pairs.map(|(x, &t)| x.clone() - spiral(t));
            Tensor::cat(misses.collect(), 0).square().mean()
        });
        if step % 200 == 0 {
            println!("step {step:>3}: loss {:.6}", loss.into_scalar());
        }
        let gradients = solved.pullback.apply(&given)?;
        net = optimizer.step(0.02 * 0.996_f64.powi(step), net, gradients.parameters);
    }
    let start = spiral::<Flex>(0.0).narrow(0, 0, 1);
    let end = Adaptive::new(control)
        .solve(&net.valid(), &DOPRI5, start, (0.0, 10.0))?
        .x;
    let error = (end - spiral(10.0).narrow(0, 0, 1)).square().sum().sqrt();
    println!("three turns on, it is {:.3} off", error.into_scalar());
    Ok(())
}
