//! The losses: what they have in common, and that the conditional one trains the marginal field.
//!
//! `∇L_CFM = ∇L_FM`, `L_CFM = L_FM + E[Var(u_t(x | x1) | x_t)]` (Lipman et al. 2023, theorem 2)
//!
//! Every number here is fixed by a seed; statistical statements give n and hold within five standard errors.

use burn::backend::Autodiff;
use burn::module::{AutodiffModule, Module, Param};
use burn::tensor::backend::Backend;
use burn::tensor::{DType, Tensor};
use burn_ndarray::NdArray;
use pyroclast_core::analytic::{Dataset, GaussianBridge};
use pyroclast_core::endpoints::Endpoints;
use pyroclast_core::field::{Denoiser, VectorField};
use pyroclast_core::flow::Flow;
use pyroclast_core::network::Network;
use pyroclast_core::noise::{Noise, Stream};
use pyroclast_core::objective::Objective;
use pyroclast_core::path::{Path, PathSample};
use pyroclast_core::per_sample::from_host;
use pyroclast_core::prediction::Prediction;
use pyroclast_core::schedule::{AnySchedule, Linear, Schedule, Trigonometric, VariancePreserving};
use pyroclast_core::time_sampler::{TimeDistribution, TimeSampler};
use pyroclast_core::weighting::{OfLogSnr, Weighting};
use std::f64::consts::FRAC_PI_2;

type Inner = NdArray<f64>;
type B = Autodiff<Inner>;

// ---------------------------------------------------------------------------------------------------------------------
// What the tests are made of

/// A small multilayer perceptron on `[x, t]`.
#[derive(Module, Debug)]
struct Perceptron<B: Backend> {
    hidden: Param<Tensor<B, 2>>,
    bias: Param<Tensor<B, 2>>,
    output: Param<Tensor<B, 2>>,
}

const WIDTH: usize = 12;

impl Perceptron<B> {
    fn new(seed: u64) -> Self {
        let mut draws = Noise::new(seed).draws(Stream::Init, 0);
        let mut param = |shape| {
            let x: Tensor<B, 2> = draws.normal_tensor(shape, &Default::default(), DType::F64);
            Param::from_tensor(x * 0.4)
        };
        Self {
            hidden: param([3, WIDTH]),
            bias: param([1, WIDTH]),
            output: param([WIDTH, 2]),
        }
    }

    /// Every parameter's gradient, one after another.
    fn gradient(&self, loss: Tensor<B, 1>) -> Vec<f64> {
        let gradients = loss.backward();
        [&self.hidden, &self.bias, &self.output]
            .iter()
            .flat_map(|p| values(p.grad(&gradients).expect("every parameter is used")))
            .collect()
    }
}

impl<T: Backend> Network<T, 2> for Perceptron<T> {
    type Condition = ();

    fn forward(&self, x: Tensor<T, 2>, t: Tensor<T, 1>, (): &()) -> Tensor<T, 2> {
        let inputs = Tensor::cat(vec![x, t.unsqueeze_dim(1)], 1);
        let hidden = inputs.matmul(self.hidden.val()) + self.bias.val();
        hidden.tanh().matmul(self.output.val())
    }
}

fn values<T: Backend, const D: usize>(x: Tensor<T, D>) -> Vec<f64> {
    x.into_data().to_vec().expect("the backend holds f64")
}

fn scalar<T: Backend>(x: Tensor<T, 1>) -> f64 {
    values(x)[0]
}

fn norm(x: &[f64]) -> f64 {
    x.iter().map(|v| v * v).sum::<f64>().sqrt()
}

/// The mean of a sample and its standard error.
fn mean_and_error(sample: &[f64]) -> (f64, f64) {
    let n = sample.len() as f64;
    let mean = sample.iter().sum::<f64>() / n;
    let variance = sample.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, (variance / n).sqrt())
}

// ---------------------------------------------------------------------------------------------------------------------
// Conditional and marginal flow matching

/// A batch on paths to a finite dataset, with the exact field where it stands.
struct Batch<T: Backend> {
    path: PathSample<T, 2>,
    /// What the prediction would be if it were the posterior mean.
    exact: Tensor<T, 2>,
}

