//! Saved times, landing, dense output and events together, shared and per sample, for ODEs and
//! SDEs.

use super::per_sample::{Only, Swing};
use super::*;
use crate::support::{bits, distance, host, state, tensor};
use pyroclast::core::field::{Additive, Diffusion, Sde};
use pyroclast::core::noise::Noise;
use pyroclast::solvers::EmbeddedRk;
use pyroclast::solvers::{BrownianTree, DOPRI5, DOPRI8, HEUN, Shark, TimeGrid, integrate};
use std::f64::consts::PI;

#[test]
fn an_event_ends_what_is_saved_and_what_is_dense() {
    let field: Field<B> = oscillator;
    // sin t falls through zero at π, before the last two of the times.
    let events = [crossing(0, 0.0, Direction::Falling)];
    for &pair in EmbeddedRk::ALL {
        for landing in [false, true] {
            // The cubic of the pairs that have no better one is off by up to h⁴/384.
            let control = Control {
                dt_max: 0.5,
                ..tolerance(1e-6)
            };
            let mut adaptive = until(control, &events).dense();
            adaptive.save.times = vec![5.0, 1.0, 0.0, PI + 1e-3, 3.0, 1.0];
            adaptive.save.landing = landing;
            let solution = (adaptive.solve(&field, &pair, state(&[0.0, 1.0]), (0.0, 7.0)))
                .expect("a smooth problem");
            assert_eq!(solution.event, Some(0));
            assert!((solution.t - PI).abs() < 1e-3);
            let saved: Vec<f64> = solution.saved.iter().map(|(t, _)| *t).collect();
            assert_eq!(saved, [1.0, 0.0, 3.0, 1.0], "{}", name(&pair));
            for (t, x) in &solution.saved {
                let dense = solution.at(*t).expect("a time before the event");
                assert_eq!(bits(x.clone()), bits(dense), "{} at {t}", name(&pair));
                assert!(distance(x.clone(), &[t.sin(), t.cos()]) < 1e-3);
            }
            let at_event = solution.at(solution.t).expect("the last time");
            assert_eq!(bits(at_event), bits(solution.x.clone()));
            assert!(solution.at(solution.t + 1e-9).is_none());
            let steps = solution.steps(0);
            assert_eq!(steps.last().expect("a step").1, solution.t);
            let lands = |time: f64| steps.iter().any(|(_, s)| *s == time);
            assert_eq!(lands(1.0) && lands(3.0), landing, "{}", name(&pair));
        }
    }
}

/// Samples that swing at rates of their own, up to where they have grown to 1.2.
fn grown<'a>(landing: bool) -> Adaptive<'a, B, 3> {
    let event = Event::new(
        |_, x: &Tensor<B, 3>| host(x.clone())[0] - 1.2,
        Direction::Rising,
    );
    let mut adaptive = Adaptive::new(tolerance(1e-8)).dense().until(event);
    adaptive.save.times = vec![0.4, 2.0, 0.0, 0.1];
    adaptive.save.landing = landing;
    adaptive
}

#[test]
fn each_sample_has_its_own_event_states_and_dense_output() {
    // x = exp(a·sin t) comes to 1.2 where sin t = ln(1.2)/a; the last two never do.
    let field = Swing(vec![0.5, 3.0, 0.1, -0.5]);
    let event = |a: f64| ((1.2_f64).ln() / a).asin();
    for &pair in EmbeddedRk::ALL {
        for landing in [false, true] {
            let adaptive = grown(landing).per_sample();
            let x = tensor::<B, 3>(vec![1.0; 4], [4, 1, 1]);
            let solution = adaptive
                .solve(&field, &pair, x, (0.0, 2.0))
                .expect("a span");
            assert_eq!(solution.failures(), 0);
            let x = host(solution.x.clone());
            for i in 0..4 {
                let sample = &solution.samples[i];
                let end = match i {
                    0 | 1 => event(field.0[i]),
                    _ => 2.0,
                };
                assert_eq!(sample.event, (i < 2).then_some(0), "{}", name(&pair));
                assert!(
                    (sample.t - end).abs() < 1e-5,
                    "{}: {}",
                    name(&pair),
                    sample.t
                );
                let expected = (field.0[i] * sample.t.sin()).exp();
                assert!((x[i] - expected).abs() < 1e-5, "{}", name(&pair));
                assert_eq!(solution.steps(i).last().expect("a step").1, sample.t);

                // Alone it has the same numbers, to the bit.
                let start = tensor::<B, 3>([1.0], [1, 1, 1]);
                let alone = adaptive.solve(&Only(&field, i), &pair, start, (0.0, 2.0));
                let alone = alone.expect("a span");
                assert_eq!(&alone.samples[0], sample, "{}", name(&pair));
                assert_eq!(alone.steps(0), solution.steps(i));
                let row = |x: &Tensor<B, 3>| host(x.clone().narrow(0, i, 1))[0].to_bits();
                assert_eq!(row(&solution.x), host(alone.x.clone())[0].to_bits());
                for ((t, all), (_, own)) in solution.saved.iter().zip(&alone.saved) {
                    assert_eq!(
                        row(all),
                        host(own.clone())[0].to_bits(),
                        "sample {i} at {t}"
                    );
                }
                let lands = |time: f64| (solution.steps(i).iter()).any(|(_, s)| *s == time);
                assert!(
                    !landing || (lands(0.4) == (sample.t > 0.4)),
                    "{}",
                    name(&pair)
                );
            }
            for (t, saved) in &solution.saved {
                // Saved is what dense output says, and undefined where a sample has ended before.
                let dense = solution.at(*t).expect("a time of the span");
                assert_eq!(bits(saved.clone()), bits(dense), "{} at {t}", name(&pair));
                for (value, sample) in host(saved.clone()).iter().zip(&solution.samples) {
                    assert_eq!(value.is_finite(), *t <= sample.t);
                }
            }
            assert!(solution.at(2.1).is_none() && solution.at(-0.1).is_none());
        }
    }
}

