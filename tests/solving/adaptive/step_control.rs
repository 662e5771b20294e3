//! The size of steps: tolerances, bounds, and what ends a solve before its end.

use super::*;
use crate::support::{distance, host, state};
use burn_flex::Flex;
use pyroclast::solvers::EmbeddedRk;
use pyroclast::solvers::{
    BOGACKI_SHAMPINE, DOPRI5, DOPRI8, HEUN, Pid, RALSTON, SolveError, Statistics, Stopped, TSIT5,
};

#[test]
fn steps_are_no_longer_than_the_largest() {
    let problem = &problems::<B>()[1];
    let longest = |control: Control, span: (f64, f64)| {
        let solution = dense(problem, &DOPRI5, span, control);
        let steps = solution.steps(0);
        let lengths = steps.iter().map(|(t, s)| (s - t).abs());
        (lengths.fold(0.0, f64::max), steps.len())
    };
    for span in [(0.0, 10.0), (10.0, 0.0)] {
        let bounded = Control {
            dt_max: 0.07,
            ..tolerance(1e-3)
        };
        let (free, _) = longest(tolerance(1e-3), span);
        assert!(free > 0.7, "the bound would not show: {free}");
        let (length, steps) = longest(bounded, span);
        // t and s are rounded: their difference by ε·|t|.
        assert!(length <= 0.07 + 10.0 * f64::EPSILON, "{length}");
        // The first few steps grow, and the rest have full length.
        assert!((143..150).contains(&steps), "{steps}");
        // A longer first step is cut to the bound.
        let first = Control {
            first_step: Some(5.0),
            ..bounded
        };
        assert_eq!(longest(first, span).1, 143);
    }
}

/// The solve, which has to stop before its end.
fn stops<T: Backend>(
    field: &Field<T>,
    pair: &EmbeddedRk,
    span: (f64, f64),
    control: Control,
) -> Stopped<T, 2> {
    Adaptive::new(control)
        .solve(field, pair, state(&[1.0]), span)
        .expect_err("a solve that stops")
}

#[test]
fn the_smallest_step_ends_a_solve_that_keeps_what_it_has() {
    for &pair in EmbeddedRk::ALL {
        let control = Control {
            dt_min: 1e-3,
            ..tolerance(1e-6)
        };
        let field: Field<B> = pole;
        let stopped = stops(&field, &pair, (0.0, 2.0), control);
        let partial = *stopped.partial;
        assert_eq!(
            stopped.reason,
            SolveError::StepSize {
                minimum: 1e-3,
                t: partial.t
            }
        );
        let text = stopped.reason.to_string();
        assert!(
            text.starts_with("step size fell below 1e-3 at t = 0.")
                && text.ends_with("; loosen rtol/atol or use a fixed grid"),
            "{text}"
        );
        // Steps of 10⁻³ are enough for a relative tolerance of 10⁻⁶ until about 0.1 before the
        // pole; without the bound the solve continues.
        assert!(partial.t > 0.1 && partial.t < 1.0);
        assert!(partial.statistics.steps > 0 && partial.statistics.rejections > 0);
        assert!(partial.statistics.evaluations > partial.statistics.steps);
        // Errors grow like the solution's slope, by (1 − t)⁻².
        let scale = (1.0 - partial.t).powi(-2);
        let bound = 1e-6 * partial.statistics.steps as f64 * scale * 2.0;
        let error = distance(partial.x, &[1.0 / (1.0 - partial.t)]);
        assert!(error < bound, "{}: {error} {bound}", name(&pair));
        let further = stops(&field, &pair, (0.0, 2.0), tolerance(1e-6));
        assert!(further.partial.t > partial.t);
    }
}

