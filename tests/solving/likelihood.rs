//! Densities of flows, checked against closed forms, and training through the divergence.

use crate::support::{host, tensor};
use burn::backend::Autodiff;
use burn::module::{Module, Param};
use burn::tensor::backend::Backend;
use burn::tensor::{DType, Tensor, TensorData, activation};
use burn_flex::Flex;
use burn_ndarray::NdArray;
use pyroclast::core::analytic::{Gaussian, GaussianMixture};
use pyroclast::core::field::VectorField;
use pyroclast::core::noise::{Noise, Stream};
use pyroclast::core::schedule::Linear;
use pyroclast::models::{Init, MlpConfig};
use pyroclast::solvers::divergence::{Augmented, Vectors, WithDivergence};
use pyroclast::solvers::gradient::{
    Gradients, Pullback, backsolve, checkpointed, cotangents, tape,
};
use pyroclast::solvers::likelihood::{
    bits_per_dimension, dequantise, log_density, normal_log_density, push_forward,
};
use pyroclast::solvers::{
    BOGACKI_SHAMPINE, Control, DOPRI5, DOPRI8, HEUN, Probe, RK4, TSIT5, TimeGrid, Trace, integrate,
};
use pyroclast::train::{config::Config, task::Task};

type N = NdArray<f64>;

fn draws<B: Backend, const D: usize>(shape: [usize; D]) -> Tensor<B, D> {
    (Noise::new(1).draws(Stream::Sampler, 0)).normal_tensor(shape, &Default::default(), DType::F64)
}

/// The exact field of N(µ, s²I), where all coordinates of µ differ.
fn gaussian<B: Backend, const D: usize>(mut shape: [usize; D]) -> Gaussian<B, Linear, D> {
    shape[0] = 1;
    let n: usize = shape.iter().product();
    let mean: Vec<f64> = (0..n).map(|i| 0.3 * i as f64 - 1.0).collect();
    Gaussian {
        mean: tensor(&mean, shape),
        std: 0.6,
        schedule: Linear::default(),
    }
}

fn mixture<B: Backend>() -> GaussianMixture<B, Linear, 2> {
    let means = tensor([-1.0, 0.5, 1.2, 0.0, 0.0, -1.5], [3, 2]);
    GaussianMixture::new(means, &[0.2, 0.5, 0.3], &[0.3, 0.5, 0.4], Linear::default())
}

fn gaussian_is_exact<B: Backend, const D: usize>(shape: [usize; D]) {
    let field = gaussian::<Autodiff<B>, D>(shape);
    let law = gaussian::<B, D>(shape);
    let control = Control::tolerance(1e-8);
    let base = |x| normal_log_density(x, 1.0);
    // The flow map is µ + s·x0.
    let x0 = draws::<B, D>(shape);
    let there = push_forward(
        &field,
        &DOPRI5,
        x0.clone(),
        (0.0, 1.0),
        base,
        Trace::Exact,
        control,
    )
    .expect("smooth");
    let exact = host(law.log_density(1.0, there.x.clone()));
    for (got, exact) in host(there.log_density.clone()).iter().zip(&exact) {
        assert!((got - exact).abs() < 1e-5, "{got} {exact}");
    }
    for (got, x0) in host(there.x.clone())
        .iter()
        .zip(host(x0.clone() * 0.6 + law.mean.clone()))
    {
        assert!((got - x0).abs() < 1e-6);
    }
    let back = log_density(
        &field,
        &DOPRI5,
        there.x,
        (0.0, 1.0),
        base,
        Trace::Exact,
        control,
    )
    .expect("smooth");
    for (got, exact) in host(back.log_density).iter().zip(&exact) {
        assert!((got - exact).abs() < 1e-5, "{got} {exact}");
    }
    for (back, x0) in host(back.x).iter().zip(host(x0)) {
        assert!((back - x0).abs() < 1e-6);
    }
}

