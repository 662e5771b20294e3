//! Saved states, and the solution at any time.

use super::*;
use crate::support::{bits, distance, host, slope, state, tensor};
use burn_flex::Flex;
use pyroclast::solvers::EmbeddedRk;
use pyroclast::solvers::{
    BOGACKI_SHAMPINE, DOPRI5, DOPRI8, DenseWeights, HEUN, RALSTON, SolveError, Statistics, TSIT5,
    TimeGrid,
};
use std::cell::Cell;

#[test]
fn dense_output_has_the_order_of_its_weights() {
    // Weights of order p leave an error of h^(p + 1) within one step that starts on the solution.
    // The term after that one is smaller by a factor of h up to constants: from h = 1/8 on it moves
    // the fitted slope by less than a quarter.
    let orders = [
        (HEUN, 2.0),
        (RALSTON, 2.0),
        (BOGACKI_SHAMPINE, 3.0),
        (DOPRI5, 4.0),
        (TSIT5, 4.0),
    ];
    for (pair, order) in orders {
        for (index, problem) in problems::<B>().iter().enumerate() {
            let points: Vec<(f64, f64)> = (3..8)
                .map(|halvings| {
                    let h = 0.5_f64.powi(halvings);
                    let solution = dense(problem, &pair, (0.0, h), fixed(h));
                    assert_eq!(solution.statistics.steps, 1);
                    (h, error_within(problem, &solution))
                })
                .collect();
            let slope = slope(points);
            assert!(
                (slope - 1.0 - order).abs() < 0.25,
                "{} on problem {index}: {slope}",
                name(&pair)
            );
        }
    }
}

#[test]
fn dense_solutions_converge_with_the_method_up_to_the_order_their_weights_leave() {
    // The error of the steps, hᵖ, and that within a step, h^(p* + 1), whichever is larger.
    let orders = [
        (HEUN, 2.0),
        (BOGACKI_SHAMPINE, 3.0),
        (DOPRI5, 5.0),
        (TSIT5, 5.0),
    ];
    for (pair, order) in orders {
        for (index, problem) in problems::<B>().iter().enumerate() {
            let points: Vec<(f64, f64)> = (3..7)
                .map(|halvings| {
                    // Powers of two, so that steps add up to the span without rounding.
                    let n: u32 = 1 << halvings;
                    let h = 1.0 / f64::from(n);
                    let solution = dense(problem, &pair, (0.0, 2.0), fixed(h));
                    assert_eq!(solution.statistics.steps, 2 * n as usize);
                    (h, error_within(problem, &solution))
                })
                .collect();
            let slope = slope(points);
            assert!(
                (slope - order).abs() < 0.25,
                "{} on problem {index}: {slope}",
                name(&pair)
            );
        }
    }
}

fn meets_its_steps<T: Backend>() {
    for &pair in EmbeddedRk::ALL {
        for problem in problems::<T>() {
            for span in [(0.0, 3.0), (3.0, 0.0)] {
                let start = state::<T>(&(problem.exact)(span.0));
                let plain = Adaptive::new(tolerance(1e-5))
                    .solve(&problem.field, &pair, start.clone(), span)
                    .expect("a smooth problem");
                let solution = dense(&problem, &pair, span, tolerance(1e-5));
                let at = |t: f64| bits(solution.at(t).expect("a time of the span"));
                assert_eq!(at(span.0), bits(start));
                assert_eq!(at(span.1), bits(plain.x.clone()));
                assert_eq!(bits(solution.x.clone()), bits(plain.x));
                assert_eq!(solution.t, span.1);

                let steps = solution.steps(0);
                assert!(steps.len() > 1);
                assert_eq!(steps.len(), plain.statistics.steps);
                assert_eq!((steps[0].0, steps[steps.len() - 1].1), span);
                for pair in steps.windows(2) {
                    assert_eq!(pair[0].1, pair[1].0);
                }
                // The states at the ends of a step are the solver's; the polynomials on both sides
                // have to agree with them. With a state and a slope below 3, each term is below 100
                // in all of these methods, and is rounded a few times.
                for (t, s) in steps {
                    let nudge = (s - t) * 1e-13;
                    let state = |time: f64| solution.at(time).expect("a time of the span");
                    let gap = |a: f64, b: f64| distance(state(a), &host(state(b)));
                    assert!(gap(t, t + nudge) < 2e-13, "{}", name(&pair));
                    assert!(gap(s, s - nudge) < 2e-13, "{}", name(&pair));
                }
            }
        }
    }
}