#[test]
fn the_step_limit_keeps_the_state_and_what_was_saved() {
    let field: Field<B> = oscillator;
    let control = Control {
        max_steps: 20,
        ..Control::tolerance(1e-9)
    };
    for (span, sign) in [((0.0, 100.0), 1.0), ((0.0, -100.0), -1.0)] {
        let times = [90.0, 0.1, 0.0, 100.0, 0.05, 0.1].map(|t: f64| sign * t);
        let start = state(&[0.0, 1.0]);
        let stopped = Adaptive::new(control)
            .saving(times)
            .solve(&field, &DOPRI5, start, span)
            .expect_err("twenty steps do not do");
        let Solution {
            t,
            x,
            saved,
            statistics,
            ..
        } = *stopped.partial;
        assert_eq!(stopped.reason, SolveError::StepLimit { limit: 20, t });
        assert_eq!(
            stopped.reason.to_string(),
            format!(
                "20 steps did not reach the end and stopped at t = {t}; \
                 raise the step limit or loosen rtol/atol"
            )
        );
        assert_eq!(statistics.steps + statistics.rejections, 20);
        assert!(t.abs() > 0.1 && t.abs() < 90.0, "{t}");
        // The errors of twenty steps, which rotate and do not grow.
        let bound = 20.0 * 2.0 * 1e-9;
        assert!(distance(x, &[t.sin(), t.cos()]) < bound);
        let reached: Vec<f64> = saved.iter().map(|(t, _)| *t).collect();
        assert_eq!(reached, [0.1, 0.0, 0.05, 0.1].map(|t| sign * t));
        for (t, x) in saved {
            assert!(distance(x, &[t.sin(), t.cos()]) < bound);
        }
    }
}

#[test]
fn what_makes_no_sense_is_refused_with_its_value_and_a_remedy() {
    let good = Control::tolerance(1e-6);
    let (nan, inf, unit) = (f64::NAN, f64::INFINITY, (0.0, 1.0));
    let with_tolerance = |rtol, atol| Control { rtol, atol, ..good };
    let mut cases: Vec<(Control, (f64, f64), String)> = Vec::new();
    for (rtol, atol) in [
        (0.0, 0.0),
        (-1e-3, 1.0),
        (1.0, -1e-3),
        (1e-6, 0.0),
        (nan, 1.0),
        (1.0, inf),
    ] {
        let message = format!(
            "a tolerance of rtol = {rtol}, atol = {atol} does not bound an error; \
             give a finite rtol of 0 or more and a finite, positive atol"
        );
        cases.push((with_tolerance(rtol, atol), unit, message));
    }
    for (start, end) in [(0.0, nan), (nan, 1.0), (0.0, inf)] {
        let message =
            format!("cannot integrate from t = {start} to t = {end}; give two finite times");
        cases.push((good, (start, end), message));
    }
    for (dt_min, dt_max) in [(0.2, 0.1), (-0.1, 1.0), (nan, 1.0), (0.0, nan)] {
        let control = Control {
            dt_min,
            dt_max,
            ..good
        };
        let message = format!(
            "no step lies between dt_min = {dt_min} and dt_max = {dt_max}; \
             give 0 ≤ dt_min ≤ dt_max"
        );
        cases.push((control, unit, message));
    }
    for step in [0.0, -0.5, nan, inf] {
        let control = Control {
            first_step: Some(step),
            ..good
        };
        let message = format!(
            "a first step of {step} does not advance; \
             give a positive number, or none to estimate it"
        );
        cases.push((control, unit, message));
    }
    let field: Field<B> = |_, _| unreachable!("a field that no solve should come to");
    for (control, span, message) in cases {
        let x = || state::<B>(&[1.0]);
        let (plain, dense) = (
            Adaptive::new(control),
            Adaptive::new(control).saving([0.5]).dense(),
        );
        let stopped = [plain, dense].map(|way| way.solve(&field, &DOPRI5, x(), span).err());
        for stopped in stopped {
            let stopped = stopped.expect("nonsense");
            assert_eq!(stopped.to_string(), message);
            assert_eq!(stopped.partial.statistics, Statistics::default());
            assert_eq!(host(stopped.partial.x), [1.0]);
        }
        let error = Adaptive::new(control)
            .per_sample()
            .solve(&OfRows(&field), &DOPRI5, x(), span)
            .expect_err("nonsense");
        assert_eq!(error.to_string(), message);
    }
    // The relative tolerance may be 0, but not the absolute one: an entry that is 0 could not have
    // any error.
    let field: Field<B> = |_, x| x;
    let absolute = with_tolerance(0.0, 1e-6);
    assert!(
        Adaptive::new(absolute)
            .solve(&field, &DOPRI5, state(&[1.0]), unit)
            .is_ok()
    );
}

