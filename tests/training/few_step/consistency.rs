//! Where consistency losses come to rest, and the tangent of continuous consistency.

use super::{A, B, STD, close, column, number, tensor, with_tangent};
use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast::burn;
use pyroclast::core::analytic::Gaussian;
use pyroclast::core::condition::Given;
use pyroclast::core::endpoints::Endpoints;
use pyroclast::core::few_step::{FewStep, Levels, Metric, Steps, Teacher, TeacherStep};
use pyroclast::core::field::VectorField;
use pyroclast::core::flow::Flow;
use pyroclast::core::flow_map::FlowMap;
use pyroclast::core::jvp::Derivative;
use pyroclast::core::network::{Direction, Network};
use pyroclast::core::noise::{Draws, Noise, Stream};
use pyroclast::core::objective::Objective;
use pyroclast::core::path::{Gamma, Path};
use pyroclast::core::per_sample::PerSample;
use pyroclast::core::preconditioning::Preconditioning;
use pyroclast::core::prediction::Prediction;
use pyroclast::core::schedule::{AnySchedule, Coefficients, Edm, Schedule, Trigonometric};
use std::f64::consts::FRAC_PI_2;
use std::sync::Arc;

/// `f(x, ς) = k·x` on a path that adds noise from 80 to 0.002 to the data: one slope per level.
#[derive(Module, Debug)]
struct Slope<B: Backend> {
    k: Param<Tensor<B, 1>>,
    /// Whether the output is the F of EDM's clock, and not an average velocity.
    of_clock: bool,
}

impl<B: Backend> Slope<B> {
    fn new(k: f64, of_clock: bool) -> Self {
        let k = Param::from_tensor(tensor(&[k], [1]));
        Self { k, of_clock }
    }

    /// F of the scaled state, at ¼·ln ς.
    fn of_clock(&self, x: Tensor<B, 2>, time: Tensor<B, 1>) -> Tensor<B, 2> {
        let noise = (time * 4.0).exp().unsqueeze_dim::<2>(1);
        let left = noise.clone() - LEAST;
        let std = (noise.square() + SIGMA_DATA * SIGMA_DATA).sqrt();
        let skip = (left.clone().square() + SIGMA_DATA * SIGMA_DATA).recip();
        let rest = self.k.val().unsqueeze_dim::<2>(0) - skip * (SIGMA_DATA * SIGMA_DATA);
        // At the least noise f is x, whatever F is.
        let done = left.clone().lower_elem(1e-9);
        let out = (left * SIGMA_DATA / std.clone()).mask_fill(done, 1.0);
        x * std * rest / out
    }
}

impl<T: Backend> Network<T, 2> for Slope<T> {
    type Condition = ();

    fn forward(&self, x: Tensor<T, 2>, t: Tensor<T, 1>, (): &()) -> Tensor<T, 2> {
        self.forward_over(x, t.clone(), t * -1.0 + 1.0, &(), None)
    }

    /// `u = (f − x)/d`, and 0 where there is nothing to do.
    fn forward_over(
        &self,
        x: Tensor<T, 2>,
        t: Tensor<T, 1>,
        duration: Tensor<T, 1>,
        (): &(),
        _: Option<&mut Draws>,
    ) -> Tensor<T, 2> {
        if self.of_clock {
            return self.of_clock(x, t);
        }
        let d = duration.unsqueeze_dim::<2>(1);
        let slope = self.k.val().unsqueeze_dim::<2>(0) - 1.0;
        let still = d.clone().equal_elem(0.0);
        (x * slope / d.mask_fill(still.clone(), 1.0)).mask_fill(still, 0.0)
    }
}

/// `α = 1, σ = 0.002 + (80 − 0.002)·(1 − t)`.
#[derive(Debug)]
struct Noisy;

const LEAST: f64 = 0.002;
const MOST: f64 = 80.0;

