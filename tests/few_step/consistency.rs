//! Where consistency losses come to rest, and the tangent of continuous consistency.

use super::{A, B, FINE, STD, close, column, number, tensor};
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
use pyroclast::core::network::Network;
use pyroclast::core::noise::Draws;
use pyroclast::core::objective::Objective;
use pyroclast::core::path::{Gamma, Path};
use pyroclast::core::per_sample::PerSample;
use pyroclast::core::prediction::Prediction;
use pyroclast::core::schedule::{AnySchedule, Coefficients, Schedule, Trigonometric};
use std::f64::consts::FRAC_PI_2;
use std::sync::Arc;

/// `f(x, ς) = k·x` on a path that adds noise from 80 to 0.002 to the data: one slope per level.
#[derive(Module, Debug)]
struct Slope<B: Backend> {
    k: Param<Tensor<B, 1>>,
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
        _: Tensor<T, 1>,
        duration: Tensor<T, 1>,
        (): &(),
        _: Option<&mut Draws>,
    ) -> Tensor<T, 2> {
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
fn slope_at_rest(method: FewStep, intervals: usize) -> f64 {
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
        let network = |k: f64| Slope {
            k: Param::from_tensor(tensor(&[k], [1])),
        };
        let frozen: Slope<B> = Slope {
            k: Param::from_tensor(tensor(&[slopes[level + 1]], [1])),
        };
        let objective = || Objective::new(Prediction::consistency());
        let frozen = Flow::new(frozen, path.clone(), objective());
        let gradient = |k: f64| {
            let flow: Flow<Slope<A>> = Flow::new(network(k), path.clone(), objective());
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
    // The bias of consistency training closes as 1/N, with N levels, and is that of Euler's method.
    for (levels, ratio) in [
        (11, 0.752_776_624_610_120_4),
        (21, 0.867_560_148_285_194_5),
        (41, 0.931_422_161_486_119_1),
        (1281, 0.997_782_301_921_987_7),
    ] {
        close(slope_at_rest(training, levels - 1), ratio, 1e-10);
        if levels < 100 {
            let euler = distillation(TeacherStep::Euler);
            close(slope_at_rest(euler, levels - 1), ratio, 1e-10);
        }
    }
    for (levels, ratio) in [
        (18, 1.055_278_326_263_513),
        (40, 1.009_781_529_023_684),
        (80, 1.002_318_222_272_501),
    ] {
        let heun = distillation(TeacherStep::Heun);
        close(slope_at_rest(heun, levels - 1), ratio, 1e-10);
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
    let network = Slope {
        k: Param::from_tensor(tensor(&[1.0], [1])),
    };
    let objective = Objective::new(Prediction::consistency());
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

/// `f(x, τ) = cos τ·x + 1.5·sin τ·x` on the trigonometric path, τ = (π/2)(1 − t).
#[derive(Module, Debug)]
struct Rotated<B: Backend> {
    /// Of no use but to have a parameter.
    one: Param<Tensor<B, 1>>,
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
        let tau = (t * -1.0 + 1.0).unsqueeze_dim::<2>(1) * FRAC_PI_2;
        let f = x.clone() * (tau.clone().cos() + tau.sin() * 1.5);
        (f - x) / duration.unsqueeze_dim::<2>(1) * self.one.val().unsqueeze_dim::<2>(0)
    }
}

#[test]
fn continuous_consistency_follows_the_tangent() {
    // TrigFlow (Lu & Song 2025) at σ_d = ½, τ = 1.1, x = 0.9, data N(0, 0.8²): here everything is
    // divided by σ_d, and τ = (π/2)(1 − t).
    let (data, scale, tau) = (0.5, 0.8, 1.1_f64);
    let t = 1.0 - tau / FRAC_PI_2;
    let gaussian = Gaussian {
        mean: column(&[0.0]),
        std: scale / data,
        schedule: Trigonometric,
    };
    let x = column(&[0.9 / data]);
    let f = data * number(gaussian.map(t, 1.0, x.clone()));
    close(f, 1.252_899_275_281_923, 1e-12);
    let consistency = (tau.cos() * 0.9 - f) / (data * tau.sin());
    close(consistency, -1.895_547_105_761_506, 1e-12);
    // dx/dτ = −(2/π)·v.
    let velocity = -data * number(gaussian.velocity(t, x.clone())) / FRAC_PI_2;
    close(velocity, -0.429_657_637_880_073_5, 1e-12);
    struct Exact;
    impl<T: Backend> Teacher<T, 2> for Exact {
        fn velocities(&self, t: &[f64], x: Tensor<T, 2>, _: &Given) -> Tensor<T, 2> {
            let gaussian = Gaussian {
                mean: x.zeros_like(),
                std: 1.6,
                schedule: Trigonometric,
            };
            gaussian.velocity(t[0], x)
        }
    }
    // The loss of one row is the squared normalised tangent, from which the tangent follows.
    let path = Path::trigonometric();
    let (c, offset) = (path.schedule.at(t), 0.1);
    let endpoints = Endpoints {
        x0: tensor(&[0.0], [1, 1]),
        x1: tensor(&[0.9 / data / c.alpha], [1, 1]),
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
        derivative: FINE,
    };
    let network = Rotated {
        one: Param::from_tensor(tensor(&[1.0], [1])),
    };
    let flow: Flow<Rotated<A>> =
        Flow::new(network, path, Objective::new(Prediction::consistency()));
    let (frozen, given) = (flow.valid::<A>(), Given::nothing());
    let loss = method.loss(&flow, &frozen, Some(&Exact), &sample, &steps, &given, None);
    let root = number(loss.error).sqrt();
    let size = offset * root / (1.0 - root);
    // g = cos τ·df/dτ there, α·df/dt here.
    close(size * data / FRAC_PI_2, 0.434_995_946_166_097, 1e-7);
}