impl Batch<Inner> {
    fn tracked(self) -> Batch<B> {
        let tracked = Tensor::<B, 2>::from_inner;
        Batch {
            exact: tracked(self.exact),
            path: PathSample {
                t: self.path.t,
                coefficients: self.path.coefficients,
                x_t: tracked(self.path.x_t),
                d_x_t: tracked(self.path.d_x_t),
                endpoints: Endpoints {
                    x0: tracked(self.path.endpoints.x0),
                    x1: tracked(self.path.endpoints.x1),
                },
                z: self.path.z.map(tracked),
            },
        }
    }
}

/// Batches hold this many times, with this many samples each: the exact field takes one time a call.
const TIMES: usize = 8;
const SAMPLES: usize = 16;

fn points() -> Vec<f64> {
    vec![1.0, 0.5, -1.2, 0.8, 0.3, -1.1, 1.4, -0.6, -0.4, -0.2]
}

fn batch(
    schedule: impl Schedule + Copy + Into<AnySchedule>,
    prediction: Prediction,
    index: u64,
) -> Batch<Inner> {
    let noise = Noise::new(100);
    let device = Default::default();
    let n = TIMES * SAMPLES;
    let mut draws = noise.draws(Stream::Time, index);
    let times: Vec<f64> = (0..TIMES).map(|_| draws.uniform()).collect();
    let t: Vec<f64> = (0..n).map(|i| times[i / SAMPLES]).collect();
    let mut draws = noise.draws(Stream::Data, index);
    let points = points();
    let x1 = (0..n).flat_map(|_| {
        let i = draws.below(points.len() / 2);
        [points[2 * i], points[2 * i + 1]]
    });
    let ends = Endpoints {
        x0: noise
            .draws(Stream::Source, index)
            .normal_tensor([n, 2], &device, DType::F64),
        x1: from_host::<Inner, 2>(x1.collect(), [n, 2], &device, DType::F64),
    };
    let path = Path::new(schedule).sample(ends, None, &t);
    let dataset = Dataset::new(
        from_host::<Inner, 2>(points.clone(), [points.len() / 2, 2], &device, DType::F64),
        schedule,
    );
    let exact = (0..TIMES).map(|i| {
        let x = path.x_t.clone().narrow(0, i * SAMPLES, SAMPLES);
        match prediction {
            Prediction::Velocity => dataset.velocity(times[i], x),
            Prediction::Data => dataset.denoise(times[i], x),
            Prediction::Noise => dataset.noise(times[i], x),
            Prediction::Score => dataset.score(times[i], x),
            other => unreachable!("{other:?} is not tested here"),
        }
    });
    let exact = Tensor::cat(exact.collect(), 0);
    Batch { path, exact }
}

fn flow<N>(network: N, schedule: impl Into<AnySchedule>, prediction: Prediction) -> Flow<N> {
    Flow::new(network, Path::new(schedule), Objective::new(prediction))
}

/// The conditional loss of a batch, and the loss against the exact field at the same states.
fn losses<T: Backend>(
    flow: &Flow<Perceptron<T>>,
    batch: &Batch<T>,
) -> (Tensor<T, 1>, Tensor<T, 1>) {
    let path = &batch.path;
    let conditional = flow.loss(path.clone(), &(), None);
    let n = path.t.len();
    let t = from_host(path.t.clone(), [n], &Default::default(), DType::F64);
    let output = flow.network.forward(path.x_t.clone(), t, &());
    let marginal = (output - batch.exact.clone()).square().mean();
    (conditional, marginal)
}

/// The slope of a least-squares line.
fn slope(points: &[(f64, f64)]) -> f64 {
    let n = points.len() as f64;
    let x: f64 = points.iter().map(|p| p.0).sum::<f64>() / n;
    let y: f64 = points.iter().map(|p| p.1).sum::<f64>() / n;
    let covariance: f64 = points.iter().map(|p| (p.0 - x) * (p.1 - y)).sum();
    covariance / points.iter().map(|p| (p.0 - x).powi(2)).sum::<f64>()
}