#[test]
fn the_density_of_a_gaussian_flow_is_exact_for_data_of_any_rank() {
    gaussian_is_exact::<N, 2>([7, 2]);
    gaussian_is_exact::<N, 4>([3, 1, 4, 4]);
    gaussian_is_exact::<N, 3>([2, 3, 2]);
    gaussian_is_exact::<Flex, 2>([7, 2]);
}

#[test]
fn forward_and_backward_agree_with_the_density_of_a_mixture() {
    let field = mixture::<Autodiff<N>>();
    let law = mixture::<N>();
    let control = Control::tolerance(1e-9);
    let base = |x| normal_log_density(x, 1.0);
    for pair in [DOPRI5, TSIT5, DOPRI8] {
        let there = push_forward(
            &field,
            &pair,
            draws([20, 2]),
            (0.0, 1.0),
            base,
            Trace::Exact,
            control,
        )
        .expect("smooth");
        let exact = host(law.log_density(1.0, there.x.clone()));
        let back = log_density(
            &field,
            &pair,
            there.x,
            (0.0, 1.0),
            base,
            Trace::Exact,
            control,
        )
        .expect("smooth");
        let both = host(there.log_density)
            .into_iter()
            .zip(host(back.log_density));
        for ((there, back), exact) in both.zip(exact) {
            assert!((there - exact).abs() < 1e-6, "{there} {exact}");
            assert!((back - exact).abs() < 1e-6, "{back} {exact}");
        }
    }
}

#[test]
fn hutchinsons_estimate_has_the_right_mean() {
    // 4000 rows of the same point, each with its own probe: their mean lies within 5 standard
    // errors of the exact log-density.
    let n = 4000;
    let field = mixture::<Autodiff<N>>();
    let x = tensor::<N, 2>([0.4, -0.7], [1, 2]);
    let exact = host(mixture::<N>().log_density(1.0, x.clone()))[0];
    let noise = Noise::new(5);
    for (probe, probes) in [
        (Probe::Rademacher, 1),
        (Probe::Gaussian, 1),
        (Probe::Gaussian, 4),
    ] {
        let trace = Trace::Hutchinson {
            probe,
            probes,
            noise,
            first: 0,
        };
        let found = log_density(
            &field,
            &DOPRI5,
            x.clone().repeat_dim(0, n),
            (0.0, 1.0),
            |x| normal_log_density(x, 1.0),
            trace,
            Control::tolerance(1e-7),
        );
        let values = host(found.expect("smooth").log_density);
        let mean = values.iter().sum::<f64>() / n as f64;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n as f64;
        let bound = 5.0 * (variance / n as f64).sqrt();
        assert!(variance > 1e-4, "{probe:?}: an estimate that does not vary");
        assert!(
            (mean - exact).abs() < bound,
            "{probe:?}: {mean} {exact} ± {bound}"
        );
    }
}

#[test]
fn a_density_keeps_its_tolerance_on_straight_paths() {
    // Through x = µ the path is straight, and every method follows it exactly at any step: only the
    // integral of the divergence can tell the steps how long to be.
    let field = Gaussian::<Autodiff<N>, Linear, 2> {
        mean: tensor([1.0, -2.0], [1, 2]),
        std: 0.3,
        schedule: Linear::default(),
    };
    let exact = -2.0 * (0.3 * std::f64::consts::TAU.sqrt()).ln();
    for pair in [HEUN, BOGACKI_SHAMPINE, DOPRI5, TSIT5] {
        for tolerance in [1e-3, 1e-5, 1e-7] {
            let found = log_density(
                &field,
                &pair,
                tensor::<N, 2>([1.0, -2.0], [1, 2]),
                (0.0, 1.0),
                |x| normal_log_density(x, 1.0),
                Trace::Exact,
                Control::tolerance(tolerance),
            );
            let error = (host(found.expect("smooth").log_density)[0] - exact).abs();
            let name = pair.method.0.name;
            assert!(error < 10.0 * tolerance, "{name} at {tolerance}: {error}");
        }
    }
}

