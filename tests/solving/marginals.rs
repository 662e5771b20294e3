//! ODEs and SDEs reach the law that they are exact for.

use burn::module::{Module, Param};
use burn::tensor::backend::Backend;
use burn::tensor::{DType, Tensor, TensorData};
use burn_ndarray::NdArray;
use pyroclast::core::analytic::{Gaussian, GaussianBridge, GaussianMixture};
use pyroclast::core::condition::Given;
use pyroclast::core::field::{Denoiser, VectorField};
use pyroclast::core::flow::Flow;
use pyroclast::core::guidance::Guided;
use pyroclast::core::network::Network;
use pyroclast::core::noise::{Noise, Stream};
use pyroclast::core::path::Path;
use pyroclast::core::rescheduled::Rescheduled;
use pyroclast::core::reverse_sde::{BackwardSde, NoiseLevel, ReverseSde};
use pyroclast::core::schedule::{Linear, Trigonometric, VariancePreserving};
use pyroclast::solvers::entry::option;
use pyroclast::solvers::{EulerMaruyama, Increments, RK4, TimeGrid, integrate};
use pyroclast::train::draw::{MethodName, Plan, SampleError, sample};

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

// ---------------------------------------------------------------------------------------------------------------------
// Bridges between two Gaussians, N(0, 1) and N(2, ½²), of diffusion 0.6

const S: f64 = 0.6;

fn bridges() -> [(&'static str, GaussianBridge, f64); 2] {
    let (means, variances) = ([&[0.0][..], &[2.0]], [&[1.0][..], &[0.25]]);
    [
        (
            "the Schrödinger bridge",
            GaussianBridge::schrodinger(means, variances, S),
            0.351_413_210_223_456_9,
        ),
        // Their Markov process has ends that vary together, as one iteration of Markovian fitting.
        (
            "bridges between independent ends",
            GaussianBridge::independent(means, variances, S),
            0.314_374_914_021_714_3,
        ),
    ]
}

fn covariance(x: &[f64], y: &[f64]) -> f64 {
    let (mx, my) = (moments(x).0, moments(y).0);
    let products = x.iter().zip(y).map(|(x, y)| (x - mx) * (y - my));
    products.sum::<f64>() / (x.len() as f64 - 1.0)
}

#[test]
fn the_ode_of_a_bridge_carries_one_end_to_the_other() {
    let grid = TimeGrid::uniform(0.0, 1.0, 200);
    for (name, bridge, _) in bridges() {
        let x0 = source(100);
        let x1 = host(integrate(&bridge, &RK4, x0.clone(), &grid));
        // On a line the flow is the monotone map, 2 + x/2.
        for (got, x0) in x1.iter().zip(host(x0)) {
            assert!((got - (2.0 + 0.5 * x0)).abs() < 1e-9, "{name}: {got}");
        }
    }
}

#[test]
fn the_sdes_of_a_bridge_reach_its_ends_and_its_own_joins_them_as_it_should() {
    let grid = TimeGrid::uniform(0.0, 1.0, 200);
    // Euler–Maruyama's bias of order h: 1/200, times g² and a slope of order 1.
    let bias = 0.01;
    for (name, bridge, joint) in bridges() {
        for (seed, g) in [(1, S), (2, 1.0)] {
            let sde = ReverseSde {
                field: bridge.clone(),
                noise_level: NoiseLevel::Constant(g),
            };
            let x0 = source(N);
            let x1 = host(integrate(&sde, &maruyama(seed), x0.clone(), &grid));
            is_normal(&x1, 2.0, 0.5, bias, &format!("{name} at g = {g}"));
            if g == S {
                let found = covariance(&host(x0), &x1);
                let error = 5.0 * ((0.25 + joint * joint) / N as f64).sqrt() + bias;
                assert!((found - joint).abs() < error, "{name}: {found}");
            }
        }
        let x1 = source(N) * 0.5 + 2.0;
        let backward = BackwardSde {
            field: bridge,
            noise_level: NoiseLevel::Constant(S),
        };
        let x0 = integrate(&backward, &maruyama(4), x1.clone(), &grid);
        let (x0, x1) = (host(x0), host(x1));
        is_normal(&x0, 0.0, 1.0, 2.0 * bias, &format!("{name}, backward"));
        let (found, bound) = (covariance(&x0, &x1), 5.0 * (0.38 / N as f64).sqrt() + bias);
        assert!((found - joint).abs() < bound, "{name}, backward: {found}");
    }
}

/// A network that knows the bridge: its velocity and, beside it, half of s² times its score.
#[derive(Module, Debug)]
struct Knowing<B: Backend> {
    scale: Param<Tensor<B, 1>>,
}

impl<T: Backend> Network<T, 2> for Knowing<T> {
    type Condition = ();

    fn forward(&self, x: Tensor<T, 2>, t: Tensor<T, 1>, (): &()) -> Tensor<T, 2> {
        let bridge = &bridges()[0].1;
        let t = t.into_data().iter::<f64>().next().expect("a sample");
        let scale = self.scale.val().cast(x.dtype()).unsqueeze();
        let score = bridge.score(t, x.clone()) * (0.5 * S * S);
        Tensor::cat(vec![bridge.velocity(t, x), score], 1) * scale
    }
}

#[test]
fn a_model_that_has_learned_the_score_of_a_bridge_is_sampled_by_ode_and_sde() {
    let device = Default::default();
    let network = Knowing::<NdArray> {
        scale: Param::from_tensor(Tensor::ones([1], &device)),
    };
    let flow = Flow::velocity_and_score(network, Path::bridge(S));
    assert!(flow.knows_score() && !flow.path.knows_score());
    let x0: Vec<f32> = host(source(N)).into_iter().map(|x| x as f32).collect();
    let drawn = |method, level: Option<f64>| {
        let mut plan = Plan::new(method, 200, 7);
        if let Some(level) = level {
            plan.options.set(&option::NOISE_LEVEL, level);
        }
        let unseen = &mut |_, _, _: &_| {};
        let given = Given::nothing();
        sample::<NdArray, _, _, 2>(&flow, &x0, &[1], &given, &plan, &device, unseen)
    };
    for (method, level) in [
        (MethodName::HEUN, None),
        (MethodName::DDIM, None),
        (MethodName::EULER_MARUYAMA, None),
        (MethodName::EULER_MARUYAMA, Some(2.0)),
        (MethodName::STOCHASTIC_HEUN, Some(0.5)),
        (MethodName::SHARK, None),
    ] {
        let x1 = drawn(method, level).expect("samples").values;
        let x1: Vec<f64> = x1.into_iter().map(f64::from).collect();
        is_normal(&x1, 2.0, 0.5, 0.02, &format!("{method} at {level:?}"));
    }
    // What takes the noise for the score is refused, and so is a change of the velocity alone.
    let error = drawn(MethodName::EULER_ANCESTRAL, None).expect_err("no score");
    assert!(matches!(error, SampleError::NeedsScore(_)), "{error}");
    let plan = Plan {
        clip: true,
        ..Plan::new(MethodName::SRA1, 10, 0)
    };
    let error = plan
        .check_score(&flow.path, &flow.objective)
        .expect_err("a clipped velocity");
    assert!(
        matches!(error, SampleError::ChangedScore("sra1")),
        "{error}"
    );
}