fn stops_where_the_field_does<T: Backend>() {
    for &pair in EmbeddedRk::ALL {
        for (span, sign) in [((0.0, 2.0), 1.0), ((0.0, -2.0), -1.0)] {
            let field = move |t: f64, x: Tensor<T, 2>| {
                if sign * t > 0.6 {
                    x * f64::NAN
                } else {
                    x * (t + 0.5).cos()
                }
            };
            let exact = |t: f64| ((t + 0.5).sin() - 0.5_f64.sin()).exp();
            let stopped = Adaptive::new(tolerance(1e-6))
                .solve(&field, &pair, state(&[1.0]), span)
                .expect_err("a field that ends");
            let partial = *stopped.partial;
            assert_eq!(stopped.reason, SolveError::NotFinite { t: partial.t });
            let text = stopped.reason.to_string();
            assert_eq!(
                text,
                format!(
                    "the field is not finite at t = {}; \
                     if it is singular there, start later or stop earlier",
                    partial.t
                )
            );
            // A method that evaluates the end of its steps stops right before the field ends: the
            // last step tried was at most five times the smallest, 16ε·2, and reached beyond.
            // Ralston's last stage lies at two thirds, so it may step over once.
            let missing = 0.6 - sign * partial.t;
            let within = if pair == RALSTON {
                -0.1..1e-14
            } else {
                0.0..5.0 * 32.0 * f64::EPSILON
            };
            assert!(within.contains(&missing), "{}: {missing}", name(&pair));
            // Errors grow by less than e here.
            let bound = 3.0 * 2.0 * 1e-6 * partial.statistics.steps as f64;
            assert!(distance(partial.x, &[exact(partial.t)]) < bound);
        }
        // A field that is undefined from the start takes a single evaluation.
        let nan: Field<T> = |_, x| x * f64::NAN;
        let stopped = stops(&nan, &pair, (0.25, 1.0), tolerance(1e-6));
        assert_eq!(stopped.reason, SolveError::NotFinite { t: 0.25 });
        assert_eq!(stopped.partial.statistics.evaluations, 1);
        assert_eq!(host(stopped.partial.x), [1.0]);
    }
}

#[test]
fn a_field_that_ends_stops_the_solve_right_before() {
    stops_where_the_field_does::<B>();
    stops_where_the_field_does::<Flex>();
}

#[test]
fn every_gain_of_the_controller_counts_and_meets_the_tolerance() {
    let problem = &problems::<B>()[0];
    let solve = |proportional, integral, derivative| {
        let control = Control {
            pid: Pid {
                proportional,
                integral,
                derivative,
            },
            ..tolerance(1e-8)
        };
        let solution = dense(problem, &DOPRI5, (0.0, 6.0), control);
        // The solution attracts its neighbours, so errors add up and do not grow.
        let bound = 2.0 * 1e-8 * solution.statistics.steps as f64;
        let error = error_within(problem, &solution);
        assert!(error < 10.0 * bound, "{error} {bound}");
        let end = distance(solution.x.clone(), &(problem.exact)(6.0));
        assert!(end < bound, "{end} {bound}");
        let times: Vec<f64> = solution.steps(0).iter().map(|(_, s)| *s).collect();
        (times, solution.statistics)
    };
    let (default, cost) = solve(0.4, 0.3, 0.0);
    for (p, i, d) in [(0.0, 1.0, 0.0), (0.4, 0.3, 0.1), (0.2, 0.4, 0.05)] {
        let (times, other) = solve(p, i, d);
        assert_ne!(times, default, "the gains {p}, {i}, {d} do nothing");
        assert!(
            other.evaluations < 2 * cost.evaluations,
            "{p}, {i}, {d}: {other:?} against {cost:?}"
        );
    }
}

