//! ODEs and SDEs reach the law that they are exact for.

use burn::tensor::{DType, Tensor, TensorData};
use burn_ndarray::NdArray;
use pyroclast::core::analytic::{Gaussian, GaussianMixture};
use pyroclast::core::guidance::Guided;
use pyroclast::core::noise::{Noise, Stream};
use pyroclast::core::rescheduled::Rescheduled;
use pyroclast::core::reverse_sde::{NoiseLevel, ReverseSde};
use pyroclast::core::schedule::{Linear, Trigonometric, VariancePreserving};
use pyroclast::solvers::{EulerMaruyama, Increments, RK4, TimeGrid, integrate};

type B = NdArray<f64>;
const N: usize = 20_000;

fn tensor(values: Vec<f64>, shape: [usize; 2]) -> Tensor<B, 2> {
    Tensor::from_data(
        TensorData::new(values, shape),
        (&Default::default(), DType::F64),
    )
}

fn source(n: usize) -> Tensor<B, 2> {
    let mut draws = Noise::new(1).draws(Stream::Sampler, 0);
    draws.normal_tensor([n, 1], &Default::default(), DType::F64)
}

fn host(x: Tensor<B, 2>) -> Vec<f64> {
    x.into_data().to_vec().expect("f64 data")
}

fn moments(x: &[f64]) -> (f64, f64) {
    let n = x.len() as f64;
    let mean = x.iter().sum::<f64>() / n;
    (
        mean,
        x.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0),
    )
}

/// Holds a sample against N(mean, std²) within five standard errors and a bias of the method.
fn is_normal(x: &[f64], mean: f64, std: f64, bias: f64, what: &str) {
    let n = x.len() as f64;
    let (m, v) = moments(x);
    assert!(
        (m - mean).abs() < 5.0 * std / n.sqrt() + bias,
        "{what}: mean {m}, not {mean}"
    );
    let spread = 5.0 * std * std * (2.0 / n).sqrt() + bias;
    assert!(
        (v - std * std).abs() < spread,
        "{what}: variance {v}, not {}",
        std * std
    );
}

fn gaussian<S>(schedule: S) -> Gaussian<B, S, 2> {
    Gaussian {
        mean: tensor(vec![1.5], [1, 1]),
        std: 0.5,
        schedule,
    }
}

fn maruyama(seed: u64) -> EulerMaruyama<Increments> {
    EulerMaruyama {
        brownian: Increments {
            noise: Noise::new(seed),
            first: 1,
        },
    }
}

#[test]
fn the_ode_carries_the_source_to_the_data_exactly() {
    let x0 = source(N);
    let grid = TimeGrid::uniform(0.0, 1.0, 100);
    for (got, x0) in (host(integrate(
        &gaussian(Linear::default()),
        &RK4,
        x0.clone(),
        &grid,
    ))
    .iter())
    .zip(host(x0))
    {
        assert!((got - (1.5 + 0.5 * x0)).abs() < 1e-6);
    }
}

#[test]
fn every_noise_level_keeps_the_marginals() {
    let levels: [(&str, NoiseLevel); 5] = [
        ("none", NoiseLevel::Constant(0.0)),
        ("constant", NoiseLevel::Constant(0.7)),
        ("sigma", NoiseLevel::Sigma(1.0)),
        ("diffusion", NoiseLevel::Diffusion(1.0)),
        ("custom", NoiseLevel::Custom(Box::new(|t| 1.0 - t))),
    ];
    for (seed, (name, noise_level)) in levels.into_iter().enumerate() {
        let sde = ReverseSde {
            field: gaussian(Linear::default()),
            noise_level,
        };
        // Off the ends: at t = 0 the diffusion of the linear path is infinite. The start is drawn from the law there.
        let start = 0.02;
        let std = ((start * 0.5_f64).powi(2) + (1.0 - start).powi(2)).sqrt();
        let x = source(N) * std + start * 1.5;
        let steps = 400;
        let grid = TimeGrid::uniform(start, 0.999, steps);
        let x = host(integrate(&sde, &maruyama(seed as u64), x, &grid));
        let end = ((0.999 * 0.5_f64).powi(2) + 1e-6).sqrt();
        // Euler–Maruyama is biased by O(h); the constant is below 4 on this problem.
        is_normal(&x, 0.999 * 1.5, end, 4.0 / steps as f64, name);
    }
}

#[test]
fn the_reverse_sde_of_vp_has_its_own_diffusion() {
    // g² = β (Song et al. 2021, eq. 11), and the extension with it is Anderson's reversal.
    let vp = VariancePreserving::default();
    let sde = ReverseSde {
        field: gaussian(vp),
        noise_level: NoiseLevel::Diffusion(1.0),
    };
    for t in [0.1, 0.5, 0.9] {
        let g = sde.noise_level.at(t, &vp);
        assert!((g * g - vp.beta(t)).abs() < 1e-10);
    }
    let grid = TimeGrid::uniform(0.0, 0.999, 1000);
    let x = host(integrate(&sde, &maruyama(9), source(N), &grid));
    is_normal(&x, 1.5, 0.5, 0.02, "reverse VP");
}

#[test]
fn a_field_of_one_schedule_samples_under_another() {
    let field = Rescheduled {
        field: gaussian(Linear::default()),
        schedule: Trigonometric,
    };
    let x0 = source(200);
    let grid = TimeGrid::uniform(0.0, 1.0, 200);
    let direct = host(integrate(&gaussian(Trigonometric), &RK4, x0.clone(), &grid));
    for (a, b) in host(integrate(&field, &RK4, x0, &grid)).iter().zip(direct) {
        assert!((a - b).abs() < 1e-7, "{a} {b}");
    }
}

#[test]
fn a_mixture_is_reached_in_all_its_parts() {
    let field = GaussianMixture::new(
        tensor(vec![-2.0, 0.5, 3.0], [3, 1]),
        &[0.2, 0.5, 0.3],
        &[0.3, 0.2, 0.5],
        Linear::default(),
    );
    let x = host(integrate(
        &field,
        &RK4,
        source(N),
        &TimeGrid::uniform(0.0, 1.0, 200),
    ));
    for (low, high, weight) in [(-9.0, -0.9, 0.2), (-0.9, 1.4, 0.5), (1.4, 9.0, 0.3)] {
        let share = x.iter().filter(|v| (low..high).contains(*v)).count() as f64 / N as f64;
        let spread = 5.0 * (weight * (1.0 - weight) / N as f64).sqrt();
        // Under a thousandth of each part lies beyond these borders.
        assert!((share - weight).abs() < spread + 1e-3, "{share} {weight}");
    }
}

#[test]
fn guidance_at_one_is_the_conditional_model() {
    let conditional = gaussian(Linear::default());
    let unconditional = Gaussian {
        std: 1.0,
        ..gaussian(Linear::default())
    };
    let x0 = source(50);
    let grid = TimeGrid::uniform(0.0, 1.0, 50);
    let at = |weight| {
        let field = Guided {
            conditional: conditional.clone(),
            unconditional: unconditional.clone(),
            weight,
        };
        host(integrate(&field, &RK4, x0.clone(), &grid))
    };
    assert_eq!(
        at(1.0),
        host(integrate(&conditional, &RK4, x0.clone(), &grid))
    );
    assert_eq!(
        at(0.0),
        host(integrate(&unconditional, &RK4, x0.clone(), &grid))
    );
    // Beyond 1 it overshoots: the spread falls below the conditional one.
    assert!(moments(&at(2.0)).1 < moments(&at(1.0)).1);
}
