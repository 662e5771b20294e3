//! Events: solves that end where a function changes its sign.

use super::*;
use crate::support::{bits, distance, state};
use burn_flex::Flex;
use pyroclast::solvers::{BOGACKI_SHAMPINE, DOPRI5, HEUN, TSIT5};
use pyroclast::solvers::{EmbeddedRk, SolveError};
use std::cell::Cell;
use std::f64::consts::PI;

const GRAVITY: f64 = 9.81;

/// `(y, v)` in free fall.
fn fall<T: Backend>(_: f64, x: Tensor<T, 2>) -> Tensor<T, 2> {
    let v = x.narrow(1, 1, 1);
    Tensor::cat(vec![v.clone(), v.full_like(-GRAVITY)], 1)
}

fn hits_the_ground<T: Backend>() {
    let field: Field<T> = fall;
    let ground = [crossing(0, 0.0, Direction::Falling)];
    // Every method of order two solves a parabola exactly, and so does its dense output.
    for &pair in EmbeddedRk::ALL {
        let solve = |x: &[f64], t: f64| {
            let found = until(tolerance(1e-6), &ground)
                .solve(&field, &pair, state::<T>(x), (t, 10.0))
                .expect("a smooth problem");
            assert_eq!(found.event, Some(0), "{}", name(&pair));
            found
        };
        let mut due = (20.0 / GRAVITY).sqrt();
        let mut speed = (20.0 * GRAVITY).sqrt();
        let mut hit = solve(&[10.0, 0.0], 0.0);
        // Each of three bounces halves the speed.
        for _ in 0..4 {
            assert!(
                (hit.t - due).abs() < 1e-10,
                "{}: {} {due}",
                name(&pair),
                hit.t
            );
            assert!(distance(hit.x, &[0.0, -speed]) < 1e-9, "{}", name(&pair));
            speed *= 0.5;
            due += 2.0 * speed / GRAVITY;
            // It starts on the ground: this zero is not an event.
            hit = solve(&[0.0, speed], hit.t);
        }
    }
}

#[test]
fn a_ball_hits_the_ground_when_it_should() {
    hits_the_ground::<B>();
    hits_the_ground::<Flex>();
}

#[test]
fn an_event_is_seen_in_its_direction_alone_along_the_solve() {
    let field: Field<B> = oscillator;
    let tol = 1e-10;
    let cases = [
        // sin t from 0, where its zero is not an event.
        (Direction::Any, (0.0, 10.0), PI),
        (Direction::Falling, (0.0, 10.0), PI),
        (Direction::Rising, (0.0, 10.0), 2.0 * PI),
        // Backward, sin falls below zero at once, and rises to it at −π.
        (Direction::Any, (0.0, -10.0), -PI),
        (Direction::Rising, (0.0, -10.0), -PI),
        (Direction::Falling, (0.0, -10.0), -2.0 * PI),
    ];
    for pair in [BOGACKI_SHAMPINE, DOPRI5, TSIT5] {
        for (direction, span, zero) in cases {
            let events = [crossing(0, 0.0, direction)];
            let found = until(tolerance(tol), &events)
                .solve(&field, &pair, state(&[0.0, 1.0]), span)
                .expect("a smooth problem");
            let Solution {
                t, x, statistics, ..
            } = found;
            assert_eq!(found.event, Some(0));
            // Errors rotate and do not grow: each is 2·√2 times the tolerance at most, and the zero
            // is crossed at speed 1. Within a step, the interpolation errs by about as much as ten
            // steps.
            let bound = 3.0 * tol * (statistics.steps + 10) as f64;
            assert!((t - zero).abs() < bound, "{direction:?} in {span:?}: {t}");
            // The state is that at the time found, at the zero or just behind it.
            assert!(distance(x.clone(), &[t.sin(), t.cos()]) < bound);
            assert!(entry(&x, 0).abs() < 1e-14);
        }
    }
}