#[test]
fn a_probe_stays_the_same_along_a_trajectory_and_changes_with_its_number() {
    let x = draws::<N, 2>([5, 2]);
    let field = mixture::<Autodiff<N>>();
    let estimate = |first| {
        let vectors: Vectors<N, 2> = Trace::hutchinson(Noise::new(0), first).vectors(&x);
        host(vectors.velocity_and_divergence(&field, 0.5, x.clone()).1)
    };
    assert_eq!(estimate(3), estimate(3));
    assert_ne!(estimate(3), estimate(4));
}

#[test]
fn the_density_of_a_point_does_not_depend_on_its_batch() {
    let field = mixture::<Autodiff<N>>();
    let (few, many) = (3, 40);
    let x = draws::<N, 2>([many, 2]);
    let start = |n: usize| tensor::<N, 2>(&host(x.clone())[..2 * n], [n, 2]);
    for trace in [Trace::Exact, Trace::hutchinson(Noise::new(8), 0)] {
        // On a grid, to rounding; a probe is that of the point's place.
        let on_grid = |n: usize| {
            let both = WithDivergence::new(&field, trace, &start(n));
            let grid = TimeGrid::uniform(0.0, 1.0, 20);
            host(integrate(&both, &RK4, both.pack(start(n)), &grid))
        };
        for (alone, together) in on_grid(few).iter().zip(on_grid(many)) {
            assert!((alone - together).abs() < 1e-12, "{trace:?}");
        }
        // With steps that the batch shares, within the tolerance: the error of a step is the root
        // mean square over n points, so that of a single one is at most √n as large.
        let tol = 1e-7;
        let control = Control::tolerance(tol);
        let base = |x| normal_log_density(x, 1.0);
        let span = (0.0, 1.0);
        let both_ways = |n: usize| {
            let back = log_density(&field, &DOPRI5, start(n), span, base, trace, control);
            let there = push_forward(&field, &DOPRI5, start(n), span, base, trace, control);
            [back, there].map(|moved| moved.expect("smooth"))
        };
        for (alone, together) in both_ways(few).into_iter().zip(both_ways(many)) {
            let steps = alone.statistics.steps + together.statistics.steps;
            let bound = tol * (steps * many) as f64;
            let densities = [alone.log_density, together.log_density].map(host);
            for (a, b) in densities[0].iter().zip(&densities[1]) {
                assert!((a - b).abs() < bound, "{trace:?}: {a} {b} ± {bound}");
            }
        }
    }
}

#[test]
fn images_are_measured_in_bits_per_dimension() {
    // A flow to N(0, s²I) with s ≫ the bins: the rounded values have ln P = ln p + d·ln bin up to
    // O((bin/s)²), and the entropy of N(0, s²) in bins is log₂(s·√(2πe)/bin).
    let (s, bin, n) = (0.5, 0.05, 20_000);
    let field = Gaussian::<Autodiff<N>, Linear, 4> {
        mean: tensor([0.0], [1, 1, 1, 1]),
        std: s,
        schedule: Linear::default(),
    };
    let data = host(draws::<N, 1>([4 * n]) * s);
    let mut rounded: Vec<f32> = (data.iter())
        .map(|v| ((v / bin).round() * bin) as f32)
        .collect();
    dequantise(
        &mut rounded,
        bin,
        &mut Noise::new(2).draws(Stream::Likelihood, 9),
    );
    let rounded: Vec<f64> = rounded.into_iter().map(f64::from).collect();
    let found = log_density(
        &field,
        &DOPRI5,
        tensor::<N, 4>(&rounded, [n, 1, 2, 2]),
        (0.0, 1.0),
        |x| normal_log_density(x, 1.0),
        Trace::hutchinson(Noise::new(3), 0),
        Control::tolerance(1e-6),
    );
    let values = host(found.expect("smooth").log_density);
    let mean = values.iter().sum::<f64>() / n as f64;
    let bits = bits_per_dimension(mean, 4, bin);
    let entropy = (s * (std::f64::consts::TAU * std::f64::consts::E).sqrt() / bin).log2();
    // −ln p has standard deviation √½ per dimension, and there are 4n.
    let bound = 5.0 * (0.5 / (4.0 * n as f64)).sqrt() / 2_f64.ln() + (bin / s).powi(2);
    assert!((bits - entropy).abs() < bound, "{bits} {entropy} ± {bound}");
}