#[test]
fn dense_output_is_continuous_and_ends_on_the_states_of_the_solver() {
    meets_its_steps::<B>();
    meets_its_steps::<Flex>();
}

#[test]
fn a_dense_solution_ends_where_the_solve_did() {
    let problem = &problems::<B>()[1];
    for span in [(0.0, 1.0), (1.0, 0.0), (0.5, 0.5)] {
        let solution = dense(problem, &DOPRI5, span, tolerance(1e-6));
        let (low, high) = (span.0.min(span.1), span.0.max(span.1));
        for time in [low.next_down(), high.next_up(), -7.0, 7.0, f64::NAN] {
            assert!(solution.at(time).is_none(), "{time} in {span:?}");
        }
        assert!(solution.at(low).is_some() && solution.at(high).is_some());
    }
}

/// Times of [0, 3] in no order: both ends, some twice, and three so close that one step contains
/// them.
const TIMES: [f64; 11] = [
    2.0, 0.3, 3.0, 0.0, 0.3, 1.5, 1.500001, 1.500002, 0.0, 2.999, 3.0,
];

fn saves_what_dense_output_says<T: Backend>() {
    for &pair in EmbeddedRk::ALL {
        for problem in problems::<T>() {
            for span in [(0.0, 3.0), (3.0, 0.0)] {
                let start = state::<T>(&(problem.exact)(span.0));
                let saving = Adaptive::new(tolerance(1e-6))
                    .saving(TIMES)
                    .solve(&problem.field, &pair, start, span)
                    .expect("a smooth problem");
                let solution = dense(&problem, &pair, span, tolerance(1e-6));
                let expected: Vec<_> = (TIMES.iter())
                    .map(|&t| (t, solution.at(t).expect("a time of the span")))
                    .collect();
                assert_eq!(bits_of_all(&saving.saved), bits_of_all(&expected));
                assert_eq!(bits(saving.x), bits(solution.x.clone()));
                let within = |&&(t, s): &&(f64, f64)| {
                    [1.5, 1.500001, 1.500002]
                        .iter()
                        .all(|time| (t.min(s)..=t.max(s)).contains(time))
                };
                assert_eq!(solution.steps(0).iter().filter(within).count(), 1);
            }
        }
    }
}

#[test]
fn saved_states_are_those_of_the_dense_solution_in_the_order_of_asking() {
    saves_what_dense_output_says::<B>();
    saves_what_dense_output_says::<Flex>();
}

#[test]
fn saving_costs_no_evaluation_where_the_last_stage_is_the_next_first_one() {
    for problem in problems::<B>() {
        for &pair in EmbeddedRk::ALL {
            for span in [(0.0, 3.0), (3.0, 0.0)] {
                let start = state(&(problem.exact)(span.0));
                let control = tolerance(1e-4);
                let plain = Adaptive::new(control)
                    .solve(&problem.field, &pair, start.clone(), span)
                    .expect("a smooth problem");
                let saving = Adaptive::new(control)
                    .saving(TIMES)
                    .solve(&problem.field, &pair, start, span)
                    .expect("a smooth problem");
                assert_eq!(bits(plain.x), bits(saving.x));
                let (plain, saving) = (plain.statistics, saving.statistics);
                if pair.method.0.first_same_as_last
                    || matches!(pair.dense, DenseWeights::Quartic(_))
                {
                    assert_eq!(plain, saving, "{}", name(&pair));
                    continue;
                }
                // Hermite's polynomials need the slope at the end of a step. It is the first stage
                // of the next step, so only the last step pays for it, if a time lies within that
                // step. The septic takes two more steps wherever a time lies within one.
                let steps = |s: Statistics| (s.steps, s.rejections);
                assert_eq!(steps(plain), steps(saving));
                let taken = dense(&problem, &pair, span, control).steps(0);
                let is_within = |&(t, s): &(f64, f64)| {
                    let within = |time: &f64| t.min(s) < *time && *time < t.max(s);
                    TIMES.iter().any(within)
                };
                let last = usize::from(is_within(&taken[taken.len() - 1]));
                let inner = match pair.dense {
                    DenseWeights::Septic => 2 * pair.method.0.a.len(),
                    _ => 0,
                };
                let asked = taken.iter().filter(|step| is_within(step)).count();
                let expected = plain.evaluations + last + inner * asked;
                assert_eq!(saving.evaluations, expected, "{}", name(&pair));
            }
        }
    }
}

