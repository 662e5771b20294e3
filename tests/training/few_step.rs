//! Models of few steps against exact flow maps: identities, losses and their fixed points,
//! derivatives, samplers.
//!
//! Source N(0, 1), data N(m, s²), linear path: `X(t, r, x) = rm + √(v_r/v_t)·(x − tm)`,
//! `v_t = (1 − t)² + t²s²`

mod consistency;
mod differences;
mod oracles;
mod parts;

use burn::backend::Autodiff;
use burn::module::{Module, Param};
use burn::tensor::backend::Backend;
use burn::tensor::{DType, Tensor};
use burn_flex::Flex;
use burn_ndarray::NdArray;
use pyroclast::burn;
use pyroclast::core::analytic::{Gaussian, QuantileMap};
use pyroclast::core::condition::{Condition, Given};
use pyroclast::core::endpoints::Endpoints;
use pyroclast::core::few_step::{FewStep, Metric, Steps, Teacher};
use pyroclast::core::field::{Counted, VectorField};
use pyroclast::core::flow::Flow;
use pyroclast::core::flow_map::FlowMap;
use pyroclast::core::jvp::{Derivative, Inputs, difference, double_backward};
use pyroclast::core::network::{Direction, Network};
use pyroclast::core::noise::{Draws, Noise, Stream};
use pyroclast::core::objective::Objective;
use pyroclast::core::path::Path;
use pyroclast::core::per_sample::from_host;
use pyroclast::core::prediction::Prediction;
use pyroclast::core::schedule::{Linear, Trigonometric};
use pyroclast::models::{DiTConfig, Init, MlpConfig, Modulation, Resample};
use pyroclast::models::{TimeFeatures, TimeInput, UNetConfig};
use pyroclast::solvers::flow_map::{Jump, Renoise, SolvedMap};
use pyroclast::solvers::{EULER, Increments, RK4, TimeGrid, integrate};
use pyroclast::train::dataset::Dataset;
use pyroclast::train::draw::{MethodName, Plan, SampleError};
use pyroclast::train::learn::{Pairs, Trainer};

type B = NdArray<f64>;
type A = Autodiff<B>;

const MEAN: f64 = 0.7;
const STD: f64 = 0.5;

fn tensor<T: Backend, const D: usize>(values: &[f64], shape: [usize; D]) -> Tensor<T, D> {
    from_host(values.to_vec(), shape, &Default::default(), DType::F64)
}

fn column(values: &[f64]) -> Tensor<B, 2> {
    tensor(values, [values.len(), 1])
}

fn values<T: Backend, const D: usize>(x: Tensor<T, D>) -> Vec<f64> {
    x.into_data().iter::<f64>().collect()
}

fn number<T: Backend, const D: usize>(x: Tensor<T, D>) -> f64 {
    let [value] = values(x)[..] else {
        panic!("one number");
    };
    value
}

#[track_caller]
fn close(got: f64, expected: f64, tolerance: f64) {
    assert!(
        (got - expected).abs() <= tolerance,
        "{got} instead of {expected}"
    );
}

fn exact() -> Gaussian<B, Linear, 2> {
    Gaussian {
        mean: column(&[MEAN]),
        std: STD,
        schedule: Linear::default(),
    }
}

/// `c·u`, with u the exact average velocity: c = 1 is what every training has to find.
#[derive(Module, Debug)]
struct Scaled<B: Backend> {
    c: Param<Tensor<B, 1>>,
}

impl<B: Backend> Scaled<B> {
    fn new(c: f64) -> Self {
        let c = tensor(&[c], [1]);
        Self {
            c: Param::from_tensor(c),
        }
    }
}

fn variance<T: Backend>(t: Tensor<T, 2>) -> Tensor<T, 2> {
    (t.clone() * -1.0 + 1.0).square() + t.square() * (STD * STD)
}

impl<T: Backend> Network<T, 2> for Scaled<T> {
    type Condition = ();

    fn forward(&self, x: Tensor<T, 2>, t: Tensor<T, 1>, (): &()) -> Tensor<T, 2> {
        self.forward_over(x, t.clone(), t.zeros_like(), &(), None)
    }