/// A flow of the plane: x + V·tanh(x·W + t·w).
#[derive(Module, Debug)]
struct Net<B: Backend> {
    inner: Param<Tensor<B, 2>>,
    time: Param<Tensor<B, 1>>,
    outer: Param<Tensor<B, 2>>,
    bias: Param<Tensor<B, 1>>,
}

impl<B: Backend> VectorField<B, 2> for Net<B> {
    fn velocity(&self, t: f64, x: Tensor<B, 2>) -> Tensor<B, 2> {
        let hidden = x.matmul(self.inner.val()) + (self.time.val() * t).unsqueeze();
        activation::tanh(hidden).matmul(self.outer.val()) + self.bias.val().unsqueeze()
    }
}

fn net<B: Backend>() -> Net<B> {
    let device = Default::default();
    let mut draws = Noise::new(3).draws(Stream::Init, 0);
    let dtype = DType::F64;
    Net {
        inner: Param::from_tensor(draws.normal_tensor([2, 16], &device, dtype)),
        time: Param::from_tensor(draws.normal_tensor([16], &device, dtype)),
        outer: Param::from_tensor(draws.scaled_normal_tensor(0.1, [16, 2], &device, dtype)),
        bias: Param::from_tensor(Tensor::zeros([2], (&device, dtype))),
    }
}

/// The negative log-likelihood of rows `[x_0 | −∫∇·u]`, the end of a solve from 1 to 0.
fn negative_log_likelihood<B: Backend>(z: Tensor<B, 2>) -> Tensor<B, 1> {
    let x0 = z.clone().narrow(1, 0, 2);
    let integral = z.narrow(1, 2, 1).squeeze_dim::<1>(1);
    -(normal_log_density(x0, 1.0) + integral).mean()
}

type Flowing = Augmented<Autodiff<N>, Net<Autodiff<N>>>;

fn listed(gradients: Gradients<N, 2>, flow: &Flowing) -> Vec<Vec<f64>> {
    let Gradients { x, parameters, .. } = gradients;
    let net = &flow.field;
    vec![
        host(x),
        host(parameters.get::<N, 2>(net.inner.id).expect("used")),
        host(parameters.get::<N, 1>(net.time.id).expect("used")),
        host(parameters.get::<N, 2>(net.outer.id).expect("used")),
    ]
}

#[test]
fn a_flow_is_trained_through_its_divergence_by_tape_checkpoints_and_adjoint() {
    for trace in [Trace::Exact, Trace::hutchinson(Noise::new(8), 0)] {
        let flow: Flowing = Augmented::new(net(), trace);
        let data = draws::<N, 2>([6, 2]) * 0.5 + 1.0;
        let z = || Augmented::<N, Net<N>>::pack(data.clone());
        let times = TimeGrid::uniform(1.0, 0.0, 1);
        let loss = |z: &[Tensor<Autodiff<N>, 2>]| negative_log_likelihood(z[1].clone());

        let taped = tape(&flow, &RK4, z(), &times, 20);
        let (value, given) = cotangents(&taped.states, loss);
        let taped = listed(taped.pullback.apply(&given).expect("a tape"), &flow);
        let replayed = checkpointed(&flow, &RK4, z(), &times, 20);
        let replayed = listed(replayed.pullback.apply(&given).expect("a replay"), &flow);
        assert_eq!(taped, replayed, "{trace:?}");
        let control = Control::tolerance(1e-8);
        let adjoint = backsolve(&flow, &DOPRI5, z(), &times, control).expect("smooth");
        let adjoint = listed(adjoint.pullback.apply(&given).expect("smooth"), &flow);
        for (a, b) in adjoint.iter().flatten().zip(taped.iter().flatten()) {
            assert!((a - b).abs() < 1e-5, "{trace:?}: {a} {b}");
        }

        // Finite differences would show a second-order term that all three leave out.
        let nudged = |by: f64| {
            let mut flow = flow.clone();
            let mut values = host(flow.field.inner.val());
            values[5] += by;
            flow.field.inner = Param::from_tensor(tensor(&values, [2, 16]));
            let solved = checkpointed(&flow, &RK4, z(), &times, 20);
            host(cotangents(&solved.states, loss).0)[0]
        };
        let h = 1e-5;
        let slope = (nudged(h) - nudged(-h)) / (2.0 * h);
        assert!(
            (slope - taped[1][5]).abs() < 1e-8,
            "{slope} {}",
            taped[1][5]
        );
        assert!((nudged(0.0) - host(value)[0]).abs() < 1e-12);
    }
}