impl Schedule for Noisy {
    fn at(&self, t: f64) -> Coefficients {
        Coefficients {
            alpha: 1.0,
            sigma: LEAST + (MOST - LEAST) * (1.0 - t),
            d_alpha: 0.0,
            d_sigma: LEAST - MOST,
        }
    }

    fn time_at_log_snr(&self, l: f64) -> f64 {
        1.0 - ((-0.5 * l).exp() - LEAST) / (MOST - LEAST)
    }
}

/// The velocity of that path to N(0, s²): `dx/dς = ς·x/(s² + ς²)`.
struct Denoised;

impl<T: Backend> Teacher<T, 2> for Denoised {
    fn velocities(&self, t: &[f64], x: Tensor<T, 2>, _: &Given) -> Tensor<T, 2> {
        let rates = t.iter().map(|&t| {
            let c = Noisy.at(t);
            c.d_sigma * c.sigma / (STD * STD + c.sigma * c.sigma)
        });
        x.clone() * PerSample::like(&x).tensor(rates)
    }
}

/// The slope at the most noise over the exact one, of the model that a consistency loss comes to
/// rest at. It is found level by level, from the data on: the loss of a level is quadratic in its
/// slope, and four pairs have all moments that it reads.
fn slope_at_rest(method: FewStep, intervals: usize, objective: Objective) -> f64 {
    let of_clock = matches!(objective.prediction, Prediction::Consistency { .. });
    let path = Path::new(AnySchedule::Custom(Arc::new(Noisy)));
    let levels = Levels::new(intervals, &path.schedule);
    let (mut slopes, n) = (vec![1.0; intervals + 1], 4);
    for level in (0..intervals).rev() {
        let (t, q) = (levels.times[level], levels.times[level + 1]);
        let steps = Steps {
            t: vec![t; n],
            durations: vec![1.0 - t; n],
            shares: vec![(q - t) / (1.0 - t); n],
            weights: vec![1.0; n],
            tangent: 1.0,
            equal: 0,
        };
        let signs = |of: [f64; 4]| tensor::<A, 2>(&of, [4, 1]);
        let endpoints = Endpoints {
            x0: signs([1.0, -1.0, 1.0, -1.0]),
            x1: signs([STD, STD, -STD, -STD]),
        };
        let sample = path.sample(endpoints, None, &steps.t);
        let frozen: Slope<B> = Slope::new(slopes[level + 1], of_clock);
        let frozen = Flow::new(frozen, path.clone(), objective);
        let gradient = |k: f64| {
            let network: Slope<A> = Slope::new(k, of_clock);
            let flow = Flow::new(network, path.clone(), objective);
            let (given, teacher) = (Given::nothing(), &Denoised);
            let loss = method.loss(&flow, &frozen, Some(teacher), &sample, &steps, &given, None);
            let gradients = loss.loss.backward();
            number(flow.network.k.grad(&gradients).expect("a gradient"))
        };
        let (at_0, at_1) = (gradient(0.0), gradient(1.0));
        slopes[level] = at_0 / (at_0 - at_1);
    }
    let exact = ((STD * STD + LEAST * LEAST) / (STD * STD + MOST * MOST)).sqrt();
    slopes[0] / exact
}