    /// `u = m + (x − tm)·(√(v_r/v_t) − 1)/d`, with the quotient written so that d = 0 is no case
    /// of its own: `√a − 1 = (a − 1)/(√a + 1)`, and `(v_r − v_t)/d = (1 + s²)(t + r) − 2`.
    fn forward_over(
        &self,
        x: Tensor<T, 2>,
        t: Tensor<T, 1>,
        duration: Tensor<T, 1>,
        (): &(),
        _: Option<&mut Draws>,
    ) -> Tensor<T, 2> {
        let [t, d] = [t, duration].map(|v| v.unsqueeze_dim::<2>(1));
        let r = t.clone() + d;
        let (from, to) = (variance(t.clone()), variance(r.clone()));
        let rate = ((t.clone() + r) * (1.0 + STD * STD) - 2.0) / from.clone();
        let slope = rate / ((to / from).sqrt() + 1.0);
        ((x - t * MEAN) * slope + MEAN) * self.c.val().unsqueeze_dim::<2>(0)
    }

    fn tangent_over(
        &self,
        x: Tensor<T, 2>,
        t: Tensor<T, 1>,
        duration: Tensor<T, 1>,
        (): &(),
        direction: &Direction<T, 2>,
    ) -> Option<(Tensor<T, 2>, Tensor<T, 2>)> {
        Some(with_tangent(self, (x, t, duration), direction))
    }
}

/// The output and its derivative along a direction, to about 1e-12: two differences are combined so
/// that what they cut off of the order step² cancels.
fn with_tangent<T: Backend, N: Network<T, 2, Condition = ()>>(
    network: &N,
    inputs: Inputs<T, 2>,
    direction: &Direction<T, 2>,
) -> (Tensor<T, 2>, Tensor<T, 2>) {
    let by = |step| difference(network, inputs.clone(), &(), direction, step);
    let slope = (by(5e-4) * 4.0 - by(1e-3)) / 3.0;
    let (x, t, duration) = inputs;
    (network.forward_over(x, t, duration, &(), None), slope)
}

/// The exact velocity as a teacher.
struct ExactVelocity;

impl<T: Backend> Teacher<T, 2> for ExactVelocity {
    fn velocities(&self, t: &[f64], x: Tensor<T, 2>, _: &Given) -> Tensor<T, 2> {
        let t = tensor(t, [t.len()]);
        Scaled::new(1.0).forward(x, t, &())
    }
}

fn flow(c: f64) -> Flow<Scaled<A>> {
    let prediction = FewStep::Semigroup { equal: 0.5 }.prediction().expect("one");
    Flow::new(Scaled::new(c), Path::linear(), Objective::new(prediction))
}

