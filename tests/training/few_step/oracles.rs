//! Numbers of an independent computation, in 30 digits.
//!
//! Unless another is said, the point is t = 0.2, r = 0.9, x = 1.3, of the flow to N(0.7, ½²).

use super::{A, B, ExactVelocity, MEAN, STD, Scaled, close, column, exact, loss_of, number};
use super::{tensor, trainings, values};
use burn::tensor::Tensor;
use pyroclast::burn;
use pyroclast::core::analytic::{Gaussian, GaussianBridge};
use pyroclast::core::condition::Given;
use pyroclast::core::endpoints::Endpoints;
use pyroclast::core::few_step::Steps;
use pyroclast::core::field::VectorField;
use pyroclast::core::flow_map::FlowMap;
use pyroclast::core::jvp::double_backward;
use pyroclast::core::network::{Direction, Network};
use pyroclast::core::path::Path;
use pyroclast::core::schedule::{Edm, Linear};
use pyroclast::solvers::{EULER, TimeGrid, integrate};

const T: f64 = 0.2;
const D: f64 = 0.7;
const X: f64 = 1.3;

/// The derivative of the exact average velocity along a direction in x and t, as the end stays.
fn slope(x: Option<f64>, t: f64) -> f64 {
    let direction = Direction {
        x: x.map(|v| column(&[v])),
        t,
        duration: -t,
    };
    let inputs = (column(&[X]), tensor(&[T], [1]), tensor(&[D], [1]));
    let network = Scaled::<B>::new(1.0);
    number(double_backward(
        &network,
        inputs,
        &Given::nothing(),
        &direction,
    ))
}

/// `n` steps of one start and one duration.
fn steps(n: usize, t: f64, d: f64) -> Steps {
    Steps {
        t: vec![t; n],
        durations: vec![d; n],
        shares: vec![0.5; n],
        weights: vec![1.0; n],
        tangent: 1.0,
        equal: if d == 0.0 { n } else { 0 },
    }
}

#[test]
fn the_average_velocity_changes_along_the_flow_by_both_of_its_parts() {
    let v = number(exact().velocity(T, column(&[X])));
    let [whole, of_time, of_place] =
        [(Some(v), 1.0), (None, 1.0), (Some(v), 0.0)].map(|(direction, t)| slope(direction, t));
    close(whole, 0.898_323_371_027_430_6, 1e-10);
    close(of_time, 0.507_741_674_504_791_6, 1e-10);
    close(of_place, 0.390_581_696_522_639_1, 1e-10);
    // MeanFlow's identity, and what is left of it with the sign of a clock that runs backwards.
    let u = number(exact().average_velocity(T, T + D, column(&[X])));
    close(u, v + D * whole, 1e-10);
    close(u - (v - D * whole), 1.257_652_719_438_403, 1e-10);
    // The loss has the right one: a pair with x_t = 1.3, and the marginal velocity of a teacher.
    let pair = Endpoints {
        x0: tensor(&[X / (1.0 - T)], [1, 1]),
        x1: tensor(&[0.0], [1, 1]),
    };
    for (name, method) in &trainings()[..2] {
        let (error, _) = loss_of(
            *method,
            1.0,
            &steps(1, T, D),
            Some(&ExactVelocity),
            pair.clone(),
        );
        assert!(error < 1e-20, "{name}: {error}");
    }
}

#[test]
fn the_map_stretches_by_its_gradient() {
    let map: Gaussian<A, Linear, 2> = Gaussian {
        mean: tensor(&[MEAN], [1, 1]),
        std: STD,
        schedule: Linear::default(),
    };
    let x = tensor::<A, 2>(&[X], [1, 1]).require_grad();
    let gradients = map.map(T, T + D, x.clone()).sum().backward();
    let gradient = number(x.grad(&gradients).expect("of the map"));
    close(gradient, 0.571_771_874_896_865_6, 1e-10);
    // Along u it is 1 + (r − t)·∇u.
    close(1.0 + D * slope(Some(1.0), 0.0), gradient, 1e-10);
}