#[test]
fn a_solve_returns_to_where_it_came_from() {
    for pair in [HEUN, BOGACKI_SHAMPINE, TSIT5, DOPRI8] {
        for problem in problems::<B>() {
            let start = (problem.exact)(0.0);
            let tol = 1e-6;
            let solve = |x, span| {
                Adaptive::new(tolerance(tol))
                    .solve(&problem.field, &pair, x, span)
                    .expect("a smooth problem")
            };
            let there = solve(state(&start), (0.0, 2.0));
            let steps = there.statistics.steps;
            let back = solve(there.x, (2.0, 0.0));
            assert_eq!(back.t, 0.0);
            // Errors grow by e⁴ at most, in the logistic equation backward in time.
            let bound = 55.0 * 2.0 * tol * (steps + back.statistics.steps) as f64;
            let error = distance(back.x, &start);
            assert!(error < bound, "{}: {error} {bound}", name(&pair));
        }
    }
}

#[test]
fn steps_below_the_resolution_of_time_are_never_taken() {
    // First steps h with t + h = t, whether given or estimated: x' = −10²⁰·(x − 1) changes within
    // 10⁻²⁰.
    let field: Field<B> = clock;
    let control = Control {
        first_step: Some(1e-30),
        ..Control::tolerance(1e-6)
    };
    for span in [(1.0, 2.0), (-1.0, -2.0), (0.0, 1.0)] {
        let solution = Adaptive::new(control)
            .dense()
            .solve(&field, &DOPRI5, state(&[0.0]), span)
            .expect("a constant slope");
        let shortest = (solution.steps(0).iter())
            .map(|(t, s)| (s - t).abs())
            .fold(f64::INFINITY, f64::min);
        assert!(shortest >= 8.0 * f64::EPSILON, "{span:?}: {shortest}");
        // They start at the resolution, 16ε·2, and grow tenfold each time.
        assert!(solution.steps(0).len() < 20);
        let error = distance(solution.x, &[span.1 - span.0]);
        assert!(error < 1e-14, "{error}");
    }
    let stiff: Field<B> = |_, x| (x - 1.0) * -1e20;
    let start = state(&[2.0]);
    let stopped = Adaptive::tolerance(1e-6)
        .solve(&stiff, &DOPRI5, start.clone(), (1.0, 2.0))
        .expect_err("no step is short enough");
    assert!(
        matches!(stopped.reason, SolveError::StepSize { t: 1.0, .. }),
        "{stopped}"
    );
    let by_row = Adaptive::tolerance(1e-6)
        .per_sample()
        .solve(&OfRows(&stiff), &DOPRI5, start, (1.0, 2.0))
        .expect("a control that makes sense");
    assert_eq!(by_row.samples[0].failure, Some(stopped.reason));
}

#[test]
fn a_step_that_is_tried_again_keeps_its_first_slope() {
    // A first step that is far too long is rejected; each new attempt costs all stages but the
    // first.
    let field = |_: f64, x: Tensor<B, 2>| x.sin() * 30.0;
    let x = state::<B>(&[1.0]);
    let control = Control {
        first_step: Some(1.0),
        ..Control::tolerance(1e-5)
    };
    for (pair, stages, fsal) in [(HEUN, 2, false), (DOPRI8, 13, false), (DOPRI5, 7, true)] {
        let solution = Adaptive::new(control).solve(&field, &pair, x.clone(), (0.0, 1.0));
        let s = solution.expect("smooth").statistics;
        assert!(s.rejections > 0);
        let first = if fsal { 1 } else { s.steps };
        let expected = first + (s.steps + s.rejections) * (stages - 1);
        assert_eq!(s.evaluations, expected);
    }
}