/// The difference of the two gradients, averaged over M batches, falls like M^{−½}: it has no part that stays.
#[track_caller]
fn gradients_converge(schedule: impl Schedule + Copy + Into<AnySchedule>, prediction: Prediction) {
    const BATCHES: usize = 2048;
    let flow = flow(Perceptron::new(1), schedule, prediction);
    let mut differences: Vec<Vec<f64>> = Vec::new();
    let mut reference = Vec::new();
    for index in 0..BATCHES as u64 {
        let (conditional, marginal) = losses(&flow, &batch(schedule, prediction, index).tracked());
        let conditional = flow.network.gradient(conditional);
        let marginal = flow.network.gradient(marginal);
        let pairs = conditional.iter().zip(&marginal);
        differences.push(pairs.map(|(c, m)| c - m).collect());
        reference.push(marginal);
    }
    let mean = |group: &[Vec<f64>]| -> Vec<f64> {
        let of = |j: usize| group.iter().map(|g| g[j]).sum::<f64>() / group.len() as f64;
        (0..group[0].len()).map(of).collect()
    };
    let size = norm(&mean(&reference));
    // Disjoint groups of M batches, so that the error at each M is itself averaged over BATCHES/M repetitions.
    let error = |m: usize| {
        let squares = differences
            .chunks(m)
            .map(|group| norm(&mean(group)).powi(2));
        (squares.sum::<f64>() / (BATCHES / m) as f64).sqrt() / size
    };
    let errors: Vec<(f64, f64)> = [1, 4, 16, 64, 256]
        .map(|m| ((m as f64).ln(), error(m).ln()))
        .to_vec();
    let slope = slope(&errors);
    assert!((slope + 0.5).abs() < 0.15, "slope {slope}: {errors:?}");
    // Over all batches the difference is within five standard errors of nothing, and small beside the gradient.
    let standard_error = error(1) / (BATCHES as f64).sqrt();
    assert!(error(BATCHES) < 5.0 * standard_error, "{errors:?}");
    assert!(error(BATCHES) < 0.01, "{}", error(BATCHES));
}

#[test]
fn the_conditional_velocity_loss_has_the_gradient_of_the_marginal_one() {
    gradients_converge(Linear::default(), Prediction::Velocity);
}

#[test]
fn the_noise_loss_has_the_gradient_of_the_marginal_one() {
    gradients_converge(VariancePreserving::default(), Prediction::Noise);
}

#[test]
fn the_data_loss_has_the_gradient_of_the_marginal_one() {
    gradients_converge(Trigonometric, Prediction::Data);
}

#[test]
fn the_conditional_and_the_marginal_loss_differ_by_a_constant() {
    const BATCHES: u64 = 1500;
    let schedule = Linear::default();
    // Nothing is differentiated here, so nothing is tracked.
    let network = |seed| Perceptron::new(seed).valid();
    let flows = [2, 3].map(|seed| flow(network(seed), schedule, Prediction::Velocity));
    let (mut gaps, mut marginals, mut excesses) = ([vec![], vec![]], [vec![], vec![]], vec![]);
    for index in 0..BATCHES {
        let batch = batch(schedule, Prediction::Velocity, index);
        for (i, flow) in flows.iter().enumerate() {
            let (conditional, marginal) = losses(flow, &batch);
            let marginal = scalar(marginal);
            gaps[i].push(scalar(conditional) - marginal);
            marginals[i].push(marginal);
        }
        let energy = |u: Tensor<Inner, 2>| scalar(u.square().mean());
        excesses.push(energy(batch.path.d_x_t) - energy(batch.exact));
    }
    // Batches are shared, so each statement is about the mean of a paired difference over n = BATCHES.
    let differ = |a: &[f64], b: &[f64]| {
        let pairs: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
        let (mean, error) = mean_and_error(&pairs);
        mean.abs() / error
    };
    assert!(differ(&marginals[0], &marginals[1]) > 20.0);
    assert!(differ(&gaps[0], &gaps[1]) < 5.0);
    // The constant is E‖u_t(x | x1)‖² − E‖u_t(x)‖², the variance that the posterior leaves.
    assert!(differ(&gaps[0], &excesses) < 5.0);
    assert!(differ(&gaps[1], &excesses) < 5.0);
    let (constant, error) = mean_and_error(&excesses);
    assert!(constant > 20.0 * error, "{constant} ± {error}");
}

/// The exact velocity N(0, I) → N(μ, s²I) on the linear path, as a network.
#[derive(Module, Debug)]
struct ExactGaussian<B: Backend> {
    mean: Param<Tensor<B, 2>>,
    #[module(skip)]
    std: f64,
}

impl<T: Backend> Network<T, 2> for ExactGaussian<T> {
    type Condition = ();