#[test]
fn an_empty_span_saves_its_start_at_no_cost() {
    let field: Field<B> = oscillator;
    let start = [0.3, -0.7];
    let solution = Adaptive::new(tolerance(1e-6))
        .saving([0.5, 0.5])
        .solve(&field, &DOPRI5, state(&start), (0.5, 0.5))
        .expect("nothing to do");
    assert_eq!(solution.saved.len(), 2);
    for (t, x) in solution.saved {
        assert_eq!((t, host(x)), (0.5, start.to_vec()));
    }
    assert_eq!((solution.t, host(solution.x)), (0.5, start.to_vec()));
    assert_eq!(solution.statistics, Statistics::default());

    let dense = Adaptive::new(tolerance(1e-6))
        .dense()
        .solve(&field, &TSIT5, state(&start), (0.5, 0.5))
        .expect("nothing to do");
    assert_eq!(host(dense.at(0.5).expect("the start")), start);
    assert_eq!(dense.statistics, Statistics::default());

    let batch: Solution<B, 2> = Adaptive::new(tolerance(1e-6))
        .per_sample()
        .saving([0.5])
        .solve(
            &OfRows(&field),
            &HEUN,
            tensor(vec![0.3, -0.7, 1.0, 2.0], [2, 2]),
            (0.5, 0.5),
        )
        .expect("nothing to do");
    assert_eq!(host(batch.x.clone()), [0.3, -0.7, 1.0, 2.0]);
    assert_eq!(host(batch.saved[0].1.clone()), [0.3, -0.7, 1.0, 2.0]);
    assert_eq!((batch.statistics.evaluations, batch.failures()), (0, 0));
    assert!(batch.samples.iter().all(|sample| sample.t == 0.5));
}

#[test]
fn a_time_outside_the_span_is_refused_before_any_work() {
    let evaluations = Cell::new(0);
    let field = |_: f64, x: Tensor<B, 2>| {
        evaluations.set(evaluations.get() + 1);
        x
    };
    let solve = |span: (f64, f64), times: &[f64]| {
        Adaptive::new(tolerance(1e-6))
            .saving(times.iter().copied())
            .solve(&field, &DOPRI5, state(&[1.0]), span)
            .expect_err("a time outside")
    };
    for (span, time, message) in [
        (
            (0.0, 1.0),
            1.25,
            "time 1.25 lies outside the span from 0 to 1; ask for times within it",
        ),
        (
            (1.0, 0.0),
            -0.5,
            "time -0.5 lies outside the span from 1 to 0; ask for times within it",
        ),
        (
            (0.5, 0.5),
            0.0,
            "time 0 lies outside the span from 0.5 to 0.5; ask for times within it",
        ),
        (
            (0.0, 1.0),
            f64::NAN,
            "time NaN lies outside the span from 0 to 1; ask for times within it",
        ),
    ] {
        let stopped = solve(span, &[0.5, time, 0.5]);
        assert_eq!(stopped.to_string(), message);
        assert!(matches!(
            stopped.reason,
            SolveError::OutsideSpan { start, end, .. } if (start, end) == span
        ));
        assert_eq!(
            (stopped.partial.t, host(stopped.partial.x)),
            (span.0, vec![1.0])
        );
        assert!(stopped.partial.saved.is_empty());
        let by_row = |_: f64, x: Tensor<B, 2>| -> Tensor<B, 2> { field(0.0, x) };
        let error = Adaptive::new(tolerance(1e-6))
            .per_sample()
            .saving([time])
            .solve(&OfRows(&by_row), &DOPRI5, state::<B>(&[1.0]), span)
            .expect_err("a time outside");
        assert_eq!(error.to_string(), message);
    }
    assert_eq!(evaluations.get(), 0);
}