#[test]
fn consistency_comes_to_rest_where_it_should() {
    let training = FewStep::ConsistencyTraining {
        equal: 0.0,
        first: 10,
        last: 10,
        halving: 1,
        metric: Metric::Squared,
    };
    let distillation = |step| FewStep::ConsistencyDistillation {
        equal: 0.0,
        levels: 10,
        step,
        metric: Metric::Squared,
    };
    // By an average velocity, or as EDM's F.
    let objectives = [
        Objective::new(Prediction::average_to_data()),
        Objective {
            prediction: Prediction::Consistency {
                sigma_data: SIGMA_DATA,
            },
            preconditioning: Preconditioning::Edm {
                sigma_data: SIGMA_DATA,
            },
            ..Objective::new(Prediction::Velocity)
        },
    ];
    // The bias of consistency training closes as 1/N, with N levels, and is that of Euler's method.
    for (levels, ratio) in [
        (11, 0.752_776_624_610_120_4),
        (21, 0.867_560_148_285_194_5),
        (41, 0.931_422_161_486_119_1),
        (1281, 0.997_782_301_921_987_7),
    ] {
        for objective in objectives {
            close(slope_at_rest(training, levels - 1, objective), ratio, 1e-10);
            if levels < 100 {
                let euler = distillation(TeacherStep::Euler);
                close(slope_at_rest(euler, levels - 1, objective), ratio, 1e-10);
            }
        }
    }
    for (levels, ratio) in [
        (18, 1.055_278_326_263_513),
        (40, 1.009_781_529_023_684),
        (80, 1.002_318_222_272_501),
    ] {
        let heun = distillation(TeacherStep::Heun);
        for objective in objectives {
            close(slope_at_rest(heun, levels - 1, objective), ratio, 1e-10);
        }
    }
}

/// The exact consistency function of N(0, 0.8²) as EDM's F, and EDM's own F where a step has no
/// duration.
#[derive(Module, Debug)]
struct ExactF<B: Backend> {
    one: Param<Tensor<B, 1>>,
}

impl<T: Backend> Network<T, 2> for ExactF<T> {
    type Condition = ();

    fn forward(&self, x: Tensor<T, 2>, t: Tensor<T, 1>, (): &()) -> Tensor<T, 2> {
        self.forward_over(x, t, tensor(&[0.0], [1]), &(), None)
    }

    fn forward_over(
        &self,
        x: Tensor<T, 2>,
        t: Tensor<T, 1>,
        duration: Tensor<T, 1>,
        (): &(),
        _: Option<&mut Draws>,
    ) -> Tensor<T, 2> {
        let noise = (number(t) * 4.0).exp();
        let left = noise - LEAST;
        let (data, own) = (0.64, SIGMA_DATA * SIGMA_DATA);
        let std = (noise * noise + own).sqrt();
        let slope = match number(duration) {
            // x̂1 = s²/(s² + ς²)·x, and EDM's c_skip and c_out.
            0.0 => (data / (data + noise * noise) - own / (own + noise * noise)) / (noise / std),
            1.0 => {
                let f = ((data + LEAST * LEAST) / (data + noise * noise)).sqrt();
                (f - own / (own + left * left)) / (left / std)
            }
            other => panic!("a duration of {other}"),
        };
        x * self.one.val().unsqueeze_dim::<2>(0) * (slope * std / SIGMA_DATA)
    }
}

#[test]
fn consistency_on_the_clock_of_edm_leads_to_the_data() {
    let path = Path::new(AnySchedule::Custom(Arc::new(Noisy)));
    let sigma_data = SIGMA_DATA;
    let objective = Objective {
        preconditioning: Preconditioning::Edm { sigma_data },
        ..Objective::new(Prediction::Consistency { sigma_data })
    };
    let one = Param::from_tensor(tensor(&[1.0], [1]));
    let flow: Flow<ExactF<B>> = Flow::new(ExactF { one }, path, objective);
    let t = Noisy.time_at_log_snr(-2.0 * 1.5_f64.ln());
    let (x, field) = (column(&[0.9]), flow.unconditional());
    let map = VectorField::<B, 2>::flow_map(&field).expect("it jumps");
    close(
        number(map.map(t, 1.0, x.clone())),
        0.423_530_735_292_049_6,
        1e-12,
    );
    // f is the identity at the least noise, whatever the network says.
    let rough = ExactF {
        one: Param::from_tensor(tensor(&[100.0], [1])),
    };
    let rough = flow.with_network(rough);
    let (field, almost) = (rough.unconditional(), 1.0 - 1e-12);
    let map = VectorField::<B, 2>::flow_map(&field).expect("it jumps");
    close(number(map.map(almost, 1.0, x.clone())), 0.9, 1e-6);
    let field = flow.unconditional();
    // Without a duration it is a denoiser: `dx/dς = ς·x/(s² + ς²)`.
    let velocity = number(field.velocity(t, x.clone()));
    close(
        velocity,
        Noisy.at(t).d_sigma * 1.5 * 0.9 / (0.64 + 2.25),
        1e-9,
    );
}