/// Every training.
fn trainings() -> [(&'static str, FewStep); 5] {
    [
        (
            "MeanFlow",
            FewStep::MeanFlow {
                equal: 0.25,
                power: 0.0,
                offset: 1e-3,
                guidance: 1.0,
                derivative: Derivative::Auto,
            },
        ),
        (
            "Eulerian",
            FewStep::Eulerian {
                equal: 0.5,
                derivative: Derivative::Auto,
            },
        ),
        (
            "Lagrangian",
            FewStep::Lagrangian {
                equal: 0.5,
                derivative: Derivative::Auto,
            },
        ),
        ("semigroup", FewStep::Semigroup { equal: 0.5 }),
        (
            "shortcut",
            // So many that Euler's method over the smallest is exact.
            FewStep::Shortcut {
                equal: 0.75,
                steps: 1 << 20,
            },
        ),
    ]
}

/// The loss with a teacher, and the gradient of c, on a batch of random pairs.
fn loss(method: FewStep, c: f64, n: usize) -> (f64, f64) {
    let path = Path::linear();
    let mut draws = Noise::new(4).draws(Stream::Data, 0);
    let t = path.times(n, &mut draws);
    let steps = method.steps(0, t, &path, Prediction::Velocity, &mut draws);
    let x0 = draws.normal_tensor([n, 1], &Default::default(), DType::F64);
    let x1: Tensor<A, 2> = draws.normal_tensor([n, 1], &Default::default(), DType::F64);
    let x1 = x1 * STD + MEAN;
    loss_of(
        method,
        c,
        &steps,
        Some(&ExactVelocity),
        Endpoints { x0, x1 },
    )
}

/// The loss and the gradient of c.
fn loss_of(
    method: FewStep,
    c: f64,
    steps: &Steps,
    teacher: Option<&dyn Teacher<B, 2>>,
    endpoints: Endpoints<A, 2>,
) -> (f64, f64) {
    let sample = Path::linear().sample(endpoints, None, &steps.t);
    let flow = flow(c);
    let given = Given::nothing();
    let loss = method.loss(
        &flow,
        &flow.valid::<A>(),
        teacher,
        &sample,
        steps,
        &given,
        None,
    );
    let gradients = loss.loss.backward();
    let gradient = flow.network.c.grad(&gradients).expect("a gradient");
    (number(loss.error), number(gradient))
}

#[test]
fn maps_have_their_closed_forms() {
    let (map, x) = (exact(), column(&[1.3]));
    close(
        number(map.map(0.2, 0.9, x.clone())),
        1.293_255_374_880_364,
        1e-12,
    );
    let u = number(map.average_velocity(0.2, 0.9, x.clone()));
    close(u, -0.009_635_178_742_337_01, 1e-12);
    close(
        number(map.velocity(0.2, x.clone())),
        -0.638_461_538_461_538_5,
        1e-12,
    );
    let halves = [(0.2, 0.55), (0.55, 0.9)];
    let middle = map.map(0.2, 0.55, x.clone());
    let halves = halves.map(|(t, r)| {
        let from = if t < 0.5 { x.clone() } else { middle.clone() };
        number(map.average_velocity(t, r, from))
    });
    close(halves[0], -0.446_315_651_871_852_7, 1e-12);
    close(halves[1], 0.427_045_294_387_178_7, 1e-12);
    close(0.5 * (halves[0] + halves[1]), u, 1e-12);
    // One step from noise, where Euler's method gives the mean whatever the noise is.
    close(number(map.map(0.0, 1.0, column(&[-0.4]))), 0.5, 1e-12);
    let euler = integrate(
        &map,
        &EULER,
        column(&[-0.4, 1.9]),
        &TimeGrid::uniform(0.0, 1.0, 1),
    );
    for x in values(euler) {
        close(x, MEAN, 1e-12);
    }
    // The network of the other tests is this map.
    let inputs = (x.clone(), tensor(&[0.2], [1]), tensor(&[0.7], [1]));
    let network = Scaled::<B>::new(1.0).forward_over(inputs.0, inputs.1, inputs.2, &(), None);
    close(number(network), u, 1e-12);
}

#[test]
fn a_solver_makes_the_maps_that_are_known() {
    let x = column(&[-2.5, -0.3, 0.1, 1.9]);
    let trigonometric = Gaussian {
        mean: column(&[MEAN]),
        std: STD,
        schedule: Trigonometric,
    };
    let solved = |field: &dyn VectorField<B, 2>, t, r| {
        let map = SolvedMap {
            field,
            method: RK4,
            steps: 400,
        };
        values(map.map(t, r, x.clone()))
    };
    let mixture = QuantileMap {
        means: vec![-1.5, 0.2, 2.0],
        weights: vec![0.3, 0.2, 0.5],
        stds: vec![0.4, 0.7, 0.5],
        schedule: Linear::default(),
    };
    let field = pyroclast::core::analytic::GaussianMixture::new(
        column(&mixture.means),
        &mixture.weights,
        &mixture.stds,
        Linear::default(),
    );
    for (t, r) in [(0.0, 1.0), (0.2, 0.9), (0.8, 0.3)] {
        let exact = values(trigonometric.map(t, r, x.clone()));
        for (got, expected) in solved(&trigonometric, t, r).into_iter().zip(exact) {
            close(got, expected, 1e-8);
        }
        let exact: Vec<f64> = values(FlowMap::<B, 2>::map(&mixture, t, r, x.clone()));
        for (got, expected) in solved(&field, t, r).into_iter().zip(exact) {
            close(got, expected, 1e-6);
        }
    }
}

#[test]
fn the_exact_map_is_a_fixed_point_of_every_training() {
    for (name, method) in trainings() {
        let (error, gradient) = loss(method, 1.0, 64);
        assert!(
            error < 1e-15 && gradient.abs() < 1e-7,
            "{name}: {error} {gradient}"
        );
        // And nothing near it is.
        for c in [0.9, 1.1] {
            let (error, gradient) = loss(method, c, 64);
            assert!(error > 1e-4, "{name} at {c}: {error}");
            assert!(gradient * (c - 1.0) > 0.0, "{name} at {c}: {gradient}");
        }
    }
}

#[test]
fn steps_are_inside_the_path_and_dyadic_where_they_have_to_be() {
    let path = Path::linear();
    for (name, method) in trainings() {
        let mut draws = Noise::new(2).draws(Stream::Duration, 0);
        let t = path.times(1000, &mut draws);
        let steps = method.steps(0, t.clone(), &path, Prediction::Velocity, &mut draws);
        assert_eq!(steps.t[..steps.equal], t[..steps.equal], "{name}");
        for (row, (&t, &d)) in steps.t.iter().zip(&steps.durations).enumerate() {
            assert_eq!(d == 0.0, row < steps.equal, "{name}");
            assert!(t >= 0.0 && d >= 0.0 && t + d <= 1.0, "{name}: {t} {d}");
            if let (FewStep::Shortcut { steps: all, .. }, true) = (method, d > 0.0) {
                assert!((t / d).fract() == 0.0 && d.log2().fract() == 0.0, "{t} {d}");
                assert!(d * all as f64 >= 2.0);
            }
        }
    }
}

/// The largest difference, relative to the largest expected value.
fn apart<const D: usize>(got: Tensor<B, D>, expected: Tensor<B, D>) -> f64 {
    let largest = |x: Tensor<B, D>| x.abs().max().into_scalar();
    largest(got - expected.clone()) / largest(expected)
}

/// Adds noise to every parameter, since layers that start at zero hide the others.
struct Shake(Draws);

impl<T: Backend> burn::module::ModuleMapper<T> for Shake {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<T, D>>) -> Param<Tensor<T, D>> {
        param.map(|old| {
            let noise = self.0.normal_tensor(old.dims(), &old.device(), old.dtype());
            let trains = old.is_require_grad();
            (old + noise * 0.1).detach().set_require_grad(trains)
        })
    }
}