#[test]
fn an_empty_batch_is_at_the_end_at_once() {
    let field: Field<B> = |_, _| unreachable!("there is nothing to evaluate");
    let x = || tensor::<B, 2>(vec![], [0, 2]);
    let solution = Adaptive::new(tolerance(1e-6))
        .saving([0.5])
        .solve(&field, &DOPRI5, x(), (0.0, 1.0))
        .expect("nothing to do");
    assert_eq!((solution.t, solution.x.dims()), (1.0, [0, 2]));
    assert_eq!(solution.saved[0].1.dims(), [0, 2]);
    assert_eq!(solution.statistics, Statistics::default());
    let dense = Adaptive::new(tolerance(1e-6))
        .dense()
        .solve(&field, &DOPRI5, x(), (0.0, 1.0))
        .expect("nothing to do");
    assert_eq!(dense.t, 1.0);
    for time in [0.0, 0.5, 1.0] {
        assert_eq!(dense.at(time).expect("a time of the span").dims(), [0, 2]);
    }
    assert!(dense.at(-0.1).is_none() && dense.at(1.1).is_none());
    for times in [&[][..], &[1.0, 0.0, 0.5, 0.5]] {
        for pair in [HEUN, DOPRI5] {
            let batch = Adaptive::new(tolerance(1e-6))
                .per_sample()
                .saving(times.iter().copied())
                .solve(&OfRows(&field), &pair, x(), (0.0, 1.0))
                .expect("nothing to do");
            assert_eq!(batch.x.dims(), [0, 2]);
            assert_eq!(batch.saved.len(), times.len());
            for ((t, x), time) in batch.saved.iter().zip(times) {
                assert_eq!((t, x.dims()), (time, [0, 2]));
            }
            assert_eq!((batch.samples.len(), batch.statistics.evaluations), (0, 0));
        }
    }
}

#[test]
fn landing_saves_the_methods_own_states() {
    // x' = x on [0, 2], saved where no step would end otherwise. With order 8 the states are as
    // good as the end, unlike its cubic.
    let field = |_: f64, x: Tensor<B, 2>| x;
    let x = || state::<B>(&[1.0]);
    let times = TimeGrid::new(vec![0.0, 0.123, 1.0, 1.7, 2.0]).expect("a grid");
    for times in [times.clone(), times.reversed()] {
        let ends = (times.times()[0], times.times()[4]);
        let control = Control::tolerance(1e-9);
        let solution = Adaptive::new(control)
            .landing_on(times.times().iter().copied())
            .solve(&field, &DOPRI8, x(), ends)
            .expect("smooth");
        assert_eq!(solution.saved.len(), 5);
        assert_eq!(solution.t, times.times()[4]);
        for ((time, state), expected) in solution.saved.iter().zip(times.times()) {
            assert_eq!(time, expected);
            let got = state.clone().into_scalar();
            let exact = (time - times.times()[0]).exp();
            assert!((got - exact).abs() < 1e-8 * exact.max(1.0), "{got} {exact}");
        }
    }
    let short = Control {
        max_steps: 2,
        ..Control::tolerance(1e-9)
    };
    let stopped = Adaptive::new(short)
        .landing_on([0.0, 1e-9, 2.0])
        .solve(&field, &DOPRI5, x(), (0.0, 2.0))
        .expect_err("too few");
    assert_eq!(stopped.partial.saved.len(), 2);
}

#[test]
fn saved_states_and_events_are_as_good_as_the_solve() {
    // Whatever the method: a state within a step, and the time of an event, err by no more than a
    // few tolerances, as the end does.
    let field: Field<B> = oscillator;
    let times: Vec<f64> = (1..40).map(|i| 0.25 * f64::from(i)).collect();
    for &pair in EmbeddedRk::ALL {
        for tol in [1e-5, 1e-8] {
            let control = tolerance(tol);
            let saved = Adaptive::new(control)
                .saving(times.iter().copied())
                .solve(&field, &pair, state(&[0.0, 1.0]), (0.0, 10.0))
                .expect("a smooth problem");
            let off = |(t, x): &(f64, Tensor<B, 2>)| distance(x.clone(), &[t.sin(), t.cos()]);
            let worst = saved.saved.iter().map(off).fold(0.0, f64::max);
            let end = distance(saved.x.clone(), &[10_f64.sin(), 10_f64.cos()]);
            let bound = 10.0 * end.max(tol);
            assert!(worst < bound, "{} at {tol}: {worst} {end}", name(&pair));

            let crossing = crossing(0, 0.0, Direction::Falling);
            let found = until(control, &[crossing])
                .solve(&field, &pair, state(&[0.0, 1.0]), (0.0, 10.0))
                .expect("a smooth problem");
            let off = (found.t - std::f64::consts::PI).abs();
            assert!(off < bound, "{} at {tol}: event off by {off}", name(&pair));
        }
    }
}