/// An output that knows nothing but whether it is over a duration.
#[derive(Module, Debug)]
struct Flat<B: Backend> {
    still: Param<Tensor<B, 1>>,
    jump: f64,
}

impl<T: Backend> Network<T, 2> for Flat<T> {
    type Condition = ();

    fn forward(&self, x: Tensor<T, 2>, t: Tensor<T, 1>, (): &()) -> Tensor<T, 2> {
        self.forward_over(x, t.clone(), t.zeros_like(), &(), None)
    }

    fn forward_over(
        &self,
        x: Tensor<T, 2>,
        _: Tensor<T, 1>,
        duration: Tensor<T, 1>,
        (): &(),
        _: Option<&mut Draws>,
    ) -> Tensor<T, 2> {
        let outputs = duration * self.jump + self.still.val();
        x.zeros_like() + outputs.unsqueeze_dim::<2>(1)
    }
}

#[test]
fn the_loss_on_the_clock_of_edm_is_of_f_and_of_the_denoiser() {
    let schedule = Edm { sigma_max: 40.0 };
    let (own, sigma_data) = (SIGMA_DATA * SIGMA_DATA, SIGMA_DATA);
    let objective = Objective {
        preconditioning: Preconditioning::Edm { sigma_data },
        ..Objective::new(Prediction::Consistency { sigma_data })
    };
    let (still, jump) = (0.3, 0.4);
    let network: Flat<A> = Flat {
        still: Param::from_tensor(tensor(&[still], [1])),
        jump,
    };
    let flow = Flow::new(network, Path::new(AnySchedule::from(schedule)), objective);
    let (noise, next) = (2.0, 0.7);
    let (t, q) = (schedule.time_at_sigma(noise), schedule.time_at_sigma(next));
    let (x0, x1, weight) = ([-1.0, 0.8], [0.4, 1.1], 3.0);
    let of = |values: [f64; 2]| tensor::<A, 2>(&values, [2, 1]);
    let ends = Endpoints {
        x0: of(x0),
        x1: of(x1),
    };
    let sample = flow.path.sample(ends, None, &[t, t]);
    let steps = Steps {
        t: vec![t; 2],
        durations: vec![0.0, 1.0 - t],
        shares: vec![0.5, (q - t) / (1.0 - t)],
        weights: vec![1.0, weight],
        tangent: 1.0,
        equal: 1,
    };
    let method = FewStep::ConsistencyTraining {
        equal: 0.5,
        first: 1,
        last: 1,
        halving: 1,
        metric: Metric::Squared,
    };
    let (frozen, given) = (flow.valid::<A>(), Given::nothing());
    let loss = method.loss(&flow, &frozen, None, &sample, &steps, &given, None);
    let std = |noise: f64| (noise * noise + own).sqrt();
    let target = (noise * x1[0] / sigma_data - sigma_data * x0[0]) / std(noise);
    let f = |noise: f64| {
        let left = noise - 0.002;
        let (skip, out) = (own / (left * left + own), sigma_data * left / std(noise));
        skip * (x1[1] + noise * x0[1]) + out * (still + jump)
    };
    let expected = (still - target).powi(2) + weight * (f(noise) - f(next)).powi(2);
    close(number(loss.loss), expected / 2.0, 1e-10);
}