fn shaken<T: Backend, N: Module<T>>(network: N) -> N {
    network.map(&mut Shake(Noise::new(5).draws(Stream::Data, 0)))
}

#[test]
fn derivatives_agree_on_every_network() {
    let device = Default::default();
    let mut draws = Noise::new(7).draws(Stream::Data, 0);
    let mut normal = |n: usize| draws.normal_tensor::<B, 1>([n], &device, DType::F64);
    let t = tensor::<B, 1>(&[0.1, 0.4, 0.8], [3]);
    let duration = tensor::<B, 1>(&[0.7, 0.0, 0.2], [3]);
    let given = Given::labels(&[0, 2, 1], 3).and(Given::vectors(&[0.5; 6], 2));
    // The tangents of an MLP, with either form of the time.
    let (x, v) = (normal(6).reshape([3, 2]), normal(6).reshape([3, 2]));
    for (time, tolerance) in [(TimeInput::Plain, 1e-8), (TimeInput::Sinusoids(4), 1e-4)] {
        let config = MlpConfig {
            width: 16,
            classes: 3,
            attributes: 2,
            durations: true,
            time,
            ..MlpConfig::new(2)
        };
        let network = shaken(config.init::<B>(&mut Init::new(Noise::new(0), &device)));
        for direction in [
            Direction {
                x: Some(v.clone()),
                t: 1.0,
                duration: -1.0,
            },
            Direction {
                x: None,
                t: 0.0,
                duration: 1.0,
            },
        ] {
            let inputs = (x.clone(), t.clone(), duration.clone());
            let twice = double_backward(&network, inputs.clone(), &given, &direction);
            assert!(exact_along(&network, &inputs, &given, &direction, twice) < 1e-10);
            let condition = Condition::upload(&given, &device);
            let slope = difference(&network, inputs.clone(), &condition, &direction, 1e-6);
            assert!(exact_along(&network, &inputs, &given, &direction, slope) < tolerance);
        }
    }
    // Networks of images.
    let time = TimeFeatures {
        scale: 10.0,
        ..TimeFeatures::default()
    };
    let given = Given::labels(&[0, 2, 1], 3)
        .and(Given::vectors(&[0.5; 6], 2))
        .and(Given::images(&[0.3; 48], [1, 4, 4]))
        .and(Given::sequences(&[0.4; 18], [2, 3], &[2, 1, 0]));
    let unet = UNetConfig {
        channels: 8,
        attention: vec![4],
        classes: 3,
        attributes: 2,
        beside: 1,
        sequence: 3,
        durations: true,
        time,
        ..UNetConfig::new(1, [4, 4])
    };
    let dit = DiTConfig {
        width: 16,
        depth: 2,
        heads: 2,
        classes: 3,
        attributes: 2,
        beside: 1,
        sequence: 3,
        durations: true,
        time,
        ..DiTConfig::new(1, [4, 4])
    };
    let init = || Init::<B>::new(Noise::new(0), &device);
    // burn does not differentiate the change of size between levels twice.
    let level = UNetConfig {
        multipliers: vec![1.0],
        ..unet.clone()
    };
    let level = shaken(level.init(&mut init()));
    let dit = shaken(dit.init(&mut init()));
    let shape = [3, 1, 4, 4];
    for direction in [
        Direction {
            x: Some(normal(48).reshape(shape)),
            t: 1.0,
            duration: -1.0,
        },
        Direction {
            x: None,
            t: 0.0,
            duration: 1.0,
        },
    ] {
        let inputs = (normal(48).reshape(shape), t.clone(), duration.clone());
        let twice = double_backward(&level, inputs.clone(), &given, &direction);
        assert!(exact_along(&level, &inputs, &given, &direction, twice) < 1e-10);
        let twice = double_backward(&dit, inputs.clone(), &given, &direction);
        assert!(exact_along(&dit, &inputs, &given, &direction, twice) < 1e-10);
        for (modulation, resample) in [
            (Modulation::ScaleShift, Resample::Convolution),
            (Modulation::Additive, Resample::ConvolutionFromCorner),
            (Modulation::ScaleShift, Resample::Plain),
            (Modulation::Additive, Resample::Blocks { project: true }),
        ] {
            let config = UNetConfig {
                modulation,
                resample,
                multipliers: vec![1.0, 2.0],
                ..unet.clone()
            };
            let network = shaken(config.init::<B>(&mut init()));
            let condition = Condition::upload(&given, &device);
            let slope = difference(&network, inputs.clone(), &condition, &direction, 1e-5);
            let apart = exact_along(&network, &inputs, &given, &direction, slope);
            assert!(apart < 1e-6, "{modulation:?} {resample:?}: {apart}");
        }
    }
}