#[test]
fn maximum_likelihood_finds_a_gaussian() {
    use burn::optim::{AdamConfig, Optimizer};
    // The entropy of N(µ, s²I) in the plane is 1 + ln 2πs².
    let (mean, s, n) = (1.0, 0.5, 256);
    let data = draws::<N, 2>([n, 2]) * s + mean;
    let entropy = 1.0 + (std::f64::consts::TAU * s * s).ln();
    let mut flow: Flowing = Augmented::new(net(), Trace::Exact);
    let mut optimizer = AdamConfig::new().init::<Autodiff<N>, Flowing>();
    let times = TimeGrid::uniform(1.0, 0.0, 1);
    let mut values = Vec::new();
    for _ in 0..120 {
        let z = Augmented::<N, Net<N>>::pack(data.clone());
        let solved = checkpointed(&flow, &RK4, z, &times, 4);
        let (value, given) = cotangents(&solved.states, |z| negative_log_likelihood(z[1].clone()));
        let gradients = solved.pullback.apply(&given).expect("a replay");
        flow = optimizer.step(0.03, flow, gradients.parameters);
        values.push(host(value)[0]);
    }
    let last = values[values.len() - 1];
    // The sample's entropy differs from the distribution's by about 1/√n.
    let bound = 5.0 / (n as f64).sqrt();
    assert!(values[0] > entropy + 1.0, "{} {entropy}", values[0]);
    assert!((last - entropy).abs() < bound, "{last} {entropy} ± {bound}");
}

#[test]
fn the_density_of_a_trained_model_integrates_to_one() {
    type A = Autodiff<Flex>;
    let (device, noise) = (Default::default(), Noise::new(0));
    let config = Config::load("moons", &["training.steps=1000".into()]).expect("a preset");
    let task = Task::load(&config.data, noise).expect("generated data");
    let network = MlpConfig::new(2).init(&mut Init::<A>::new(noise, &device));
    let mut trainer = config.trainer(network, task, &device);
    trainer.run(1000, &mut ()).expect("finite losses");
    let flow = trainer.averaged().tracked::<Flex>();
    // Moons lie within [−3, 4] × [−2, 3]; noise of .1 about the arcs is wider than the grid.
    let (cell, low, n) = (0.06, (-4.5, -4.0), (170, 140));
    let points: Vec<f64> = (0..n.0 * n.1)
        .flat_map(|i| {
            let at = |low: f64, k: usize| low + cell * k as f64;
            [at(low.0, i % n.0), at(low.1, i / n.0)]
        })
        .collect();
    let data = TensorData::new(points, [n.0 * n.1, 2]).convert::<f32>();
    let found = log_density(
        &flow.unconditional::<A, 2>(),
        &DOPRI5,
        Tensor::<Flex, 2>::from_data(data, &device),
        (0.0, 1.0),
        |x| normal_log_density(x, 1.0),
        Trace::Exact,
        Control::tolerance(1e-4),
    );
    let densities = host(found.expect("a trained model").log_density);
    let mass = densities.iter().map(|v| v.exp()).sum::<f64>() * cell * cell;
    assert!((mass - 1.0).abs() < 0.01, "{mass}");
}