#[test]
fn levels_of_the_clock_of_edm_end_at_the_least_noise() {
    let path = Path::new(AnySchedule::from(Edm::default()));
    let method = FewStep::ConsistencyTraining {
        equal: 0.0,
        first: 3,
        last: 3,
        halving: 1,
        metric: Metric::Squared,
    };
    let consistency = Prediction::Consistency { sigma_data: 0.5 };
    for (prediction, end) in [
        (consistency, Edm::default().time_at_sigma(0.002)),
        (Prediction::average_to_data(), 1.0),
    ] {
        let mut draws = Noise::new(0).draws(Stream::Duration, 0);
        let steps = method.steps(0, vec![0.5; 200], &path, prediction, &mut draws);
        let next = (0..200).map(|i| steps.t[i] + steps.shares[i] * steps.durations[i]);
        close(next.fold(0.0, f64::max), end, 1e-12);
    }
}

#[test]
fn consistency_training_keeps_the_noise_of_a_bridge() {
    // f(x) = x leads nowhere, so that the error is the way to the next level alone.
    let s = 0.5;
    let path = Path {
        gamma: Gamma::Bridge(s),
        ..Path::linear()
    };
    let (t, q): ([f64; 2], [f64; 2]) = ([0.0, 0.4], [0.3, 0.9]);
    let (x0, x1, z) = ([-1.0, 0.3], [0.8, 2.0], [1.5, -0.7]);
    let column = |of: [f64; 2]| tensor::<A, 2>(&of, [2, 1]);
    let endpoints = Endpoints {
        x0: column(x0),
        x1: column(x1),
    };
    let sample = path.sample(endpoints, Some(column(z)), &t);
    let steps = Steps {
        t: t.to_vec(),
        durations: t.map(|t| 1.0 - t).to_vec(),
        shares: [0, 1].map(|i| (q[i] - t[i]) / (1.0 - t[i])).to_vec(),
        weights: vec![1.0; 2],
        tangent: 1.0,
        equal: 0,
    };
    let network = Slope::new(1.0, false);
    let objective = Objective::new(Prediction::average_to_data());
    let flow: Flow<Slope<A>> = Flow::new(network, path, objective);
    let method = FewStep::ConsistencyTraining {
        equal: 0.0,
        first: 1,
        last: 1,
        halving: 1,
        metric: Metric::Squared,
    };
    let given = Given::nothing();
    let loss = method.loss(
        &flow,
        &flow.valid::<A>(),
        None,
        &sample,
        &steps,
        &given,
        None,
    );
    let at = |i: usize, t: f64| (1.0 - t) * x0[i] + t * x1[i] + s * (t * (1.0 - t)).sqrt() * z[i];
    let way = |i: usize| ((at(i, q[i]) - at(i, t[i])) / (1.0 - t[i])).powi(2);
    close(number(loss.error), (way(0) + way(1)) / 2.0, 1e-10);
}

/// A consistency function of data from N(0, 0.8²) on the trigonometric path, in units of σ_d = ½.
#[derive(Module, Debug)]
struct Rotated<B: Backend> {
    /// The factor of the average velocity, by whose gradient the error is known with its sign.
    one: Param<Tensor<B, 1>>,
    /// Whether it is the exact one, or `f = cos τ·x + 1.5·sin τ·x`.
    exact: bool,
}

const SIGMA_DATA: f64 = 0.5;

/// The data in units of σ_d, and the path to it.
fn rotation<T: Backend>() -> Gaussian<T, Trigonometric, 2> {
    Gaussian {
        mean: tensor(&[0.0], [1, 1]),
        std: 0.8 / SIGMA_DATA,
        schedule: Trigonometric,
    }
}

impl<T: Backend> Network<T, 2> for Rotated<T> {
    type Condition = ();

    fn forward(&self, x: Tensor<T, 2>, t: Tensor<T, 1>, (): &()) -> Tensor<T, 2> {
        self.forward_over(x, t.clone(), t * -1.0 + 1.0, &(), None)
    }