/// How far the tangent of a network is from what is expected of it, along with the output, which
/// must be that of the network without a tangent.
fn exact_along<N: Network<B, D>, const D: usize>(
    network: &N,
    inputs: &(Tensor<B, D>, Tensor<B, 1>, Tensor<B, 1>),
    given: &Given,
    direction: &Direction<B, D>,
    expected: Tensor<B, D>,
) -> f64 {
    let condition = Condition::upload(given, &Default::default());
    let (x, t, duration) = inputs.clone();
    let plain = network.forward_over(x.clone(), t.clone(), duration.clone(), &condition, None);
    let both = network.tangent_over(x, t, duration, &condition, direction);
    let (u, tangent) = both.expect("a network whose layers carry tangents");
    assert!(apart(u, plain) < 1e-13);
    apart(tangent, expected)
}

#[test]
fn jumps_are_exact_on_any_grid_and_cost_one_evaluation_each() {
    let map = exact();
    let x0 = column(&[-2.0, -0.4, 0.0, 1.1]);
    for times in [vec![0.0, 1.0], vec![0.0, 0.3, 0.35, 1.0]] {
        let grid = TimeGrid::new(times).expect("a grid");
        let counted = Counted::new(&map);
        let x1 = integrate(&counted, &Jump, x0.clone(), &grid);
        assert_eq!(counted.evaluations(), grid.steps());
        for (x1, x0) in values(x1).into_iter().zip(values(x0.clone())) {
            close(x1, MEAN + STD * x0, 1e-12);
        }
        // And back.
        let back = TimeGrid::new(grid.times().iter().rev().copied().collect());
        let x = integrate(&map, &Jump, x0.clone(), &back.expect("a grid"));
        for (x, x1) in values(x).into_iter().zip(values(x0.clone())) {
            close(x, (x1 - MEAN) / STD, 1e-12);
        }
    }
}