    fn forward(&self, x: Tensor<T, 2>, t: Tensor<T, 1>, (): &()) -> Tensor<T, 2> {
        let t = t.unsqueeze_dim::<2>(1);
        let (rest, square) = (-t.clone() + 1.0, self.std * self.std);
        let variance = rest.clone().square() + t.clone().square() * square;
        let gain = (t.clone() * square - rest) / variance;
        (x - t * self.mean.val()) * gain + self.mean.val()
    }
}

#[test]
fn the_exact_field_is_left_with_the_irreducible_loss() {
    const BATCHES: u64 = 100;
    const N: usize = 1000;
    let device = Default::default();
    let noise = Noise::new(8);
    let mean = from_host::<Inner, 2>(vec![2.0, -0.5, 0.3], [1, 3], &device, DType::F64);
    for std in [0.5, 1.0, 2.0] {
        for distribution in [TimeDistribution::Uniform, TimeDistribution::Stratified] {
            let network = ExactGaussian {
                mean: Param::from_tensor(mean.clone()),
                std,
            };
            let mut flow = Flow::velocity(network, Path::linear());
            flow.path.times.distribution = distribution;
            let loss = |index: u64| {
                let normal = |stream| -> Tensor<Inner, 2> {
                    let mut draws = noise.draws(stream, index);
                    draws.normal_tensor([N, 3], &device, DType::F64)
                };
                let t = flow.path.times(N, &mut noise.draws(Stream::Time, index));
                let ends = Endpoints {
                    x0: normal(Stream::Source),
                    x1: normal(Stream::Data) * std + mean.clone(),
                };
                let sample = flow.path.sample(ends, None, &t);
                scalar(flow.loss(sample, &(), None))
            };
            let sample: Vec<f64> = (0..BATCHES).map(loss).collect();
            let (loss, error) = mean_and_error(&sample);
            let expected = std * FRAC_PI_2;
            assert!(
                (loss - expected).abs() < 5.0 * error,
                "{loss} ± {error} instead of {expected} with {distribution:?}"
            );
            assert!(error < 0.01 * expected, "{error}");
        }
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// One model, several predictions

const PREDICTIONS: [Prediction; 7] = [
    Prediction::Velocity,
    Prediction::Data,
    Prediction::Noise,
    Prediction::Score,
    Prediction::ScaledScore,
    Prediction::V,
    Prediction::Edm { sigma_data: 0.7 },
];

/// A network that guesses the data and puts its guess out as any prediction on the trigonometric path.
#[derive(Module, Debug)]
struct Guess<B: Backend> {
    data: Perceptron<B>,
    #[module(skip)]
    prediction: Prediction,
}

impl<T: Backend> Network<T, 2> for Guess<T> {
    type Condition = ();

    fn forward(&self, x: Tensor<T, 2>, t: Tensor<T, 1>, (): &()) -> Tensor<T, 2> {
        let x1 = self.data.forward(x.clone(), t.clone(), &());
        let angle = t.unsqueeze_dim::<2>(1) * FRAC_PI_2;
        let (alpha, sigma) = (angle.clone().sin(), angle.cos());
        let x0 = (x - alpha.clone() * x1.clone()) / sigma.clone();
        match self.prediction {
            Prediction::Velocity => (sigma * x1 - alpha * x0) * FRAC_PI_2,
            Prediction::Data => x1,
            Prediction::Noise => x0,
            Prediction::Score => -x0 / sigma,
            Prediction::ScaledScore => -x0,
            Prediction::V => alpha * x0 - sigma * x1,
            Prediction::Edm { sigma_data } => {
                let std = (sigma.clone().square() + (alpha.clone() * sigma_data).square()).sqrt();
                // burn's tape keeps the divisor of a scalar division in single precision.
                (sigma * x1 * sigma_data.recip() - alpha * x0 * sigma_data) / std
            }
            other => unreachable!("{other:?} is not tested here"),
        }
    }
}

fn guess(prediction: Prediction) -> Flow<Guess<B>> {
    let network = Guess {
        data: Perceptron::new(4),
        prediction,
    };
    flow(network, Trigonometric, prediction)
}

/// A batch with a time of its own for each sample, away from both ends.
fn spread_batch() -> PathSample<B, 2> {
    let (n, noise, device) = (32, Noise::new(9), Default::default());
    let normal = |stream| -> Tensor<B, 2> {
        let mut draws = noise.draws(stream, 0);
        draws.normal_tensor([n, 2], &device, DType::F64)
    };
    let sampler = TimeSampler {
        distribution: TimeDistribution::Uniform,
        clip: Some(0.05),
    };
    let schedule = Trigonometric;
    let t = sampler.sample(n, &schedule, &mut noise.draws(Stream::Time, 0));
    let ends = Endpoints {
        x0: normal(Stream::Source),
        x1: normal(Stream::Data),
    };
    Path::new(schedule).sample(ends, None, &t)
}

/// The loss on the one batch and its gradient.
fn loss_and_gradient(prediction: Prediction, weighting: Weighting) -> (f64, Vec<f64>) {
    let mut flow = guess(prediction);
    flow.objective.weighting = weighting;
    let loss = flow.loss(spread_batch(), &(), None);
    (scalar(loss.clone()), flow.network.data.gradient(loss))
}

#[track_caller]
fn same_loss(got: (Prediction, Weighting), expected: (Prediction, Weighting)) {
    let (loss, gradient) = loss_and_gradient(got.0, got.1);
    let (expected_loss, expected_gradient) = loss_and_gradient(expected.0, expected.1);
    let error = (loss / expected_loss - 1.0).abs();
    assert!(error < 1e-11, "{got:?} {expected:?}: {error:e}");
    let differences = gradient.iter().zip(&expected_gradient).map(|(g, e)| g - e);
    let differences: Vec<f64> = differences.collect();
    let error = norm(&differences) / norm(&expected_gradient);
    assert!(error < 1e-10, "{got:?} {expected:?}: {error:e}");
}

#[test]
fn the_uniform_noise_loss_is_the_data_loss_weighted_by_the_snr() {
    same_loss(
        (Prediction::Noise, Weighting::Uniform),
        (Prediction::Data, Weighting::Snr),
    );
}

#[test]
fn denoising_score_matching_weighted_by_the_variance_is_the_uniform_noise_loss() {
    same_loss(
        (Prediction::Score, Weighting::SigmaSquared),
        (Prediction::Noise, Weighting::Uniform),
    );
}

#[test]
fn a_weighted_loss_is_the_same_whatever_the_network_predicts() {
    for weighting in [
        Weighting::Snr,
        Weighting::MinSnr { gamma: 5.0 },
        Weighting::Edm { sigma_data: 0.5 },
        Weighting::Likelihood,
        Weighting::SigmaSquared,
        Weighting::OfLogSnr(OfLogSnr(|l| (-0.1 * l * l).exp())),
    ] {
        for prediction in PREDICTIONS {
            same_loss((prediction, weighting), (Prediction::Data, weighting));
        }
    }
}

#[test]
fn the_likelihood_weighting_is_the_rate_times_the_score_loss() {
    // On the trigonometric path Δ = π/2, so g² = 2σΔ/α = πσ/α.
    let path = spread_batch();
    let flow = guess(Prediction::Score);
    let n = path.t.len();
    let t = from_host(path.t.clone(), [n], &Default::default(), DType::F64);
    let error = flow.network.forward(path.x_t.clone(), t, &());
    let rows = |f: fn(f64, f64) -> f64| -> Tensor<B, 2> {
        let of = |t: &f64| f((FRAC_PI_2 * t).sin(), (FRAC_PI_2 * t).cos());
        let values = path.t.iter().map(of).collect();
        from_host(values, [n, 1], &Default::default(), DType::F64)
    };
    let error = error + path.endpoints.x0.clone() * rows(|_, sigma| 1.0 / sigma);
    let rate = rows(|alpha, sigma| 2.0 * FRAC_PI_2 * sigma / alpha);
    let expected = scalar((error.square() * rate).mean());
    let got = loss_and_gradient(Prediction::Score, Weighting::Likelihood).0;
    assert!((got / expected - 1.0).abs() < 1e-11, "{got} {expected}");
}

#[test]
fn a_model_is_the_same_field_whatever_the_network_predicts() {
    let x: Tensor<B, 2> = Noise::new(10).draws(Stream::Data, 0).normal_tensor(
        [5, 2],
        &Default::default(),
        DType::F64,
    );
    let reference = guess(Prediction::Data);
    for t in [0.1, 0.5, 0.9] {
        let of = |flow: &Flow<Guess<B>>| {
            let field = flow.given::<B, 2>(&());
            [
                values(field.velocity(t, x.clone())),
                values(field.denoise(t, x.clone())),
                values(field.noise(t, x.clone())),
                values(field.score(t, x.clone())),
            ]
        };
        let expected = of(&reference);
        let time = Tensor::full([5], t, (&x.device(), DType::F64));
        let data = values(reference.network.data.forward(x.clone(), time, &()));
        assert_eq!(expected[1], data);
        for prediction in PREDICTIONS {
            for (got, expected) in of(&guess(prediction)).iter().zip(&expected) {
                let pairs = got.iter().zip(expected);
                let difference: Vec<f64> = pairs.map(|(g, e)| g - e).collect();
                assert!(
                    norm(&difference) < 1e-12 * norm(expected),
                    "{prediction:?} at {t}"
                );
            }
        }
    }
}

/// A network of images that puts out its own time everywhere, times a parameter.
#[derive(Module, Debug)]
struct Clock<B: Backend> {
    rate: Param<Tensor<B, 1>>,
}

impl<T: Backend> Network<T, 4> for Clock<T> {
    type Condition = ();

    fn forward(&self, x: Tensor<T, 4>, t: Tensor<T, 1>, (): &()) -> Tensor<T, 4> {
        let shape = x.dims();
        (t * self.rate.val())
            .reshape([shape[0], 1, 1, 1])
            .expand(shape)
    }
}

#[test]
fn the_loss_takes_each_sample_at_its_own_time_and_weight() {
    let (noise, device) = (Noise::new(12), Default::default());
    let rate = from_host::<Inner, 1>(vec![1.7], [1], &device, DType::F64);
    let schedule = VariancePreserving::default();
    let t = [0.15, 0.5, 0.85];
    // Three samples of three channels or three columns: a weight along a wrong axis would fit as well.
    for shape in [[3, 1, 2, 2], [3, 3, 2, 3]] {
        let normal = |stream| -> Tensor<Inner, 4> {
            noise
                .draws(stream, 0)
                .normal_tensor(shape, &device, DType::F64)
        };
        let ends = Endpoints {
            x0: normal(Stream::Source),
            x1: normal(Stream::Data),
        };
        let (x0, x1) = (values(ends.x0.clone()), values(ends.x1.clone()));
        let elements = x0.len() / 3;
        let sample = Path::new(schedule).sample(ends, None, &t);
        for weighting in [Weighting::Uniform, Weighting::MinSnr { gamma: 2.0 }] {
            for prediction in PREDICTIONS {
                let rate = Param::from_tensor(rate.clone());
                let mut flow = flow(Clock { rate }, schedule, prediction);
                flow.objective.weighting = weighting;
                let got = flow.loss(sample.clone(), &(), None);
                let term = |i: usize| {
                    let t = t[i / elements];
                    let c = schedule.at(t);
                    let target = match prediction {
                        Prediction::Velocity => c.d_alpha * x1[i] + c.d_sigma * x0[i],
                        Prediction::Data => x1[i],
                        Prediction::Noise => x0[i],
                        Prediction::Score => -x0[i] / c.sigma,
                        Prediction::ScaledScore => -x0[i],
                        Prediction::Edm { sigma_data } => {
                            let n = c.sigma.hypot(c.alpha * sigma_data);
                            (c.sigma * x1[i] / sigma_data - c.alpha * sigma_data * x0[i]) / n
                        }
                        _ => c.alpha * x0[i] - c.sigma * x1[i],
                    };
                    weighting.at(c, prediction) * (1.7 * t - target).powi(2)
                };
                let expected = (0..x0.len()).map(term).sum::<f64>() / x0.len() as f64;
                let got = scalar(got);
                assert!(
                    (got / expected - 1.0).abs() < 1e-12,
                    "{got} {expected} {prediction:?} {weighting:?}"
                );
            }
        }
    }
}

#[test]
fn a_loss_of_ones_own_is_weighted_as_the_squared_error_is() {
    let squared = |output: Tensor<B, 2>, target: Tensor<B, 2>| -> Tensor<B, 1> {
        (output - target).square().mean_dim(1).squeeze_dim(1)
    };
    for prediction in PREDICTIONS {
        let mut flow = guess(prediction);
        for weighting in [Weighting::Uniform, Weighting::MinSnr { gamma: 2.0 }] {
            flow.objective.weighting = weighting;
            let expected = scalar(flow.loss(spread_batch(), &(), None));
            let got = scalar(flow.loss_by(&squared, spread_batch(), &(), None));
            assert!((got / expected - 1.0).abs() < 1e-12, "{got} {expected}");
        }
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Velocity and score of a bridge together

/// Factors on the exact velocity and on half of s² times the exact score of the Schrödinger bridge
/// from N(0, 1) to N(2, ½²), at the time that all of a batch have.
#[derive(Module, Debug)]
struct Bridge<B: Backend> {
    factors: Param<Tensor<B, 2>>,
}

const DIFFUSION: f64 = 0.6;

fn bridge() -> GaussianBridge {
    GaussianBridge::schrodinger([&[0.0], &[2.0]], [&[1.0], &[0.25]], DIFFUSION)
}

impl<T: Backend> Network<T, 2> for Bridge<T> {
    type Condition = ();

    fn forward(&self, x: Tensor<T, 2>, t: Tensor<T, 1>, (): &()) -> Tensor<T, 2> {
        let t = t.into_data().iter::<f64>().next().expect("a sample");
        let score = bridge().score(t, x.clone()) * (0.5 * DIFFUSION * DIFFUSION);
        Tensor::cat(vec![bridge().velocity(t, x), score], 1) * self.factors.val()
    }
}

/// Loss and gradient on the k-th batch of pairs of the bridge's own ends.
fn bridge_loss(factors: [f64; 2], k: u64) -> (f64, Vec<f64>) {
    let (n, device) = (400, Default::default());
    let normal = |stream| -> Tensor<B, 2> {
        let mut draws = Noise::new(12).draws(stream, k);
        draws.normal_tensor([n, 1], &device, DType::F64)
    };
    let (x0, joint) = (normal(Stream::Source), bridge().joint()[0]);
    let rest = (0.25 - joint * joint).sqrt();
    let x1 = x0.clone() * joint + normal(Stream::Data) * rest + 2.0;
    let t = 0.02 + 0.96 * Noise::new(12).draws(Stream::Time, k).uniform();
    let factors = from_host(factors.to_vec(), [1, 2], &device, DType::F64);
    let network = Bridge {
        factors: Param::from_tensor(factors),
    };
    let flow = Flow::velocity_and_score(network, Path::bridge(DIFFUSION));
    let ends = Endpoints { x0, x1 };
    let sample = flow
        .path
        .sample(ends, Some(normal(Stream::Bridge)), &vec![t; n]);
    let loss = flow.loss(sample, &(), None);
    let gradients = loss.backward();
    let gradient = flow
        .network
        .factors
        .grad(&gradients)
        .expect("they are used");
    (scalar(loss), values(gradient))
}

#[test]
fn velocity_and_score_are_learned_where_they_are_exact() {
    let batches = 400;
    let off = [0.8, 1.3];
    for half in [0, 1] {
        let gradients = |factor| -> Vec<f64> {
            let mut factors = [1.0; 2];
            factors[half] = factor;
            (0..batches)
                .map(|k| bridge_loss(factors, k).1[half])
                .collect()
        };
        let (mean, error) = mean_and_error(&gradients(1.0));
        assert!(mean.abs() < 5.0 * error, "{half}: {mean} ± {error}");
        // It falls from either side, or nothing is learned.
        let slopes = off.map(|factor| mean_and_error(&gradients(factor)));
        let [(low, e_low), (high, e_high)] = slopes;
        assert!(low < -5.0 * e_low && high > 5.0 * e_high, "{slopes:?}");
    }
}

#[test]
fn the_loss_of_a_score_of_zero_is_that_of_the_noise() {
    // E z² = 1, and the velocity's part does not depend on the score.
    let differences: Vec<f64> = (0..200)
        .map(|k| bridge_loss([1.0, 0.0], k).0 - bridge_loss([1.0, 1.0], k).0)
        .collect();
    // What the score explains of the noise, (γ_t·score)² in the mean: between 0 and 1.
    let (mean, error) = mean_and_error(&differences);
    let explained = |t: f64| DIFFUSION * DIFFUSION * t * (1.0 - t) / bridge().covariance(t)[0];
    let n = 1000;
    let time = |k: usize| 0.02 + 0.96 * (k as f64 + 0.5) / n as f64;
    let expected = (0..n).map(|k| explained(time(k))).sum::<f64>() / n as f64;
    assert!(
        (mean - expected).abs() < 5.0 * error,
        "{mean} {expected} ± {error}"
    );
}
