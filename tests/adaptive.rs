//! Adaptive solves: what lies within their steps, what bounds them, what stops them, and each sample of a batch by itself.
//!
//! ndarray with f64 is the backend of record; flex, with its fused loops, runs the same bodies where they are cheap.

use burn::tensor::backend::Backend;
use burn::tensor::{DType, Tensor, TensorData};
use burn_flex::Flex;
use burn_ndarray::NdArray;
use pyroclast::core::condition::{Condition, Given, Labels, Vectors};
use pyroclast::core::field::{BatchField, VectorField};
use pyroclast::core::flow::Flow;
use pyroclast::core::noise::{Noise, Stream};
use pyroclast::core::objective::Objective;
use pyroclast::core::path::Path;
use pyroclast::core::per_sample::PerSample;
use pyroclast::core::prediction::Prediction;
use pyroclast::core::schedule::VariancePreserving;
use pyroclast::models::{Init, MlpConfig};
use pyroclast::solvers::{
    BOGACKI_SHAMPINE, BatchSolution, Control, DOPRI5, DOPRI8, DenseSolution, Direction, EmbeddedRk,
    Event, HEUN, Pid, RALSTON, Solution, SolveError, Statistics, Stopped, TSIT5, TimeGrid,
    integrate_adaptive, integrate_dense, integrate_landing, integrate_per_sample, integrate_saving,
    integrate_until,
};
use std::cell::Cell;
use std::f64::consts::PI;

type B = NdArray<f64>;

const PAIRS: [EmbeddedRk; 6] = [HEUN, RALSTON, BOGACKI_SHAMPINE, DOPRI5, TSIT5, DOPRI8];

fn tensor<T: Backend, const D: usize>(values: Vec<f64>, shape: [usize; D]) -> Tensor<T, D> {
    let data = TensorData::new(values, shape);
    Tensor::from_data(data, (&Default::default(), DType::F64))
}

fn state<T: Backend>(values: &[f64]) -> Tensor<T, 2> {
    tensor(values.to_vec(), [1, values.len()])
}

fn host<T: Backend, const D: usize>(x: Tensor<T, D>) -> Vec<f64> {
    x.into_data().to_vec().expect("f64 data")
}

/// Undefined values are equal to themselves here.
fn bits<T: Backend, const D: usize>(x: Tensor<T, D>) -> Vec<u64> {
    host(x).into_iter().map(f64::to_bits).collect()
}

fn bits_of_all<T: Backend, const D: usize>(saved: &[(f64, Tensor<T, D>)]) -> Vec<(u64, Vec<u64>)> {
    (saved.iter())
        .map(|(t, x)| (t.to_bits(), bits(x.clone())))
        .collect()
}

fn name(pair: &EmbeddedRk) -> &'static str {
    pair.method.0.name
}

fn distance<T: Backend, const D: usize>(x: Tensor<T, D>, y: &[f64]) -> f64 {
    let x = host(x);
    assert_eq!(x.len(), y.len());
    x.iter()
        .zip(y)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f64::max)
}

fn tolerance(tol: f64) -> Control {
    Control {
        max_steps: 1_000_000,
        ..Control::tolerance(tol)
    }
}

/// Steps of h, whatever their error.
fn fixed(h: f64) -> Control {
    Control {
        first_step: Some(h),
        dt_max: h,
        ..tolerance(1e12)
    }
}

type Field<T> = fn(f64, Tensor<T, 2>) -> Tensor<T, 2>;

/// `x = (sin t, cos t)` from (0, 1).
fn oscillator<T: Backend>(_: f64, x: Tensor<T, 2>) -> Tensor<T, 2> {
    Tensor::cat(vec![x.clone().narrow(1, 1, 1), -x.narrow(1, 0, 1)], 1)
}

/// `x = t` from 0: every method solves it without error in any step.
fn clock<T: Backend>(_: f64, x: Tensor<T, 2>) -> Tensor<T, 2> {
    x.ones_like()
}

/// `x = 1/(1 − t)` from 1: a pole at t = 1.
fn pole<T: Backend>(_: f64, x: Tensor<T, 2>) -> Tensor<T, 2> {
    x.clone() * x
}

/// A problem with its solution from the start 0.
struct Problem<T: Backend> {
    field: Field<T>,
    exact: fn(f64) -> Vec<f64>,
}

fn problems<T: Backend>() -> [Problem<T>; 3] {
    [
        Problem {
            field: |_, x| x.clone() * (-x + 1.0) * 2.0,
            exact: |t| vec![1.0 / (1.0 + 4.0 * (-2.0 * t).exp())],
        },
        Problem {
            field: oscillator,
            exact: |t| vec![t.sin(), t.cos()],
        },
        Problem {
            field: |t, x| x * (t + 0.5).cos(),
            exact: |t| vec![(t + 0.5).sin().exp()],
        },
    ]
}

/// The slope of log error over log step, by least squares.
fn slope(points: &[(f64, f64)]) -> f64 {
    let n = points.len() as f64;
    let points: Vec<(f64, f64)> = points.iter().map(|(h, e)| (h.ln(), e.ln())).collect();
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / n;
    let (mx, my) = (mean(|p| p.0), mean(|p| p.1));
    let covariance: f64 = points.iter().map(|(x, y)| (x - mx) * (y - my)).sum();
    covariance / points.iter().map(|(x, _)| (x - mx).powi(2)).sum::<f64>()
}

fn dense<T: Backend>(
    problem: &Problem<T>,
    pair: &EmbeddedRk,
    span: (f64, f64),
    control: Control,
) -> DenseSolution<T, 2> {
    let start = state(&(problem.exact)(span.0));
    integrate_dense(&problem.field, pair, start, span, control).expect("a smooth problem")
}

/// The largest error at the inner eighths of every step.
fn error_within<T: Backend>(problem: &Problem<T>, solution: &DenseSolution<T, 2>) -> f64 {
    let mut largest = 0.0_f64;
    for step in solution.steps() {
        for part in 1..8 {
            let t = step.t + (step.s - step.t) * f64::from(part) / 8.0;
            let x = solution.at(t).expect("a time of the span");
            largest = largest.max(distance(x, &(problem.exact)(t)));
        }
    }
    largest
}