#[test]
fn renoised_samples_keep_the_distribution() {
    let n = 40_000;
    let mut draws = Noise::new(3).draws(Stream::Sampler, 9);
    let x0 = draws.normal_tensor([n, 1], &Default::default(), DType::F64);
    let method = Renoise {
        brownian: Increments {
            noise: Noise::new(8),
            first: 0,
        },
    };
    let x1 = values(integrate(
        &exact(),
        &method,
        x0,
        &TimeGrid::uniform(0.0, 1.0, 4),
    ));
    let mean = x1.iter().sum::<f64>() / n as f64;
    let variance = x1.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n as f64;
    close(mean, MEAN, 5.0 * STD / (n as f64).sqrt());
    close(
        variance,
        STD * STD,
        5.0 * STD * STD * (2.0 / n as f64).sqrt(),
    );
}

/// Mean and standard deviation of one-step samples of an MLP trained on N(m, s²) in the plane.
fn trained(method: FewStep, steps: u64) -> [f64; 2] {
    let device = Default::default();
    let mut draws = Noise::new(1).draws(Stream::Data, 0);
    let points: Vec<f32> = (draws.normals(2 * 2048).into_iter())
        .map(|z| (MEAN + STD * f64::from(z)) as f32)
        .collect();
    let config = MlpConfig {
        durations: true,
        ..MlpConfig::new(2)
    };
    let network = config.init(&mut Init::<Autodiff<Flex>>::new(Noise::new(0), &device));
    let objective = Objective::new(method.prediction().expect("a training"));
    let flow = Flow::new(network, Path::linear(), objective);
    let mut trainer = Trainer::new(flow, Dataset::rows(&points, 2), Noise::new(0), &device)
        .batch(256)
        .learning_rate(3e-3)
        .ema(0.99)
        .few_step(method);
    trainer.run(steps, &mut ()).expect("a training");
    let model = trainer.model();
    let plan = Plan::new(MethodName::FLOW_MAP, 1, 5);
    let x = model
        .sample(4096, &Given::nothing(), &plan)
        .expect("samples");
    let n = x.len() as f64;
    let mean = x.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
    let variance = x
        .iter()
        .map(|&x| (f64::from(x) - mean).powi(2))
        .sum::<f64>()
        / n;
    [mean, variance.sqrt()]
}

#[test]
fn a_model_trained_from_scratch_samples_in_one_step() {
    let auto = Derivative::Auto;
    for (name, method) in [
        (
            "MeanFlow",
            FewStep::MeanFlow {
                equal: 0.25,
                power: 1.0,
                offset: 1e-3,
                guidance: 1.0,
                derivative: auto,
            },
        ),
        (
            "Lagrangian",
            FewStep::Lagrangian {
                equal: 0.5,
                derivative: auto,
            },
        ),
        (
            "Eulerian",
            FewStep::Eulerian {
                equal: 0.5,
                derivative: auto,
            },
        ),
        ("semigroup", FewStep::Semigroup { equal: 0.5 }),
        (
            "shortcut",
            FewStep::Shortcut {
                equal: 0.75,
                steps: 128,
            },
        ),
        (
            "consistency training",
            FewStep::ConsistencyTraining {
                equal: 0.25,
                first: 10,
                last: 160,
                halving: 600,
                metric: Metric::default(),
            },
        ),
        (
            "continuous consistency",
            FewStep::ContinuousConsistency {
                equal: 0.25,
                offset: 0.1,
                warm_up: 1000,
                derivative: auto,
            },
        ),
    ] {
        let [mean, std] = trained(method, 3000);
        // Euler's method on the velocity would give a deviation of 0.
        assert!((mean - MEAN).abs() < 0.06, "{name}: mean {mean}");
        assert!((std - STD).abs() < 0.06, "{name}: deviation {std}");
    }
}

