//! A neural SDE whose law at a few times is that of an Ornstein–Uhlenbeck process.
//!
//! Clouds of points are compared, time by time: no path of the data is ever seen, and the gradient comes through the solver's steps.

use burn::backend::Autodiff;
use burn::module::{AutodiffModule, Module};
use burn::nn::Linear;
use burn::optim::{AdamConfig, GradientsParams, Optimizer};
use burn::tensor::activation::{softplus, tanh};
use burn::tensor::{DType, Tensor, backend::Backend};
use burn_flex::Flex;
use pyroclast::core::field::{Diffusion, Ito, Sde};
use pyroclast::core::noise::{Noise, Stream};
use pyroclast::models::Init;
use pyroclast::solvers::{EulerMaruyama, Increments, TimeGrid, integrate_observed};

/// Steps of the solver, over a time of 2; every fifth state is compared.
const STEPS: usize = 20;

/// dX = f(X) dt + g(X) dW, g > 0.
#[derive(Module, Debug)]
struct NeuralSde<B: Backend> {
    drift: [Linear<B>; 2],
    diffusion: [Linear<B>; 2],
}

fn network<B: Backend>([inner, outer]: &[Linear<B>; 2], x: Tensor<B, 2>) -> Tensor<B, 2> {
    outer.forward(tanh(inner.forward(x)))
}

impl<B: Backend> Sde<B, 2> for NeuralSde<B> {
    // g depends on the state, so it matters which integral is meant.
    type Calculus = Ito;

    fn drift(&self, _: f64, x: Tensor<B, 2>) -> Tensor<B, 2> {
        network(&self.drift, x)
    }

    fn diffusion(&self, _: f64, x: &Tensor<B, 2>) -> Diffusion<B, 2> {
        Diffusion::Diagonal(softplus(network(&self.diffusion, x.clone()), 1.0))
    }
}

/// The data: dX = 1.5·(1 − X) dt + 0.8 dW from X ~ N(−1, 0.3²). The mean and the standard deviation at a time.
fn truth(t: f64) -> (f64, f64) {
    let left = (-1.5 * t).exp();
    let variance = (0.3 * left).powi(2) + 0.64 / 3.0 * (1.0 - left * left);
    (1.0 - 2.0 * left, variance.sqrt())
}

/// n draws of the data at a time, the k-th such.
fn data<B: Backend>(t: f64, n: usize, k: u64) -> Tensor<B, 2> {
    let (mean, std) = truth(t);
    let mut draws = Noise::new(1).draws(Stream::Data, k);
    draws.scaled_normal_tensor(std, [n, 1], &Default::default(), DType::F32) + mean
}

/// The states of the model at the times compared. Each k has noise of its own.
fn paths<B: Backend>(sde: &NeuralSde<B>, n: usize, k: u64) -> Vec<(f64, Tensor<B, 2>)> {
    let brownian = Increments {
        noise: Noise::new(2),
        first: k * STEPS as u64,
    };
    let grid = TimeGrid::uniform(0.0, 2.0, STEPS);
    let mut states = Vec::new();
    let method = EulerMaruyama { brownian };
    integrate_observed(sde, &method, data(0.0, n, 5 * k), &grid, |t, x| {
        states.push((t, x.clone()));
    });
    states.into_iter().step_by(5).skip(1).collect()
}

/// W2² of two clouds of one size on the line, where the optimal plan pairs the smallest with the smallest.
fn wasserstein_squared<B: Backend>(x: Tensor<B, 2>, y: Tensor<B, 2>) -> Tensor<B, 1> {
    (x.sort(0) - y.sort(0)).square().mean()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    type A = Autodiff<Flex>;
    let device = Default::default();
    let mut init = Init::<A>::new(Noise::new(0), &device);
    let mut layers = || [init.linear(1, 16), init.linear(16, 1)];
    let mut sde = NeuralSde {
        drift: layers(),
        diffusion: layers(),
    };
    let mut optimizer = AdamConfig::new().init::<A, NeuralSde<A>>();
    for k in 1..=800_u64 {
        let distances = (paths(&sde, 256, k).into_iter().enumerate())
            .map(|(i, (t, x))| wasserstein_squared(x, data(t, 256, 5 * k + 1 + i as u64)));
        let loss = Tensor::cat(distances.collect(), 0).mean();
        if k == 1 || k % 200 == 0 {
            println!("step {k:>3}: mean W2² {:.4}", loss.clone().into_scalar());
        }
        let gradients = GradientsParams::from_grads(loss.backward(), &sde);
        sde = optimizer.step(0.02 * 0.995_f64.powi(k as i32), sde, gradients);
    }
    println!("  t   mean, true     std, true");
    for (t, x) in paths(&sde.valid(), 20_000, 1000) {
        let (variance, mean) = x.var_mean(0);
        let (mean, std) = (mean.into_scalar(), variance.sqrt().into_scalar());
        let (true_mean, true_std) = truth(t);
        println!("{t:.1}  {mean:>6.3} {true_mean:>6.3}   {std:.3} {true_std:.3}");
    }
    Ok(())
}