#[test]
fn samples_that_land_save_their_methods_own_states() {
    // Landing and interpolating are both as good as the end, at order 8 too.
    let field = Swing(vec![1.0, -2.0]);
    let times = [0.123, 1.0, 1.7];
    let error = |landing: bool| {
        let adaptive = Adaptive::new(tolerance(1e-10)).per_sample();
        let adaptive = if landing {
            adaptive.landing_on(times)
        } else {
            adaptive.saving(times)
        };
        let x = tensor::<B, 3>(vec![1.0; 2], [2, 1, 1]);
        let solution = adaptive
            .solve(&field, &DOPRI8, x, (0.0, 2.0))
            .expect("a span");
        let exact = |t: f64| {
            field
                .0
                .clone()
                .into_iter()
                .map(move |a| (a * t.sin()).exp())
        };
        let errors = (solution.saved.iter())
            .map(|(t, x)| distance(x.clone(), &exact(*t).collect::<Vec<_>>()));
        errors.fold(0.0, f64::max)
    };
    assert!(error(true) < 1e-8, "{}", error(true));
    assert!(error(false) < 1e-8, "{}", error(false));
}

/// `dX = −X dt + ½ dW`.
struct Pulled;

impl Sde<B, 2> for Pulled {
    type Calculus = Additive;

    fn drift(&self, _: f64, x: Tensor<B, 2>) -> Tensor<B, 2> {
        -x
    }

    fn diffusion(&self, _: f64, _: &Tensor<B, 2>) -> Diffusion<B, 2> {
        Diffusion::Level(0.5)
    }
}

#[test]
fn a_stochastic_solve_saves_lands_and_stops_too() {
    let method = || Shark {
        brownian: BrownianTree::new(Noise::new(3), 0, (0.0, 1.0)),
    };
    let x = || state::<B>(&[2.0, 2.0]);
    // The first coordinate falls to 1.7 on the way.
    let low = [crossing(0, 1.7, Direction::Falling)];
    let adaptive = until(tolerance(1e-4), &low).dense();
    let solution = adaptive
        .solve(&Pulled, &method(), x(), (0.0, 1.0))
        .expect("smooth");
    assert_eq!(solution.event, Some(0));
    assert!((entry(&solution.x, 0) - 1.7).abs() < 1e-9);
    // Between its ends a step is a line.
    let (t, s) = solution.steps(0)[0];
    let at = |time: f64| solution.at(time).expect("a time of the first step");
    let middle = (at(t) + at(s)) * 0.5;
    assert!(distance(at(0.5 * (t + s)), &host(middle)) < 1e-14);

    // Landing, its states are the method's own along the same path, over the steps that it took.
    let landing = Adaptive::new(tolerance(1e-4))
        .landing_on([0.3, 0.7])
        .dense();
    let solution = landing
        .solve(&Pulled, &method(), x(), (0.0, 1.0))
        .expect("smooth");
    let steps = solution.steps(0);
    for (time, saved) in &solution.saved {
        let ends = steps.iter().map(|(_, s)| *s).filter(|s| s <= time);
        let grid = TimeGrid::new([0.0].into_iter().chain(ends).collect()).expect("a grid");
        let replayed = integrate(&Pulled, &method(), x(), &grid);
        assert_eq!(grid.times()[grid.steps()], *time);
        assert_eq!(bits(saved.clone()), bits(replayed), "at {time}");
    }
}

#[test]
fn what_is_not_asked_for_is_not_kept() {
    let field: Field<B> = oscillator;
    let solve = |adaptive: Adaptive<'_, B, 2>| {
        let solution = adaptive.solve(&field, &DOPRI5, state(&[0.0, 1.0]), (0.0, 1.0));
        solution.expect("a smooth problem")
    };
    let plain = solve(Adaptive::new(tolerance(1e-6)));
    assert!(plain.saved.is_empty() && plain.samples.is_empty() && plain.steps(0).is_empty());
    assert!(plain.at(0.5).is_none());
    // A method without dense weights of high order pays for its end slopes alone.
    let heun = |adaptive: Adaptive<'_, B, 2>| {
        let solution = adaptive.solve(&field, &HEUN, state(&[0.0, 1.0]), (0.0, 1.0));
        solution.expect("a smooth problem").statistics
    };
    let (plain, dense) = (
        heun(Adaptive::new(tolerance(1e-4))),
        heun(Adaptive::new(tolerance(1e-4)).dense()),
    );
    assert_eq!(
        (plain.steps, plain.rejections),
        (dense.steps, dense.rejections)
    );
    assert!(dense.evaluations <= plain.evaluations + 1);
}