#[test]
fn what_a_model_does_not_know_is_refused() {
    let device = Default::default();
    let network = |durations| {
        let config = MlpConfig {
            durations,
            ..MlpConfig::new(2)
        };
        config.init(&mut Init::<Flex>::new(Noise::new(0), &device))
    };
    let shortcut = FewStep::Shortcut {
        equal: 0.75,
        steps: 8,
    };
    let objective = Objective::new(shortcut.prediction().expect("a training"));
    let model = Flow::new(network(true), Path::linear(), objective);
    let check = |flow: &Flow<_>, method, steps| {
        pyroclast::train::draw::check::<Flex, _, _, 2>(flow, &Plan::new(method, steps, 0))
    };
    for steps in [1, 2, 4, 8, 16, 13] {
        check(&model, MethodName::FLOW_MAP, steps).expect("steps that it knows");
    }
    for steps in [3, 5] {
        let error = check(&model, MethodName::FLOW_MAP, steps).expect_err("not dyadic");
        assert!(matches!(error, SampleError::NotDyadic { .. }), "{error}");
    }
    // A consistency model knows the end alone, and jumps there again from new noise.
    let objective = Objective::new(Prediction::average_to_data());
    let consistent = Flow::new(network(true), Path::linear(), objective);
    check(&consistent, MethodName::FLOW_MAP, 1).expect("one step");
    let error = check(&consistent, MethodName::FLOW_MAP, 2).expect_err("a step to the middle");
    assert!(error.to_string().contains("renoise"), "{error}");
    for steps in [1, 3] {
        check(&consistent, MethodName::RENOISE, steps).expect("jumps to the data");
    }
    // Any ODE method takes any steps of its velocity.
    check(&model, MethodName::HEUN, 3).expect("a velocity");
    let plain = Flow::velocity(network(false), Path::linear());
    for method in [MethodName::FLOW_MAP, MethodName::RENOISE] {
        let error = check(&plain, method, 1).expect_err("no map");
        assert!(error.to_string().contains("few-step.method"), "{error}");
    }
}

#[test]
#[should_panic(expected = "none back from t = 1 to 0")]
fn a_trained_map_leads_towards_the_data_alone() {
    let flow = flow(1.0).valid::<A>();
    let x1 = column(&[0.3]);
    // No time at all is no step back.
    let same = values(flow.given(&()).map(1.0, 1.0, x1.clone()));
    assert_eq!(same, [0.3]);
    flow.given(&()).map(1.0, 0.0, x1);
}

#[test]
fn a_teacher_has_a_velocity_at_the_ends_whatever_it_predicts() {
    /// The exact prediction for data N(m, s²): `E[x1|x]`, `E[x0|x]` or `−E[x0|x]/σ`.
    #[derive(Module, Debug)]
    struct Told<B: Backend> {
        one: Param<Tensor<B, 1>>,
        what: usize,
    }
    impl<T: Backend> Network<T, 2> for Told<T> {
        type Condition = ();

        fn forward(&self, x: Tensor<T, 2>, t: Tensor<T, 1>, (): &()) -> Tensor<T, 2> {
            let t = t.unsqueeze_dim::<2>(1);
            let sigma = t.clone() * -1.0 + 1.0;
            let centred = (x - t.clone() * MEAN) / variance(t.clone());
            let told = match self.what {
                0 => centred * t * (STD * STD) + MEAN,
                1 => centred * sigma,
                _ => centred * -1.0,
            };
            told * self.one.val().unsqueeze_dim::<2>(0)
        }
    }
    let (ends, x) = ([0.0, 1.0], column(&[-0.4, 1.1]));
    for (what, prediction) in [
        (0, Prediction::Data),
        (1, Prediction::Noise),
        (2, Prediction::Score),
    ] {
        let one = Param::from_tensor(tensor(&[1.0], [1]));
        let network: Told<B> = Told { one, what };
        let flow = Flow::new(network, Path::linear(), Objective::new(prediction));
        let (start, end) = flow.span();
        let told = values(flow.velocities(&ends, x.clone(), &Given::nothing()));
        let exact = ExactVelocity.velocities(&[start, end], x.clone(), &Given::nothing());
        for (told, exact) in told.into_iter().zip(values::<B, 2>(exact)) {
            close(told, exact, 1e-10);
        }
    }
}