#[test]
fn dense_output_has_the_order_of_its_weights() {
    // Weights of order p leave an error of h^(p + 1) within one step that starts on the solution. The term after that one
    // is smaller by a factor of h up to constants: from h = 1/8 on it moves the fitted slope by less than a quarter.
    let orders = [
        (HEUN, 2.0),
        (RALSTON, 2.0),
        (BOGACKI_SHAMPINE, 3.0),
        (DOPRI5, 4.0),
        (TSIT5, 4.0),
        // Hermite's cubic knows nothing of the method's order.
        (DOPRI8, 3.0),
    ];
    for (pair, order) in orders {
        for (index, problem) in problems::<B>().iter().enumerate() {
            let points: Vec<(f64, f64)> = (3..8)
                .map(|halvings| {
                    let h = 0.5_f64.powi(halvings);
                    let solution = dense(problem, &pair, (0.0, h), fixed(h));
                    assert_eq!(solution.statistics().steps, 1);
                    (h, error_within(problem, &solution))
                })
                .collect();
            let slope = slope(&points);
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
        (DOPRI8, 4.0),
    ];
    for (pair, order) in orders {
        for (index, problem) in problems::<B>().iter().enumerate() {
            let points: Vec<(f64, f64)> = (3..7)
                .map(|halvings| {
                    // Powers of two, so that steps add up to the span without rounding.
                    let n = 1 << halvings;
                    let h = 1.0 / f64::from(n);
                    let solution = dense(problem, &pair, (0.0, 2.0), fixed(h));
                    assert_eq!(solution.statistics().steps, 2 * n as usize);
                    (h, error_within(problem, &solution))
                })
                .collect();
            let slope = slope(&points);
            assert!(
                (slope - order).abs() < 0.25,
                "{} on problem {index}: {slope}",
                name(&pair)
            );
        }
    }
}

fn meets_its_steps<T: Backend>() {
    for pair in PAIRS {
        for problem in problems::<T>() {
            for span in [(0.0, 3.0), (3.0, 0.0)] {
                let start = state::<T>(&(problem.exact)(span.0));
                let plain =
                    integrate_adaptive(&problem.field, &pair, start.clone(), span, tolerance(1e-5))
                        .expect("a smooth problem");
                let solution = dense(&problem, &pair, span, tolerance(1e-5));
                let at = |t: f64| bits(solution.at(t).expect("a time of the span"));
                assert_eq!(at(span.0), bits(start));
                assert_eq!(at(span.1), bits(plain.x.clone()));
                assert_eq!(bits(solution.solution.x.clone()), bits(plain.x));
                assert_eq!(solution.solution.t, span.1);

                let steps = solution.steps();
                assert!(steps.len() > 1);
                assert_eq!(steps.len(), plain.statistics.steps);
                assert_eq!((steps[0].t, steps[steps.len() - 1].s), span);
                for pair in steps.windows(2) {
                    assert_eq!(pair[0].s, pair[1].t);
                    assert_eq!(bits(pair[0].at(pair[0].s)), bits(pair[1].at(pair[1].t)));
                    assert_eq!(at(pair[0].s), bits(pair[0].at(pair[0].s)));
                }
                // The ends are looked up; the polynomial has to come to the same. Of a state and a slope below 3, a term of it is
                // below 100 in all of these methods, and is rounded a few times.
                for step in steps {
                    let nudge = (step.s - step.t) * 1e-13;
                    let gap = |a: f64, b: f64| distance(step.at(a), &host(step.at(b)));
                    assert!(gap(step.t, step.t + nudge) < 2e-13, "{}", name(&pair));
                    assert!(gap(step.s, step.s - nudge) < 2e-13, "{}", name(&pair));
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
fn a_dense_solution_knows_nothing_outside_of_what_was_solved() {
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

/// Times of [0, 3] in no order: both ends, some twice, and three so close together that a step holds them all.
const TIMES: [f64; 11] = [
    2.0, 0.3, 3.0, 0.0, 0.3, 1.5, 1.500001, 1.500002, 0.0, 2.999, 3.0,
];

fn saves_what_dense_output_says<T: Backend>() {
    for pair in PAIRS {
        for problem in problems::<T>() {
            for span in [(0.0, 3.0), (3.0, 0.0)] {
                let start = state::<T>(&(problem.exact)(span.0));
                let saving =
                    integrate_saving(&problem.field, &pair, start, span, &TIMES, tolerance(1e-6))
                        .expect("a smooth problem");
                let solution = dense(&problem, &pair, span, tolerance(1e-6));
                let expected: Vec<_> = (TIMES.iter())
                    .map(|&t| (t, solution.at(t).expect("a time of the span")))
                    .collect();
                assert_eq!(bits_of_all(&saving.saved), bits_of_all(&expected));
                assert_eq!(bits(saving.x), bits(solution.solution.x.clone()));
                let within = |step: &&pyroclast::solvers::Interpolant<T, 2>| {
                    [1.5, 1.500001, 1.500002]
                        .iter()
                        .all(|t| (step.t.min(step.s)..=step.t.max(step.s)).contains(t))
                };
                assert_eq!(solution.steps().iter().filter(within).count(), 1);
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
        for pair in PAIRS {
            for span in [(0.0, 3.0), (3.0, 0.0)] {
                let start = state(&(problem.exact)(span.0));
                let control = tolerance(1e-4);
                let plain = integrate_adaptive(&problem.field, &pair, start.clone(), span, control)
                    .expect("a smooth problem");
                let saving = integrate_saving(&problem.field, &pair, start, span, &TIMES, control)
                    .expect("a smooth problem");
                assert_eq!(bits(plain.x), bits(saving.x));
                let (plain, saving) = (plain.statistics, saving.statistics);
                if pair.method.0.first_same_as_last
                    || matches!(pair.dense, pyroclast::solvers::DenseWeights::Quartic(_))
                {
                    assert_eq!(plain, saving, "{}", name(&pair));
                    continue;
                }
                // Hermite's cubic needs the slope at the end of a step: that is the next step's first stage, but for the last step.
                // A step that is tried again finds it there.
                let steps = |s: Statistics| (s.steps, s.rejections);
                assert_eq!(steps(plain), steps(saving));
                let most = plain.evaluations + 1;
                let least = most - plain.rejections;
                assert!(
                    (least..=most).contains(&saving.evaluations),
                    "{}: {plain:?}, {saving:?}",
                    name(&pair)
                );
            }
        }
    }
}

#[test]
fn an_empty_span_saves_its_start_at_no_cost() {
    let field: Field<B> = oscillator;
    let start = [0.3, -0.7];
    let solution = integrate_saving(
        &field,
        &DOPRI5,
        state(&start),
        (0.5, 0.5),
        &[0.5, 0.5],
        tolerance(1e-6),
    )
    .expect("nothing to do");
    assert_eq!(solution.saved.len(), 2);
    for (t, x) in solution.saved {
        assert_eq!((t, host(x)), (0.5, start.to_vec()));
    }
    assert_eq!((solution.t, host(solution.x)), (0.5, start.to_vec()));
    assert_eq!(solution.statistics, Statistics::default());

    let dense = integrate_dense(&field, &TSIT5, state(&start), (0.5, 0.5), tolerance(1e-6))
        .expect("nothing to do");
    assert_eq!(host(dense.at(0.5).expect("the start")), start);
    assert_eq!(dense.statistics(), Statistics::default());

    let batch: BatchSolution<B, 2> = integrate_per_sample(
        &OfRows(&field),
        &HEUN,
        tensor(vec![0.3, -0.7, 1.0, 2.0], [2, 2]),
        (0.5, 0.5),
        &[0.5],
        tolerance(1e-6),
    )
    .expect("nothing to do");
    assert_eq!(host(batch.x.clone()), [0.3, -0.7, 1.0, 2.0]);
    assert_eq!(host(batch.saved[0].1.clone()), [0.3, -0.7, 1.0, 2.0]);
    assert_eq!((batch.rows_evaluated, batch.failures()), (0, 0));
    assert!(batch.samples.iter().all(|sample| sample.t == 0.5));
}

#[test]
fn a_time_outside_of_the_span_is_refused_before_any_work() {
    let evaluations = Cell::new(0);
    let field = |_: f64, x: Tensor<B, 2>| {
        evaluations.set(evaluations.get() + 1);
        x
    };
    let solve = |span: (f64, f64), times: &[f64]| {
        integrate_saving(&field, &DOPRI5, state(&[1.0]), span, times, tolerance(1e-6))
            .expect_err("a time outside")
    };
    for (span, time, message) in [
        (
            (0.0, 1.0),
            1.25,
            "time 1.25 lies outside of the span from 0 to 1; ask for times within it",
        ),
        (
            (1.0, 0.0),
            -0.5,
            "time -0.5 lies outside of the span from 1 to 0; ask for times within it",
        ),
        (
            (0.5, 0.5),
            0.0,
            "time 0 lies outside of the span from 0.5 to 0.5; ask for times within it",
        ),
        (
            (0.0, 1.0),
            f64::NAN,
            "time NaN lies outside of the span from 0 to 1; ask for times within it",
        ),
    ] {
        let stopped = solve(span, &[0.5, time, 0.5]);
        assert_eq!(stopped.to_string(), message);
        assert!(
            matches!(stopped.reason, SolveError::OutsideSpan { start, end, .. } if (start, end) == span)
        );
        assert_eq!(
            (stopped.partial.t, host(stopped.partial.x)),
            (span.0, vec![1.0])
        );
        assert!(stopped.partial.saved.is_empty());
        let by_row = |_: f64, x: Tensor<B, 2>| -> Tensor<B, 2> { field(0.0, x) };
        let error = integrate_per_sample(
            &OfRows(&by_row),
            &DOPRI5,
            state::<B>(&[1.0]),
            span,
            &[time],
            tolerance(1e-6),
        )
        .expect_err("a time outside");
        assert_eq!(error.to_string(), message);
    }
    assert_eq!(evaluations.get(), 0);
}

#[test]
fn steps_are_no_longer_than_the_largest() {
    let problem = &problems::<B>()[1];
    let longest = |control: Control, span: (f64, f64)| {
        let solution = dense(problem, &DOPRI5, span, control);
        let lengths = solution.steps().iter().map(|step| (step.s - step.t).abs());
        (lengths.fold(0.0, f64::max), solution.steps().len())
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
        // No more steps than those that start up and the rest at full length.
        assert!((143..150).contains(&steps), "{steps}");
        // A first step that is longer counts for no more.
        let first = Control {
            first_step: Some(5.0),
            ..bounded
        };
        assert_eq!(longest(first, span).1, 143);
    }
}

/// The reason, and that the partial solution says the same.
fn stops<T: Backend>(
    field: &Field<T>,
    pair: &EmbeddedRk,
    span: (f64, f64),
    control: Control,
) -> Stopped<T, 2> {
    integrate_adaptive(field, pair, state(&[1.0]), span, control).expect_err("a solve that stops")
}

#[test]
fn the_smallest_step_ends_a_solve_that_keeps_what_it_has() {
    for pair in PAIRS {
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
        // Steps of 10⁻³ do for a relative tolerance of 10⁻⁶ until the pole is some 0.1 away; to go on without the bound is possible.
        assert!(partial.t > 0.1 && partial.t < 1.0);
        assert!(partial.statistics.steps > 0 && partial.statistics.rejections > 0);
        assert!(partial.statistics.evaluations > partial.statistics.steps);
        // Errors grow with the solution's slope: (1 − t)⁻² of what the steps add.
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
        let stopped = integrate_saving(&field, &DOPRI5, start, span, &times, control)
            .expect_err("twenty steps do not do");
        let Solution {
            t,
            x,
            saved,
            statistics,
        } = *stopped.partial;
        assert_eq!(stopped.reason, SolveError::StepLimit { limit: 20, t });
        assert_eq!(
            stopped.reason.to_string(),
            format!(
                "20 steps did not reach the end and stopped at t = {t}; raise the step limit or loosen rtol/atol"
            )
        );
        assert_eq!(statistics.steps + statistics.rejections, 20);
        assert!(t.abs() > 0.1 && t.abs() < 90.0, "{t}");
        // Twenty steps, whose errors rotate and do not grow.
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
    let with_tolerance = |rtol, atol| Control { rtol, atol, ..good };
    let bounds = |dt_min, dt_max| Control {
        dt_min,
        dt_max,
        ..good
    };
    let first = |step| Control {
        first_step: Some(step),
        ..good
    };
    let (nan, inf) = (f64::NAN, f64::INFINITY);
    let unit = (0.0, 1.0);
    let cases = [
        (
            with_tolerance(0.0, 0.0),
            unit,
            "tolerance rtol = 0, atol = 0 does not bound an error; give a finite rtol of 0 or more and a finite positive atol",
        ),
        (
            with_tolerance(-1e-3, 1.0),
            unit,
            "tolerance rtol = -0.001, atol = 1 does not bound an error; give a finite rtol of 0 or more and a finite positive atol",
        ),
        (
            with_tolerance(1.0, -1e-3),
            unit,
            "tolerance rtol = 1, atol = -0.001 does not bound an error; give a finite rtol of 0 or more and a finite positive atol",
        ),
        (
            with_tolerance(1e-6, 0.0),
            unit,
            "tolerance rtol = 0.000001, atol = 0 does not bound an error; give a finite rtol of 0 or more and a finite positive atol",
        ),
        (
            with_tolerance(nan, 1.0),
            unit,
            "tolerance rtol = NaN, atol = 1 does not bound an error; give a finite rtol of 0 or more and a finite positive atol",
        ),
        (
            with_tolerance(1.0, inf),
            unit,
            "tolerance rtol = 1, atol = inf does not bound an error; give a finite rtol of 0 or more and a finite positive atol",
        ),
        (
            good,
            (0.0, nan),
            "cannot integrate from t = 0 to t = NaN; give two finite times",
        ),
        (
            good,
            (nan, 1.0),
            "cannot integrate from t = NaN to t = 1; give two finite times",
        ),
        (
            good,
            (0.0, inf),
            "cannot integrate from t = 0 to t = inf; give two finite times",
        ),
        (
            bounds(0.2, 0.1),
            unit,
            "no step lies between dt_min = 0.2 and dt_max = 0.1; give 0 ≤ dt_min ≤ dt_max",
        ),
        (
            bounds(-0.1, 1.0),
            unit,
            "no step lies between dt_min = -0.1 and dt_max = 1; give 0 ≤ dt_min ≤ dt_max",
        ),
        (
            bounds(nan, 1.0),
            unit,
            "no step lies between dt_min = NaN and dt_max = 1; give 0 ≤ dt_min ≤ dt_max",
        ),
        (
            bounds(0.0, nan),
            unit,
            "no step lies between dt_min = 0 and dt_max = NaN; give 0 ≤ dt_min ≤ dt_max",
        ),
        (
            first(0.0),
            unit,
            "first step 0 does not advance; give a positive one, or none to have it estimated",
        ),
        (
            first(-0.5),
            unit,
            "first step -0.5 does not advance; give a positive one, or none to have it estimated",
        ),
        (
            first(nan),
            unit,
            "first step NaN does not advance; give a positive one, or none to have it estimated",
        ),
        (
            first(inf),
            unit,
            "first step inf does not advance; give a positive one, or none to have it estimated",
        ),
    ];
    let field: Field<B> = |_, _| unreachable!("a field that no solve should come to");
    for (control, span, message) in cases {
        let x = || state::<B>(&[1.0]);
        let stopped = [
            integrate_adaptive(&field, &DOPRI5, x(), span, control).err(),
            integrate_saving(&field, &DOPRI5, x(), span, &[], control).err(),
            integrate_dense(&field, &DOPRI5, x(), span, control).err(),
            integrate_until(&field, &DOPRI5, x(), span, &[], control).err(),
        ];
        for stopped in stopped {
            let stopped = stopped.expect("nonsense");
            assert_eq!(stopped.to_string(), message);
            assert_eq!(stopped.partial.statistics, Statistics::default());
            assert_eq!(host(stopped.partial.x), [1.0]);
        }
        let error = integrate_per_sample(&OfRows(&field), &DOPRI5, x(), span, &[], control)
            .expect_err("nonsense");
        assert_eq!(error.to_string(), message);
    }
    // The relative tolerance may be none; without the absolute one, an entry that is 0 could have no error.
    let field: Field<B> = |_, x| x;
    let absolute = with_tolerance(0.0, 1e-6);
    assert!(integrate_adaptive(&field, &DOPRI5, state(&[1.0]), unit, absolute).is_ok());
}

fn stops_where_the_field_does<T: Backend>() {
    for pair in PAIRS {
        for (span, sign) in [((0.0, 2.0), 1.0), ((0.0, -2.0), -1.0)] {
            let field = move |t: f64, x: Tensor<T, 2>| {
                if sign * t > 0.6 {
                    x * f64::NAN
                } else {
                    x * (t + 0.5).cos()
                }
            };
            let exact = |t: f64| ((t + 0.5).sin() - 0.5_f64.sin()).exp();
            let stopped = integrate_adaptive(&field, &pair, state(&[1.0]), span, tolerance(1e-6))
                .expect_err("a field that ends");
            let partial = *stopped.partial;
            assert_eq!(stopped.reason, SolveError::NotFinite { t: partial.t });
            let text = stopped.reason.to_string();
            assert_eq!(
                text,
                format!(
                    "the field is not finite at t = {}; start or stop short of a singular end",
                    partial.t
                )
            );
            // A method that looks at the end of its steps comes right up to where the field ends: the last step tried was at most five
            // times the smallest, 16ε·2, and reached beyond. Ralston's last look is at two thirds, so that it may step over once.
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
        // A field that is undefined from the start: nothing but the first look at it.
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
        // The solution is attracted, so that errors do not grow: as many as there are steps.
        let bound = 2.0 * 1e-8 * solution.statistics().steps as f64;
        let error = error_within(problem, &solution);
        assert!(error < 10.0 * bound, "{error} {bound}");
        let end = distance(solution.solution.x.clone(), &(problem.exact)(6.0));
        assert!(end < bound, "{end} {bound}");
        let times: Vec<f64> = solution.steps().iter().map(|step| step.s).collect();
        (times, solution.statistics())
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
                integrate_adaptive(&problem.field, &pair, x, span, tolerance(tol))
                    .expect("a smooth problem")
            };
            let there = solve(state(&start), (0.0, 2.0));
            let steps = there.statistics.steps;
            let back = solve(there.x, (2.0, 0.0));
            assert_eq!(back.t, 0.0);
            // Errors grow by e⁴ at most, on the way back of the logistic equation.
            let bound = 55.0 * 2.0 * tol * (steps + back.statistics.steps) as f64;
            let error = distance(back.x, &start);
            assert!(error < bound, "{}: {error} {bound}", name(&pair));
        }
    }
}

#[test]
fn steps_below_the_resolution_of_time_are_never_taken() {
    // A first step that t + h swallows, asked for or estimated: x' = −10²⁰·(x − 1) moves by itself in 10⁻²⁰.
    let field: Field<B> = clock;
    let control = Control {
        first_step: Some(1e-30),
        ..Control::tolerance(1e-6)
    };
    for span in [(1.0, 2.0), (-1.0, -2.0), (0.0, 1.0)] {
        let solution = integrate_dense(&field, &DOPRI5, state(&[0.0]), span, control)
            .expect("a constant slope");
        let shortest = (solution.steps().iter())
            .map(|step| (step.s - step.t).abs())
            .fold(f64::INFINITY, f64::min);
        assert!(shortest >= 8.0 * f64::EPSILON, "{span:?}: {shortest}");
        // From the resolution, 16ε·2, ten times as long each time.
        assert!(solution.steps().len() < 20);
        let error = distance(solution.solution.x, &[span.1 - span.0]);
        assert!(error < 1e-14, "{error}");
    }
    let stiff: Field<B> = |_, x| (x - 1.0) * -1e20;
    let start = state(&[2.0]);
    let stopped = integrate_adaptive(
        &stiff,
        &DOPRI5,
        start.clone(),
        (1.0, 2.0),
        Control::tolerance(1e-6),
    )
    .expect_err("no step is short enough");
    assert!(
        matches!(stopped.reason, SolveError::StepSize { t: 1.0, .. }),
        "{stopped}"
    );
    let by_row = integrate_per_sample(
        &OfRows(&stiff),
        &DOPRI5,
        start,
        (1.0, 2.0),
        &[],
        Control::tolerance(1e-6),
    )
    .expect("a control that makes sense");
    assert_eq!(by_row.samples[0].failure, Some(stopped.reason));
}

#[test]
fn what_is_not_measured_does_not_choose_the_steps() {
    // A third coordinate that only gathers: with it behind the measured part, steps are those of the first two.
    let gathering: Field<B> = |t, x| {
        let fast = (x.clone().narrow(1, 0, 1) * 40.0).cos() * 100.0;
        Tensor::cat(vec![oscillator(t, x.narrow(1, 0, 2)), fast], 1)
    };
    let plain: Field<B> = oscillator;
    let measured = Control {
        measured: Some(2),
        ..tolerance(1e-6)
    };
    let solve = |field, x: &[f64], control| {
        integrate_adaptive(field, &DOPRI5, state::<B>(x), (0.0, 3.0), control)
            .expect("a smooth problem")
    };
    let expected = solve(&plain, &[0.0, 1.0], tolerance(1e-6));
    let got = solve(&gathering, &[0.0, 1.0, 0.0], measured);
    let all = solve(&gathering, &[0.0, 1.0, 0.0], tolerance(1e-6));
    assert_eq!(got.statistics, expected.statistics);
    assert_eq!(bits(got.x.narrow(1, 0, 2)), bits(expected.x));
    assert!(all.statistics.steps > 2 * got.statistics.steps);
}

#[test]
fn an_empty_batch_is_at_the_end_at_once() {
    let field: Field<B> = |_, _| unreachable!("there is nothing to evaluate");
    let x = || tensor::<B, 2>(vec![], [0, 2]);
    let solution = integrate_saving(&field, &DOPRI5, x(), (0.0, 1.0), &[0.5], tolerance(1e-6))
        .expect("nothing to do");
    assert_eq!((solution.t, solution.x.dims()), (1.0, [0, 2]));
    assert_eq!(solution.saved[0].1.dims(), [0, 2]);
    assert_eq!(solution.statistics, Statistics::default());
    let dense =
        integrate_dense(&field, &DOPRI5, x(), (0.0, 1.0), tolerance(1e-6)).expect("nothing to do");
    assert_eq!(dense.solution.t, 1.0);
    for time in [0.0, 0.5, 1.0] {
        assert_eq!(dense.at(time).expect("a time of the span").dims(), [0, 2]);
    }
    assert!(dense.at(-0.1).is_none() && dense.at(1.1).is_none());
    for times in [&[][..], &[1.0, 0.0, 0.5, 0.5]] {
        for pair in [HEUN, DOPRI5] {
            let batch = integrate_per_sample(
                &OfRows(&field),
                &pair,
                x(),
                (0.0, 1.0),
                times,
                tolerance(1e-6),
            )
            .expect("nothing to do");
            assert_eq!(batch.x.dims(), [0, 2]);
            assert_eq!(batch.saved.len(), times.len());
            for ((t, x), time) in batch.saved.iter().zip(times) {
                assert_eq!((t, x.dims()), (time, [0, 2]));
            }
            assert_eq!((batch.samples.len(), batch.rows_evaluated), (0, 0));
        }
    }
}

const GRAVITY: f64 = 9.81;

/// `(y, v)` in free fall.
fn fall<T: Backend>(_: f64, x: Tensor<T, 2>) -> Tensor<T, 2> {
    let v = x.narrow(1, 1, 1);
    Tensor::cat(vec![v.clone(), v.full_like(-GRAVITY)], 1)
}

fn entry<T: Backend>(x: &Tensor<T, 2>, index: usize) -> f64 {
    host(x.clone())[index]
}

/// Coordinate i, shifted.
fn crossing<'a, T: Backend>(index: usize, level: f64, direction: Direction) -> Event<'a, T, 2> {
    Event::new(move |_, x| entry(x, index) - level, direction)
}

fn hits_the_ground<T: Backend>() {
    let field: Field<T> = fall;
    let ground = [crossing(0, 0.0, Direction::Falling)];
    // Every method of order two solves a parabola exactly, and so does its dense output.
    for pair in PAIRS {
        let solve = |x: &[f64], t: f64| {
            let found = integrate_until(
                &field,
                &pair,
                state::<T>(x),
                (t, 10.0),
                &ground,
                tolerance(1e-6),
            )
            .expect("a smooth problem");
            assert_eq!(found.event, Some(0), "{}", name(&pair));
            found.solution
        };
        let mut due = (20.0 / GRAVITY).sqrt();
        let mut speed = (20.0 * GRAVITY).sqrt();
        let mut hit = solve(&[10.0, 0.0], 0.0);
        // Each of three bounces takes half of the speed.
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
            // It starts on the ground: a zero that is no event.
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
        // sin t from 0, where it is zero and no event.
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
            let found = integrate_until(
                &field,
                &pair,
                state(&[0.0, 1.0]),
                span,
                &events,
                tolerance(tol),
            )
            .expect("a smooth problem");
            let Solution {
                t, x, statistics, ..
            } = found.solution;
            assert_eq!(found.event, Some(0));
            // Errors rotate and do not grow: each is 2·√2 times the tolerance at most, and the zero is crossed at speed 1. Within
            // a step, the interpolation errs by about as much as ten steps.
            let bound = 3.0 * tol * (statistics.steps + 10) as f64;
            assert!((t - zero).abs() < bound, "{direction:?} in {span:?}: {t}");
            // The state is the one at that time, on the far side of the zero or on it.
            assert!(distance(x.clone(), &[t.sin(), t.cos()]) < bound);
            assert!(entry(&x, 0).abs() < 1e-14);
        }
    }
}

/// One step over [0, 1], in which the state is the time.
fn in_one_step(events: &[Event<'_, B, 2>]) -> (Option<usize>, f64) {
    let field: Field<B> = clock;
    let found = integrate_until(
        &field,
        &DOPRI5,
        state(&[0.0]),
        (0.0, 1.0),
        events,
        fixed(1.0),
    )
    .expect("a constant slope");
    assert_eq!(found.solution.statistics.steps, 1);
    let t = found.solution.t;
    assert!(distance(found.solution.x, &[t]) < 1e-15);
    (found.event, t)
}

#[test]
fn the_earliest_of_several_events_counts() {
    // 0.3 and 0.31 lie in the same eighth of the step.
    let events = [0.7, 0.31, 0.3, 0.9].map(|level| crossing(0, level, Direction::Rising));
    let (event, t) = in_one_step(&events);
    assert_eq!(event, Some(2));
    assert!((t - 0.3).abs() < 1e-15, "{t}");
    // One that comes first in the wrong direction does not count.
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
    // Zeros in different eighths, between which the ends of the step show nothing.
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
        let found = integrate_until(
            &field,
            &HEUN,
            state(&[0.0]),
            (0.0, 1.0),
            &events,
            fixed(0.25),
        )
        .expect("a constant slope");
        assert_eq!(found.event, Some(0));
        // Halves and quarters are exact, so that the step's end is the zero.
        assert!((found.solution.t - level).abs() < 1e-15);
        assert_eq!(found.solution.statistics.steps, steps);
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
        let plain = integrate_adaptive(&field, &DOPRI5, start(), span, tolerance(1e-6))
            .expect("a smooth problem");
        for events in [&events[..], &[]] {
            let found = integrate_until(&field, &DOPRI5, start(), span, events, tolerance(1e-6))
                .expect("a smooth problem");
            assert_eq!(found.event, None);
            assert_eq!(found.solution.t, span.1);
            assert_eq!(bits(found.solution.x), bits(plain.x.clone()));
            assert_eq!(found.solution.statistics, plain.statistics);
        }
    }
    let nothing = integrate_until(
        &field,
        &DOPRI5,
        start(),
        (1.0, 1.0),
        &[crossing(0, 0.0, Direction::Any)],
        tolerance(1e-6),
    )
    .expect("nothing to do");
    assert_eq!((nothing.event, nothing.solution.t), (None, 1.0));
}

#[test]
fn a_zero_is_located_in_some_fifty_looks_wherever_it_lies() {
    // t = 0 is where the resolution of a float is finest, and no reason to go on for longer.
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
        let found = integrate_until(
            &field,
            &DOPRI5,
            state(&[0.0]),
            (start, start + 2.0),
            &events,
            fixed(2.0),
        )
        .expect("a constant slope");
        assert_eq!(found.event, Some(0));
        assert!((found.solution.t - level).abs() < 2e-15 * (start + 2.0).abs().max(1.0));
        // One at the start, eight on the step, and one for each bit of an eighth of it.
        assert!(looks.get() <= 1 + 8 + 52, "from {start}: {}", looks.get());
    }
}

/// A field that depends on no sample's own number, with a time for each row.
struct OfRows<'a, F>(&'a F);

impl<T: Backend, F: VectorField<T, 2>> BatchField<T, 2> for OfRows<'_, F> {
    fn velocities(&self, t: &[f64], x: Tensor<T, 2>, _: &[usize]) -> Tensor<T, 2> {
        let rows = (t.iter().enumerate())
            .map(|(i, &t)| self.0.velocity(t, x.clone().narrow(0, i, 1)))
            .collect();
        Tensor::cat(rows, 0)
    }
}

/// One sample of a field's batch, as a batch of one.
struct Only<'a, F>(&'a F, usize);

impl<T: Backend, F: BatchField<T, D>, const D: usize> BatchField<T, D> for Only<'_, F> {
    fn velocities(&self, t: &[f64], x: Tensor<T, D>, rows: &[usize]) -> Tensor<T, D> {
        assert_eq!((t.len(), rows), (1, &[0][..]));
        self.0.velocities(t, x, &[self.1])
    }
}

/// The same as a field with one time, for the solver of whole batches.
impl<T: Backend, F: BatchField<T, D>, const D: usize> VectorField<T, D> for Only<'_, F> {
    fn velocity(&self, t: f64, x: Tensor<T, D>) -> Tensor<T, D> {
        self.0.velocities(&[t], x, &[self.1])
    }
}

/// Solves a batch, and each of its samples alone: they agree to the bit, in states, fates and costs.
fn alone_and_together<T: Backend, F: BatchField<T, D>, const D: usize>(
    field: &F,
    pair: &EmbeddedRk,
    x: Tensor<T, D>,
    span: (f64, f64),
    times: &[f64],
    control: Control,
) -> BatchSolution<T, D> {
    let solve = integrate_per_sample::<T, F, D>;
    let batch = solve(field, pair, x.clone(), span, times, control).expect("a good control");
    let n = x.dims()[0];
    assert_eq!((batch.samples.len(), batch.saved.len()), (n, times.len()));
    let mut rows_evaluated = 0;
    for i in 0..n {
        let row = |x: &Tensor<T, D>| x.clone().narrow(0, i, 1);
        let only = Only(field, i);
        // In memory of its own: ndarray sums a view in another order.
        let mut shape = x.dims();
        shape[0] = 1;
        let start = tensor::<T, D>(host(row(&x)), shape);
        let alone =
            integrate_per_sample(&only, pair, start, span, times, control).expect("a good control");
        let what = format!("sample {i} by {}", name(pair));
        assert_eq!(batch.samples[i], alone.samples[0], "{what}");
        assert_eq!(bits(row(&batch.x)), bits(alone.x), "{what}");
        let saved: Vec<_> = batch.saved.iter().map(|(t, x)| (*t, row(x))).collect();
        assert_eq!(bits_of_all(&saved), bits_of_all(&alone.saved), "{what}");
        assert_eq!(
            alone.rows_evaluated,
            alone.samples[0].statistics.evaluations
        );
        rows_evaluated += alone.rows_evaluated;
    }
    // No row is evaluated for the sake of another: not even the tenth more that one could afford.
    assert_eq!(batch.rows_evaluated, rows_evaluated, "{}", name(pair));
    let asked: Vec<f64> = batch.saved.iter().map(|(t, _)| *t).collect();
    assert_eq!(asked, times);
    batch
}

/// Van der Pol oscillators, each with its own µ.
struct VanDerPol(Vec<f64>);

impl<T: Backend> BatchField<T, 2> for VanDerPol {
    fn velocities(&self, t: &[f64], x: Tensor<T, 2>, rows: &[usize]) -> Tensor<T, 2> {
        assert_eq!(t.len(), rows.len());
        assert!(rows.windows(2).all(|pair| pair[0] < pair[1]));
        let mu = PerSample::like(&x).tensor(rows.iter().map(|&row| self.0[row]));
        let (x, y) = (x.clone().narrow(1, 0, 1), x.narrow(1, 1, 1));
        let pull = (-x.clone() * x.clone() + 1.0) * y.clone() * mu - x;
        Tensor::cat(vec![y, pull], 1)
    }
}

fn oscillators() -> (VanDerPol, Vec<f64>) {
    let mu = (0..12).map(|i| 1.0 + 24.0 * f64::from(i) / 11.0).collect();
    (VanDerPol(mu), [2.0, 0.0].repeat(12))
}

fn steps_by_itself<T: Backend>(pair: &EmbeddedRk, tol: f64) {
    let (field, start) = oscillators();
    let x = tensor::<T, 2>(start, [12, 2]);
    // The ends, some twice, and in no order.
    let times = [20.0, 3.3, 0.0, 11.7, 3.3, 20.0, 0.0, 7.1];
    let batch = alone_and_together(&field, pair, x.clone(), (0.0, 20.0), &times, tolerance(tol));
    assert_eq!(batch.failures(), 0);
    assert!(batch.samples.iter().all(|sample| sample.t == 20.0));
    // Their steps differ, or the test would show nothing.
    let steps: Vec<usize> = batch.samples.iter().map(|s| s.statistics.steps).collect();
    let (least, most) = (steps.iter().min(), steps.iter().max());
    assert!(most > least.map(|n| n * 3 / 2).as_ref(), "{steps:?}");
    let saved = |i: usize| batch.saved[i].1.clone();
    assert_eq!(bits(saved(0)), bits(saved(5)));
    assert_eq!(bits(saved(1)), bits(saved(4)));
    assert_eq!(bits(saved(2)), bits(x.clone()));
    assert_eq!(bits(saved(6)), bits(x));
    // Saving does not change what is saved from.
    let plain = integrate_per_sample(&field, pair, saved(2), (0.0, 20.0), &[], tolerance(tol))
        .expect("a good control");
    assert_eq!(bits(plain.x), bits(batch.x.clone()));
    // At the end the polynomial comes to the state, up to its rounding.
    let end = distance(saved(0), &host(batch.x));
    assert!(end < 1e-12, "{}: {end}", name(pair));
}

#[test]
fn each_sample_steps_as_if_it_were_alone() {
    for pair in [DOPRI5, TSIT5] {
        steps_by_itself::<B>(&pair, 1e-6);
    }
    steps_by_itself::<B>(&BOGACKI_SHAMPINE, 1e-4);
    steps_by_itself::<B>(&HEUN, 1e-3);
    steps_by_itself::<Flex>(&DOPRI5, 1e-4);
    steps_by_itself::<Flex>(&HEUN, 1e-3);
}

/// `x' = a·cos(t)·x`, with a for each sample and t for each row: `x = x0·exp(a·(sin t − sin t0))`.
struct Swing(Vec<f64>);

impl<T: Backend> BatchField<T, 3> for Swing {
    fn velocities(&self, t: &[f64], x: Tensor<T, 3>, rows: &[usize]) -> Tensor<T, 3> {
        let factors = rows.iter().zip(t).map(|(&row, t)| self.0[row] * t.cos());
        let factors = PerSample::like(&x).tensor(factors);
        x * factors
    }
}

fn solves_a_batch_of_images<T: Backend>() {
    let field = Swing(vec![0.5, 3.0, -1.0, 0.0]);
    // A state whose rows are longer than a vector register, and of odd length.
    let start: Vec<f64> = (0..4 * 33).map(|i| 0.1 + f64::from(i % 7) / 7.0).collect();
    let times = [1.0, 4.0, -1.5, 2.5, 2.5, 0.0];
    for pair in PAIRS {
        for span in [(-1.5, 4.0), (4.0, -1.5)] {
            let x = tensor::<T, 3>(start.clone(), [4, 3, 11]);
            let tol = 1e-6;
            let batch = alone_and_together(&field, &pair, x, span, &times, tolerance(tol));
            let ends = std::iter::once((span.1, batch.x.clone()));
            for (t, x) in batch.saved.iter().cloned().chain(ends) {
                let x = host(x);
                for (i, sample) in batch.samples.iter().enumerate() {
                    // Errors grow as the solution does, e⁶ at most, ten of them within a step.
                    let bound = 404.0 * 2.0 * tol * (sample.statistics.steps + 10) as f64;
                    for k in i * 33..(i + 1) * 33 {
                        let exact = start[k] * (field.0[i] * (t.sin() - span.0.sin())).exp();
                        assert!(
                            (x[k] - exact).abs() < bound * exact.abs().max(1.0),
                            "{} at {t}: {} {exact}",
                            name(&pair),
                            x[k]
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn each_sample_has_its_own_time_forward_and_backward() {
    solves_a_batch_of_images::<B>();
    solves_a_batch_of_images::<Flex>();
}

#[test]
fn a_batch_of_one_agrees_with_the_solver_of_whole_batches() {
    let (field, _) = oscillators();
    let times = [0.0, 4.0, 1.7, 4.0];
    let tol = 1e-8;
    for pair in [BOGACKI_SHAMPINE, DOPRI5, TSIT5] {
        for i in [0, 5, 11] {
            let only = Only(&field, i);
            let x = || state::<B>(&[2.0, 0.0]);
            let (span, control) = ((0.0, 4.0), tolerance(tol));
            let whole = integrate_saving(&only, &pair, x(), span, &times, control)
                .expect("a smooth problem");
            let by_row = integrate_per_sample(&only, &pair, x(), span, &times, control)
                .expect("a good control");
            // The same control of the same errors, up to their rounding.
            let close = |a: Tensor<B, 2>, b: Tensor<B, 2>| distance(a, &host(b)) < tol;
            assert!(close(by_row.x, whole.x), "{} of {i}", name(&pair));
            for ((t, a), (_, b)) in by_row.saved.into_iter().zip(whole.saved) {
                assert!(close(a, b), "{} of {i} at {t}", name(&pair));
            }
            let sample = &by_row.samples[0];
            assert_eq!((sample.t, &sample.failure), (4.0, &None));
            let (a, b) = (sample.statistics.steps, whole.statistics.steps);
            assert!(a.abs_diff(b) <= b / 100, "{a} {b}");
        }
    }
}

/// What can go wrong, a kind for each sample.
struct Fates;

impl<T: Backend> BatchField<T, 2> for Fates {
    fn velocities(&self, t: &[f64], x: Tensor<T, 2>, rows: &[usize]) -> Tensor<T, 2> {
        let slopes = (rows.iter().zip(t).enumerate()).map(|(k, (row, &t))| {
            let x = x.clone().narrow(0, k, 1);
            match row {
                // Leaves every bound at t = 1.
                1 => pole(t, x),
                // Ends at t = 0.5.
                3 if t > 0.5 => x * f64::NAN,
                // Is nothing from the start.
                4 => x * f64::NAN,
                _ => x * t.cos(),
            }
        });
        Tensor::cat(slopes.collect(), 0)
    }
}

fn fails_alone<T: Backend>() {
    let times = [1.5, 0.0, 0.25, 2.0, 0.75, 0.25];
    for pair in PAIRS {
        let x = tensor::<T, 2>(vec![1.0; 12], [6, 2]);
        let control = tolerance(1e-5);
        let batch = alone_and_together(&Fates, &pair, x, (0.0, 2.0), &times, control);
        let what = name(&pair);
        assert_eq!(batch.failures(), 3, "{what}");
        let failure = |i: usize| batch.samples[i].failure.clone();
        let t = |i: usize| batch.samples[i].t;
        for i in [0, 2, 5] {
            assert_eq!((failure(i), t(i)), (None, 2.0), "{what}");
        }
        assert!(
            matches!(failure(1), Some(SolveError::StepSize { t: at, .. } | SolveError::NotFinite { t: at }) if at == t(1)),
            "{what}: {:?}",
            failure(1)
        );
        assert!((t(1) - 1.0).abs() < 1e-3, "{what}: {}", t(1));
        assert_eq!(failure(3), Some(SolveError::NotFinite { t: t(3) }));
        let within = if pair == RALSTON {
            // It does not look at the end of its steps.
            -0.1..1e-14
        } else {
            0.0..5.0 * 32.0 * f64::EPSILON
        };
        assert!(within.contains(&(0.5 - t(3))), "{what}: {}", t(3));
        assert_eq!(failure(4), Some(SolveError::NotFinite { t: 0.0 }));
        assert_eq!(batch.samples[4].statistics.steps, 0);

        // A row is a state up to where its sample came, and undefined after.
        for (time, x) in &batch.saved {
            for (i, row) in host(x.clone()).chunks(2).enumerate() {
                let reached = *time <= t(i);
                assert!(
                    row.iter().all(|v| v.is_finite() == reached),
                    "{what}: {i} at {time}"
                );
            }
        }
        // The state that it had reached: of the one that starts undefined, its start.
        let x = host(batch.x);
        assert!(x.iter().all(|v| v.is_finite()));
        assert_eq!(x[8..10], [1.0, 1.0]);
        let steps = batch.samples[3].statistics.steps as f64;
        let bound = 3.0 * 2.0 * 1e-5 * steps;
        assert!((x[6] - t(3).sin().exp()).abs() < bound, "{what}");
    }
}

#[test]
fn a_sample_that_fails_fails_alone() {
    fails_alone::<B>();
    fails_alone::<Flex>();
}

#[test]
fn the_step_limit_is_each_samples_own() {
    let (field, start) = oscillators();
    let x = tensor::<B, 2>(start, [12, 2]);
    let times = [20.0, 1.0, 5.0, 10.0, 15.0, 19.0];
    for pair in [HEUN, DOPRI5] {
        let span = (0.0, 20.0);
        let free = alone_and_together(&field, &pair, x.clone(), span, &[], tolerance(1e-3));
        let tried: Vec<usize> = (free.samples.iter())
            .map(|s| s.statistics.steps + s.statistics.rejections)
            .collect();
        // As many as one sample needs to the last: it is not among those that the limit stops.
        let mut sorted = tried.clone();
        sorted.sort_unstable();
        for limit in [sorted[0], sorted[5], sorted[11]] {
            let control = Control {
                max_steps: limit,
                ..tolerance(1e-3)
            };
            let batch = alone_and_together(&field, &pair, x.clone(), span, &times, control);
            for (sample, &tried) in batch.samples.iter().zip(&tried) {
                let t = sample.t;
                let expected = (tried > limit).then_some(SolveError::StepLimit { limit, t });
                assert_eq!(sample.failure, expected, "{} of {limit}", name(&pair));
                assert_eq!(t == 20.0, tried <= limit);
            }
        }
    }
}

fn a_network_takes_a_time_for_each_row<T: Backend>(dtype: DType, bound: f64) {
    let device = T::Device::default();
    let noise = Noise::new(11);
    let times = [0.2, 0.5, 0.5, 0.9, 0.35];
    let rows = [0, 2, 3, 5, 6];
    let x: Tensor<T, 2> = noise
        .draws(Stream::Init, 1)
        .normal_tensor([5, 2], &device, dtype);
    let values = |x: Tensor<T, 2>| -> Vec<f64> {
        let data = x.into_data().convert::<f64>();
        data.to_vec().expect("converted just now")
    };
    let close = |a: &[f64], b: &[f64], what: &str| {
        assert_eq!(a.len(), b.len());
        for (a, b) in a.iter().zip(b) {
            // Two ways of rounding the same few products, of the size of what they come to.
            assert!((a - b).abs() < bound * b.abs().max(1.0), "{what}: {a} {b}");
        }
    };
    let predictions = [
        Prediction::Velocity,
        Prediction::Data,
        Prediction::Noise,
        Prediction::Score,
        Prediction::V,
        Prediction::Edm { sigma_data: 0.7 },
    ];
    for (prediction, classes) in predictions.into_iter().flat_map(|p| [(p, 0), (p, 3)]) {
        let config = MlpConfig {
            width: 16,
            classes,
            ..MlpConfig::new(2)
        };
        let flow = Flow::new(
            config.init::<T>(&mut Init::new(noise, &device)),
            Path::new(VariancePreserving::default()),
            Objective::new(prediction),
        );
        let of = |labels: &[u32]| -> (Labels<T>, Vectors<T>) {
            match classes {
                0 => Default::default(),
                _ => Condition::upload(&Given::labels(labels, classes), &device),
            }
        };
        // A batch of seven samples, of which five are under way.
        let all = [0, 2, 1, 2, 0, 0, 1];
        let (whole, picked) = (of(&all), of(&rows.map(|row| all[row])));
        let what = format!("{prediction:?} of {classes} classes");

        for t in [0.2, 0.6] {
            let by_row = flow.given(&whole).velocities(&[t; 5], x.clone(), &rows);
            let at_once = flow.given(&picked).velocity(t, x.clone());
            close(&values(by_row), &values(at_once), &what);
        }
        let by_row = values(flow.given(&whole).velocities(&times, x.clone(), &rows));
        for (k, (&row, &t)) in rows.iter().zip(&times).enumerate() {
            let label = of(&[all[row]]);
            let alone = flow.given(&label).velocity(t, x.clone().narrow(0, k, 1));
            close(&by_row[2 * k..2 * k + 2], &values(alone), &what);
        }
    }
}

#[test]
fn a_trained_network_takes_a_time_and_a_label_for_each_row() {
    a_network_takes_a_time_for_each_row::<B>(DType::F64, 1e-14);
    a_network_takes_a_time_for_each_row::<Flex>(DType::F32, 1e-5);
}

#[test]
fn landing_saves_the_methods_own_states() {
    // x' = x on [0, 2], saved where no step would end by itself; with order 8 the states are as good as the end, which its cubic is not.
    let field = |_: f64, x: Tensor<B, 2>| x;
    let x = || state::<B>(&[1.0]);
    let times = TimeGrid::new(vec![0.0, 0.123, 1.0, 1.7, 2.0]).expect("a grid");
    for times in [times.clone(), times.reversed()] {
        let control = Control::tolerance(1e-9);
        let solution = integrate_landing(&field, &DOPRI8, x(), &times, control).expect("smooth");
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
    let times = TimeGrid::new(vec![0.0, 1e-9, 2.0]).expect("a grid");
    let stopped = integrate_landing(&field, &DOPRI5, x(), &times, short).expect_err("too few");
    assert_eq!(stopped.partial.saved.len(), 2);
}

#[test]
fn a_step_that_is_tried_again_keeps_its_first_slope() {
    // A first step that is far too long is rejected; each try costs the stages but the first.
    let field = |_: f64, x: Tensor<B, 2>| x.sin() * 30.0;
    let x = state::<B>(&[1.0]);
    let control = Control {
        first_step: Some(1.0),
        ..Control::tolerance(1e-5)
    };
    for (pair, stages, fsal) in [(HEUN, 2, false), (DOPRI8, 13, false), (DOPRI5, 7, true)] {
        let solution = integrate_adaptive(&field, &pair, x.clone(), (0.0, 1.0), control);
        let s = solution.expect("smooth").statistics;
        assert!(s.rejections > 0);
        let first = if fsal { 1 } else { s.steps };
        let expected = first + (s.steps + s.rejections) * (stages - 1);
        assert_eq!(s.evaluations, expected);
    }
}