/// One step over [0, 1], in which the state is the time.
fn in_one_step(events: &[Event<'_, B, 2>]) -> (Option<usize>, f64) {
    let field: Field<B> = clock;
    let found = until(fixed(1.0), events)
        .solve(&field, &DOPRI5, state(&[0.0]), (0.0, 1.0))
        .expect("a constant slope");
    assert_eq!(found.statistics.steps, 1);
    let t = found.t;
    assert!(distance(found.x, &[t]) < 1e-15);
    (found.event, t)
}

#[test]
fn the_earliest_of_several_events_counts() {
    // 0.3 and 0.31 lie in the same eighth of the step.
    let events = [0.7, 0.31, 0.3, 0.9].map(|level| crossing(0, level, Direction::Rising));
    let (event, t) = in_one_step(&events);
    assert_eq!(event, Some(2));
    assert!((t - 0.3).abs() < 1e-15, "{t}");
    // An earlier one in the wrong direction does not count.
    let events = [
        crossing(0, 0.2, Direction::Falling),
        crossing(0, 0.6, Direction::Rising),
        crossing(0, 0.7, Direction::Any),
    ];
    let (event, t) = in_one_step(&events);
    assert_eq!(event, Some(1));
    assert!((t - 0.6).abs() < 1e-15, "{t}");
}

#[test]
fn two_changes_of_sign_in_one_step_are_seen() {
    // Zeros in different eighths of the step, whose ends have the same sign.
    let product = |x: &Tensor<B, 2>| (entry(x, 0) - 0.3) * (entry(x, 0) - 0.45);
    for (direction, zero) in [
        (Direction::Any, 0.3),
        (Direction::Falling, 0.3),
        (Direction::Rising, 0.45),
    ] {
        let (event, t) = in_one_step(&[Event::new(|_, x| product(x), direction)]);
        assert_eq!(event, Some(0));
        // Its slope at the zeros is 0.15: an error of ε there moves the zero by 7ε.
        assert!((t - zero).abs() < 1e-14, "{direction:?}: {t}");
    }
}

#[test]
fn an_event_may_fall_on_the_end_of_a_step_or_of_the_span() {
    let field: Field<B> = clock;
    for (level, steps) in [(0.25, 1), (0.5, 2), (1.0, 4)] {
        let events = [crossing(0, level, Direction::Any)];
        let found = until(fixed(0.25), &events)
            .solve(&field, &HEUN, state(&[0.0]), (0.0, 1.0))
            .expect("a constant slope");
        assert_eq!(found.event, Some(0));
        // Halves and quarters are exact, so the zero is the end of a step.
        assert!((found.t - level).abs() < 1e-15);
        assert_eq!(found.statistics.steps, steps);
    }
}

#[test]
fn without_an_event_a_solve_is_the_plain_one() {
    let field: Field<B> = oscillator;
    let start = || state(&[0.0, 1.0]);
    // Never reached; in the wrong direction; none at all.
    let events = [
        crossing(0, 1.5, Direction::Any),
        crossing(1, -2.0, Direction::Rising),
    ];
    for span in [(0.0, 3.0), (0.0, -3.0)] {
        let plain = Adaptive::new(tolerance(1e-6))
            .solve(&field, &DOPRI5, start(), span)
            .expect("a smooth problem");
        for events in [&events[..], &[]] {
            let found = until(tolerance(1e-6), events)
                .solve(&field, &DOPRI5, start(), span)
                .expect("a smooth problem");
            assert_eq!(found.event, None);
            assert_eq!(found.t, span.1);
            assert_eq!(bits(found.x), bits(plain.x.clone()));
            assert_eq!(found.statistics, plain.statistics);
        }
    }
    let nothing = until(tolerance(1e-6), &[crossing(0, 0.0, Direction::Any)])
        .solve(&field, &DOPRI5, start(), (1.0, 1.0))
        .expect("nothing to do");
    assert_eq!((nothing.event, nothing.t), (None, 1.0));
}

#[test]
fn a_zero_is_located_with_some_fifty_evaluations_wherever_it_lies() {
    // Floats are densest at t = 0, which must not prolong the search.
    let field: Field<B> = clock;
    for start in [-1.0, -0.9, 0.0, 5.0] {
        let looks = Cell::new(0);
        let level = start + 1.0;
        let events = [Event::new(
            |t, _: &Tensor<B, 2>| {
                looks.set(looks.get() + 1);
                t - level
            },
            Direction::Any,
        )];
        let found = until(fixed(2.0), &events)
            .solve(&field, &DOPRI5, state(&[0.0]), (start, start + 2.0))
            .expect("a constant slope");
        assert_eq!(found.event, Some(0));
        assert!((found.t - level).abs() < 2e-15 * (start + 2.0).abs().max(1.0));
        // One at the start, eight on the step, and one per bit of an eighth of it.
        assert!(looks.get() <= 1 + 8 + 52, "from {start}: {}", looks.get());
    }
}

#[test]
fn a_solve_that_begins_at_an_event_leaves_it_behind() {
    let field: Field<B> = fall;
    // Any direction: rounding leaves the ball a little above or below the ground, and neither side
    // may count as another bounce.
    let ground = [crossing(0, 0.0, Direction::Any)];
    let (mut t, mut x, mut due, mut speed) = (0.0, state::<B>(&[10.0, 0.0]), 0.0, 0.0);
    for bounce in 0..6 {
        let hit = until(tolerance(1e-8), &ground)
            .solve(&field, &DOPRI5, x, (t, 20.0))
            .expect("a smooth problem");
        due += match bounce {
            0 => (20.0 / GRAVITY).sqrt(),
            _ => 2.0 * speed / GRAVITY,
        };
        speed = (20.0 * GRAVITY).sqrt() * 0.5_f64.powi(bounce + 1);
        assert!(
            (hit.t - due).abs() < 1e-9,
            "bounce {bounce}: {} {due}",
            hit.t
        );
        t = hit.t;
        // The height is left as it was found; the velocity turns, and halves.
        x = Tensor::cat(
            vec![hit.x.clone().narrow(1, 0, 1), hit.x.narrow(1, 1, 1) * -0.5],
            1,
        );
    }
}

#[test]
fn an_event_that_is_not_a_number_ends_the_solve_by_name() {
    let field: Field<B> = oscillator;
    // A zero at 0.6, in a gap that the search cannot see across.
    let gap = |t: f64, _: &Tensor<B, 2>| {
        if (t - 0.6).abs() < 0.2 {
            f64::NAN
        } else {
            t - 0.6
        }
    };
    let events = [Event::new(gap, Direction::Any)];
    let found =
        until(tolerance(1e-6), &events).solve(&field, &DOPRI5, state(&[0.0, 1.0]), (0.0, 1.0));
    let stopped = found.expect_err("no number");
    assert!(
        matches!(stopped.reason, SolveError::EventNotANumber { event: 0, t } if (0.4..0.8).contains(&t)),
        "{}",
        stopped.reason
    );
}

#[test]
fn a_sample_whose_event_is_not_a_number_fails_alone() {
    // x = x0 + t: the root of 1 − x is 0 at x = 1 and undefined beyond, which the second and third
    // samples come to, by a step or from the start. The last one has its event before that.
    let field: Field<B> = clock;
    let root = |_: f64, x: &Tensor<B, 2>| (1.0 - entry(x, 0)).sqrt();
    let events = [
        Event::new(root, Direction::Rising),
        crossing(0, -1.7, Direction::Rising),
    ];
    let starts = [-1.0, 0.5, 1.5, -2.0];
    let solution = until(tolerance(1e-6), &events)
        .per_sample()
        .solve(
            &OfRows(&field),
            &DOPRI5,
            crate::support::tensor(starts, [4, 1]),
            (0.0, 1.0),
        )
        .expect("a span");
    let failed = |i: usize| match &solution.samples[i].failure {
        Some(SolveError::EventNotANumber { event: 0, t }) => *t,
        other => panic!("sample {i}: {other:?}"),
    };
    let samples = &solution.samples;
    assert_eq!((&samples[0].failure, samples[0].event), (&None, None));
    assert_eq!(samples[0].t, 1.0);
    let t = failed(1);
    assert!((0.5..=1.0).contains(&t), "{t}");
    assert_eq!(failed(2), 0.0);
    assert_eq!(samples[3].event, Some(1));
    assert!((samples[3].t - 0.3).abs() < 1e-12);
}

#[test]
fn an_event_that_is_not_a_number_where_the_solve_begins_stops_it_there() {
    let field: Field<B> = clock;
    let root = |t: f64, _: &Tensor<B, 2>| if t == 0.0 { f64::NAN } else { t - 0.5 };
    let stopped = until(tolerance(1e-6), &[Event::new(root, Direction::Any)])
        .solve(&field, &DOPRI5, state(&[0.0]), (0.0, 1.0))
        .expect_err("no number");
    let expected = SolveError::EventNotANumber { event: 0, t: 0.0 };
    assert_eq!(stopped.reason, expected);
}

#[test]
fn a_largest_step_of_eight_gaps_finds_two_zeros_in_a_gap() {
    // Both zeros lie between the probes at 0.375 and 0.5 of the only step.
    let gap = 0.05;
    let product = |x: &Tensor<B, 2>| (entry(x, 0) - 0.4) * (entry(x, 0) - 0.4 - gap);
    let events = [Event::new(|_, x| product(x), Direction::Any)];
    let (missed, _) = in_one_step(&events);
    assert_eq!(missed, None);
    let field: Field<B> = clock;
    let control = Control {
        dt_max: 8.0 * gap,
        ..tolerance(1e-6)
    };
    let found = until(control, &events)
        .solve(&field, &DOPRI5, state(&[0.0]), (0.0, 1.0))
        .expect("a constant slope");
    assert_eq!(found.event, Some(0));
    assert!((found.t - 0.4).abs() < 1e-13, "{}", found.t);
}

#[test]
fn a_tolerance_below_rounding_is_refused_by_name() {
    let single: Field<Flex> = oscillator;
    let solve = |tolerance: f64| {
        let x = Tensor::<Flex, 2>::from_data([[0.0_f32, 1.0]], &Default::default());
        Adaptive::tolerance(tolerance).solve(&single, &DOPRI5, x, (0.0, 1.0))
    };
    let stopped = solve(1e-12).expect_err("single precision");
    assert!(
        matches!(stopped.reason, SolveError::Precision { .. }),
        "{}",
        stopped.reason
    );
    assert_eq!(stopped.partial.t, 0.0);
    solve(1e-6).expect("single precision resolves it");
}