#[test]
fn a_student_of_pairs_jumps_as_its_teacher_flows() {
    let device = Default::default();
    let x0 = Noise::new(3).draws(Stream::Data, 0).normals(2 * 4096);
    let map = |z: &f32| (MEAN + STD * f64::from(*z)) as f32;
    let pairs = Pairs {
        x1: x0.iter().map(map).collect(),
        x0,
        given: Given::nothing(),
        dim: 2,
    };
    let config = MlpConfig {
        durations: true,
        ..MlpConfig::new(2)
    };
    let network = config.init(&mut Init::<Autodiff<Flex>>::new(Noise::new(0), &device));
    let method = FewStep::Distillation {
        equal: 0.5,
        pairs: 4096,
    };
    let objective = Objective::new(method.prediction().expect("a training"));
    let flow = Flow::new(network, Path::linear(), objective);
    // Data that no pair holds: it is not read. Its scale is that of the pairs.
    let data = Dataset::rows(&[1.0, 1.0, -1.0, -1.0].repeat(16), 2);
    let mut trainer = Trainer::new(flow, data, Noise::new(0), &device)
        .batch(256)
        .learning_rate(3e-3)
        .ema(0.99)
        .few_step(method)
        .pairs(&pairs);
    trainer.run(1000, &mut ()).expect("a training");
    let model = trainer.model();
    for (method, steps) in [(MethodName::FLOW_MAP, 1), (MethodName::EULER, 1)] {
        let plan = Plan::new(method, steps, 5);
        let x = model
            .sample(512, &Given::nothing(), &plan)
            .expect("samples");
        let x0 = Path::linear().source.for_sampling(512, 2, Noise::new(5), 0);
        let square = x
            .iter()
            .zip(&x0)
            .map(|(x, z)| (x - map(z)).powi(2))
            .sum::<f32>();
        let rms = (square / x.len() as f32).sqrt();
        assert!(rms < 0.03, "{method}: {rms}");
    }
}

/// Checks that a network without the duration of a step gives what it gives for one of 0, and that
/// any other duration acts.
fn check_velocity<N: Network<B, D>, const D: usize>(network: &N, shape: [usize; D]) {
    let device = Default::default();
    let mut draws = Noise::new(7).draws(Stream::Data, 0);
    let x: Tensor<B, D> = draws.normal_tensor(shape, &device, DType::F64);
    let t = tensor::<B, 1>(&[0.1, 0.8], [2]);
    let over = |duration: Tensor<B, 1>| {
        let condition = Default::default();
        network.forward_over(x.clone(), t.clone(), duration, &condition, None)
    };
    let velocity = network.forward(x.clone(), t.clone(), &Default::default());
    assert_eq!(values(over(t.zeros_like())), values(velocity.clone()));
    assert!(apart(over(t.ones_like()), velocity) > 1e-3);
}

#[test]
fn over_no_duration_every_network_gives_its_velocity() {
    let device = Default::default();
    let init = &mut Init::new(Noise::new(0), &device);
    let mlp = MlpConfig {
        durations: true,
        ..MlpConfig::new(2)
    };
    check_velocity(&shaken(mlp.init::<B>(init)), [2, 2]);
    let unet = UNetConfig {
        channels: 8,
        durations: true,
        ..UNetConfig::new(1, [4, 4])
    };
    check_velocity(&shaken(unet.init::<B>(init)), [2, 1, 4, 4]);
    let dit = DiTConfig {
        width: 16,
        depth: 1,
        heads: 2,
        durations: true,
        ..DiTConfig::new(1, [4, 4])
    };
    check_velocity(&shaken(dit.init::<B>(init)), [2, 1, 4, 4]);
}