#[test]
fn one_step_from_noise_has_the_velocity_of_the_chord() {
    close(
        number(exact().average_velocity(0.0, 1.0, column(&[-0.4]))),
        0.9,
        1e-12,
    );
    let network = Scaled::<B>::new(1.0);
    let (t, d) = (tensor(&[0.0], [1]), tensor(&[1.0], [1]));
    close(
        number(network.forward_over(column(&[-0.4]), t, d, &(), None)),
        0.9,
        1e-12,
    );
}

#[test]
fn without_a_teacher_only_the_spread_of_the_pairs_is_left() {
    // At the exact map the error is linear in both ends, so that these four pairs have the mean of
    // its square over all: the variance of the target, v_r·s²/v_t², at every x.
    let ends = || Endpoints {
        x0: tensor(&[1.0, 1.0, -1.0, -1.0], [4, 1]),
        x1: tensor(&[MEAN + STD, MEAN - STD, MEAN + STD, MEAN - STD], [4, 1]),
    };
    let [(_, mean_flow), ..] = trainings();
    let (error, gradient) = loss_of(mean_flow, 1.0, &steps(4, T, D), None, ends());
    close(error, 0.125_739_644_970_414_2, 1e-10);
    close(gradient, 0.0, 1e-10);
    // Flow matching has s²/v_t.
    let (error, gradient) = loss_of(mean_flow, 1.0, &steps(4, T, 0.0), None, ends());
    close(error, 0.25 / 0.65, 1e-12);
    close(gradient, 0.0, 1e-12);
    // The others read the network's own velocity where steps have a duration, and have none.
    for (name, method) in &trainings()[1..] {
        let (error, _) = loss_of(*method, 1.0, &steps(4, 0.25, 0.25), None, ends());
        assert!(error < 1e-15, "{name}: {error}");
    }
}

#[test]
fn the_second_rectified_flow_is_straight() {
    // Pairs of the exact flow: their paths cross nowhere, so that the velocity of the path through
    // a point, m + (s − 1)·(x − tm)/(1 − t + ts), is the best there is.
    let (t, x) = (0.3, 1.1);
    let x0 = column(&[(x - t * MEAN) / (1.0 - t + t * STD)]);
    let x1 = exact().map(0.0, 1.0, x0.clone());
    let sample = Path::linear().sample(Endpoints { x0, x1 }, None, &[t]);
    close(number(sample.x_t), x, 1e-12);
    close(number(sample.d_x_t), 0.176_470_588_235_294_1, 1e-12);
    // Without noise the Schrödinger bridge joins the same pairs, up to s².
    let bridge = GaussianBridge::schrodinger([&[0.0], &[MEAN]], [&[1.0], &[STD * STD]], 1e-7);
    let velocity = |x: f64| number(bridge.velocity(t, column(&[x])));
    close(velocity(x), 0.176_470_588_235_294_1, 1e-10);
    // One step of Euler's method is exact.
    let x0: Tensor<B, 2> = column(&[-2.0, -0.4, 0.0, 1.1]);
    let jump = integrate(&bridge, &EULER, x0.clone(), &TimeGrid::uniform(0.0, 1.0, 1));
    for (x, expected) in values(jump)
        .into_iter()
        .zip(values(exact().map(0.0, 1.0, x0)))
    {
        close(x, expected, 1e-10);
    }
}

#[test]
fn a_consistency_function_leads_from_a_level_of_noise_to_the_least() {
    // EDM's clock, data N(0, 0.8²), from ς = 1.5 to 0.002.
    let edm = Edm::default();
    let map = Gaussian {
        mean: column(&[0.0]),
        std: 0.8,
        schedule: edm,
    };
    let [t, r] = [1.5, 0.002].map(|sigma| edm.time_at_sigma(sigma));
    close(
        number(map.map(t, r, column(&[0.9]))),
        0.423_530_735_292_049_6,
        1e-10,
    );
}