    fn forward_over(
        &self,
        x: Tensor<T, 2>,
        t: Tensor<T, 1>,
        duration: Tensor<T, 1>,
        (): &(),
        _: Option<&mut Draws>,
    ) -> Tensor<T, 2> {
        let t = number(t);
        let f = if self.exact {
            rotation().map(t, 1.0, x.clone())
        } else {
            let (sin, cos) = ((1.0 - t) * FRAC_PI_2).sin_cos();
            x.clone() * (cos + 1.5 * sin)
        };
        (f - x) / duration.unsqueeze_dim::<2>(1) * self.one.val().unsqueeze_dim::<2>(0)
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

struct Exact;

impl<T: Backend> Teacher<T, 2> for Exact {
    fn velocities(&self, t: &[f64], x: Tensor<T, 2>, _: &Given) -> Tensor<T, 2> {
        rotation().velocity(t[0], x)
    }
}

/// The tangent `g = α·df/dt` of continuous consistency at one point, from its loss.
fn tangent(exact: bool, t: f64, x: f64) -> f64 {
    let path = Path::trigonometric();
    let offset = 0.1;
    let endpoints = Endpoints {
        x0: tensor(&[0.0], [1, 1]),
        x1: tensor(&[x / path.schedule.at(t).alpha], [1, 1]),
    };
    let sample = path.sample::<A, 2>(endpoints, None, &[t]);
    let steps = Steps {
        t: vec![t],
        durations: vec![1.0 - t],
        shares: vec![1.0],
        weights: vec![1.0],
        tangent: 1.0,
        equal: 0,
    };
    let method = FewStep::ContinuousConsistency {
        equal: 0.0,
        offset,
        warm_up: 1,
        derivative: Derivative::Auto,
    };
    let one = Param::from_tensor(tensor(&[1.0], [1]));
    let network: Rotated<A> = Rotated { one, exact };
    let flow = Flow::new(network, path, Objective::new(Prediction::average_to_data()));
    let (frozen, given) = (flow.valid::<A>(), Given::nothing());
    let loss = method.loss(&flow, &frozen, Some(&Exact), &sample, &steps, &given, None);
    let gradients = loss.loss.backward();
    let gradient = number(flow.network.one.grad(&gradients).expect("a gradient"));
    let u = (frozen.network).forward(column(&[x]), tensor(&[t], [1]), &());
    // The error is −g/(|g| + c), and the gradient 2·u times that.
    let share = -gradient / (2.0 * number(u));
    close(share * share, number(loss.error), 1e-12);
    offset * share / (1.0 - share.abs())
}

#[test]
fn continuous_consistency_follows_the_tangent() {
    // TrigFlow (Lu & Song 2025) at σ_d = ½, τ = 1.1, x = 0.9, data N(0, 0.8²): here everything is
    // divided by σ_d, and τ = (π/2)(1 − t), so that d/dt = −(π/2)·d/dτ.
    let (tau, x) = (1.1_f64, 0.9);
    let (sin, cos) = tau.sin_cos();
    let (t, here) = (1.0 - tau / FRAC_PI_2, column(&[x / SIGMA_DATA]));
    let back = -SIGMA_DATA / FRAC_PI_2;
    let f = SIGMA_DATA * number(rotation().map(t, 1.0, here.clone()));
    close(f, 1.252_899_275_281_923, 1e-12);
    let output = (cos * x - f) / (SIGMA_DATA * sin);
    close(output, -1.895_547_105_761_506, 1e-12);
    let velocity = back * number(rotation().velocity(t, here));
    close(velocity, -0.429_657_637_880_073_5, 1e-12);
    close(velocity / SIGMA_DATA, -0.859_315_275_760_146_9, 1e-12);
    // g = cos τ·df/dτ there, α·df/dt here.
    let [of_exact, of_linear] = [true, false].map(|exact| back * tangent(exact, t, x / SIGMA_DATA));
    close(of_exact, 0.0, 1e-10);
    close(of_linear, -0.434_995_946_166_097, 1e-10);
    // The derivative of F along the flow, from df/dτ = g/cos τ.
    let slope = (cos * velocity - sin * x - of_exact / cos) / (SIGMA_DATA * sin);
    close(slope - output * cos / sin, -1.272_591_048_895_8, 1e-10);
}
