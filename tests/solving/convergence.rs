//! Orders of convergence, adaptive solves and their cost, on problems with closed forms.

use burn::tensor::Tensor;
use burn_ndarray::NdArray;
use pyroclast::core::analytic::Gaussian;
use pyroclast::core::field::Counted;
use pyroclast::core::schedule::Edm;
use pyroclast::solvers::{
    Adaptive, BOGACKI_SHAMPINE, Control, DOPRI5, DOPRI8, EULER, EmbeddedRk, ExplicitRk, HEUN,
    MIDPOINT, Method, RALSTON, RK4, SolveError, TSIT5, TimeGrid, integrate,
};

use crate::support::{host, state};

type B = NdArray<f64>;

type Field = fn(f64, Tensor<B, 2>) -> Tensor<B, 2>;

/// A problem on [0, 1] and its exact end.
struct Problem {
    name: &'static str,
    /// How many times finer than for the first problem a grid has to be for the order to show.
    fineness: usize,
    field: Field,
    start: Vec<f64>,
    end: Vec<f64>,
}

fn van_der_pol(_: f64, x: Tensor<B, 2>) -> Tensor<B, 2> {
    let (x, y) = (x.clone().narrow(1, 0, 1), x.narrow(1, 1, 1));
    let pull = (-x.clone() * x.clone() + 1.0) * y.clone() - x;
    Tensor::cat(vec![y, pull], 1)
}

const VDP_END: (f64, f64) = (1.3642873681242036, -0.5372870147677559);

fn problems() -> Vec<Problem> {
    vec![
        Problem {
            name: "logistic",
            fineness: 1,
            field: |_, x| x.clone() * (-x + 1.0) * 2.0,
            start: vec![0.05],
            end: vec![1.0 / (1.0 + 19.0 * (-2_f64).exp())],
        },
        Problem {
            name: "harmonic oscillator",
            fineness: 4,
            field: |_, x| Tensor::cat(vec![x.clone().narrow(1, 1, 1), -x.narrow(1, 0, 1)], 1) * 6.0,
            start: vec![1.0, 0.0],
            end: vec![6_f64.cos(), -6_f64.sin()],
        },
        Problem {
            // Its exponential: a rotation that shrinks, and a triangle that is not normal.
            name: "linear system",
            fineness: 4,
            field: |_, x| {
                let at = |i| x.clone().narrow(1, i, 1);
                Tensor::cat(
                    vec![
                        at(1) * 6.0 - at(0),
                        at(0) * -6.0 - at(1),
                        at(3) * 3.0 - at(2),
                        at(3) * -2.0,
                    ],
                    1,
                )
            },
            start: vec![1.0, 0.5, -0.3, 1.0],
            end: {
                let (e1, e2) = ((-1_f64).exp(), (-2_f64).exp());
                let (sin, cos) = 6_f64.sin_cos();
                vec![
                    e1 * (cos + 0.5 * sin),
                    e1 * (0.5 * cos - sin),
                    -0.3 * e1 + 3.0 * (e1 - e2),
                    e2,
                ]
            },
        },
        Problem {
            // µ = 1 from (0, 1) at time 2; its end by mpmath's odefun at 25 digits.
            name: "van der Pol",
            fineness: 4,
            field: |t, x| van_der_pol(t, x) * 2.0,
            start: vec![0.0, 1.0],
            end: vec![VDP_END.0, VDP_END.1],
        },
    ]
}

/// The order that a method shows on some grids.
fn order_on<M: Method<B, Field, 2>>(method: &M, problem: &Problem, grids: &[usize]) -> f64 {
    crate::support::slope(grids.iter().map(|&n| {
        let grid = TimeGrid::uniform(0.0, 1.0, n);
        let end = host(integrate(
            &problem.field,
            method,
            state(&problem.start),
            &grid,
        ));
        let squares = (end.iter().zip(&problem.end)).map(|(a, b)| (a - b).powi(2));
        (1.0 / n as f64, squares.sum::<f64>().sqrt())
    }))
}

fn has_order(method: &impl Method<B, Field, 2>, order: f64, coarsest: usize, name: &str) {
    for problem in problems() {
        let grids: Vec<usize> = (0..5).map(|i| problem.fineness * (coarsest << i)).collect();
        let slope = order_on(method, &problem, &grids);
        assert!(
            (slope - order).abs() < 0.15,
            "{name} on {}: {slope}",
            problem.name
        );
    }
}

#[test]
fn fixed_grids_converge_with_the_order_of_the_method() {
    let plain: [(ExplicitRk, f64, usize); 3] =
        [(EULER, 1.0, 64), (MIDPOINT, 2.0, 32), (RK4, 4.0, 16)];
    for (method, order, coarsest) in plain {
        has_order(&method, order, coarsest, method.0.name);
    }
    let pairs: [(EmbeddedRk, f64, usize); 5] = [
        (HEUN, 2.0, 32),
        (RALSTON, 2.0, 32),
        (BOGACKI_SHAMPINE, 3.0, 32),
        (DOPRI5, 5.0, 8),
        (TSIT5, 5.0, 8),
    ];
    for (pair, order, coarsest) in pairs {
        has_order(&pair, order, coarsest, pair.method.0.name);
    }
}

#[test]
fn order_eight_shows_as_far_as_f64_holds_it() {
    // Four halvings of the step would take the error from 10⁻⁶, where the leading term does not
    // dominate yet, to 10⁻¹⁵, where rounding does.
    let problems = problems();
    for (problem, grids) in [(0, [6, 8, 10, 12]), (3, [8, 10, 12, 16])] {
        let slope = order_on(&DOPRI8, &problems[problem], &grids);
        assert!(
            (slope - 8.0).abs() < 0.15,
            "{}: {slope}",
            problems[problem].name
        );
    }
    // On linear problems only 0.13 % of the ninth-order term is left, so that the order may look
    // higher.
    for (problem, grids) in [(1, [8, 12, 16, 24]), (2, [8, 12, 16, 24])] {
        let slope = order_on(&DOPRI8, &problems[problem], &grids);
        assert!(
            (7.85..9.15).contains(&slope),
            "{}: {slope}",
            problems[problem].name
        );
    }
}

fn tolerance(tol: f64) -> Control {
    Control {
        max_steps: 1_000_000,
        ..Control::tolerance(tol)
    }
}

#[test]
fn adaptive_solves_meet_their_tolerance() {
    for &pair in EmbeddedRk::ALL {
        for problem in problems() {
            let tol = 1e-6;
            let solution = Adaptive::new(tolerance(tol))
                .solve(&problem.field, &pair, state(&problem.start), (0.0, 1.0))
                .expect("a smooth problem");
            for (a, b) in host(solution.x).iter().zip(&problem.end) {
                // A local tolerance bounds the global error up to a factor of the problem's.
                assert!(
                    (a - b).abs() < 20.0 * tol,
                    "{} on {}",
                    pair.method.0.name,
                    problem.name
                );
            }
        }
    }
}

#[test]
fn methods_of_order_five_and_more_reach_reference_values() {
    // DETEST (Hull et al. 1972) A2, A3 and A4 in closed form, and van der Pol's oscillator with µ =
    // 1, at t = 20.
    let cubic: Field = |_, x| x.clone() * x.clone() * x * -0.5;
    let cosine: Field = |t, x| x * t.cos();
    let logistic: Field = |_, x| x.clone() * (x / -20.0 + 1.0) * 0.25;
    let problems: [(Field, Vec<f64>, Vec<f64>); 4] = [
        (cubic, vec![1.0], vec![0.2182178902359924]),
        (cosine, vec![1.0], vec![2.4916502718504145]),
        (logistic, vec![1.0], vec![17.73016648131484]),
        (
            van_der_pol,
            vec![2.0, 0.0],
            vec![2.0081497621749484, -0.042508875273202],
        ),
    ];
    for pair in [DOPRI5, TSIT5, DOPRI8] {
        for (field, start, expected) in &problems {
            let solution =
                Adaptive::new(tolerance(1e-8)).solve(field, &pair, state(start), (0.0, 20.0));
            let got = host(solution.expect("a smooth problem").x);
            for (got, expected) in got.iter().zip(expected) {
                let name = pair.method.0.name;
                assert!((got - expected).abs() < 1e-6, "{name}: {got} {expected}");
            }
        }
    }
}

#[test]
fn time_runs_backward_too() {
    for problem in problems() {
        let there = Adaptive::new(tolerance(1e-9))
            .solve(&problem.field, &DOPRI5, state(&problem.start), (0.0, 1.0))
            .expect("forward");
        let back = Adaptive::new(tolerance(1e-9))
            .solve(&problem.field, &DOPRI5, there.x, (1.0, 0.0))
            .expect("backward");
        for (a, b) in host(back.x).iter().zip(&problem.start) {
            assert!((a - b).abs() < 1e-7, "{}", problem.name);
        }
    }
}

#[test]
fn a_constant_slope_takes_five_steps_at_most() {
    let one: Field = |_, x| x.ones_like();
    for &pair in EmbeddedRk::ALL {
        let solution = Adaptive::new(tolerance(1e-6))
            .solve(&one, &pair, state(&[0.0]), (0.0, 1.0))
            .expect("a constant slope");
        let statistics = solution.statistics;
        assert!(
            statistics.steps <= 5,
            "{}: {statistics:?}",
            pair.method.0.name
        );
        assert!((host(solution.x)[0] - 1.0).abs() < 1e-14);
    }
}

#[test]
fn evaluations_follow_from_the_stages() {
    // Two for the starting step, the first of which is the first stage; then the stages of each
    // step, less one if the slope at the end of the last step is known.
    for &pair in EmbeddedRk::ALL {
        let problem = &problems()[0];
        let solution = Adaptive::new(tolerance(1e-5))
            .solve(&problem.field, &pair, state(&problem.start), (0.0, 1.0))
            .expect("a smooth problem");
        let s = solution.statistics;
        let stages = pair.method.0.a.len();
        if s.rejections == 0 {
            let fsal = pair.method.0.first_same_as_last;
            let expected = if fsal {
                2 + s.steps * (stages - 1)
            } else {
                1 + s.steps * stages
            };
            assert_eq!(s.evaluations, expected, "{}", pair.method.0.name);
        }
        assert!(s.steps > 1);
    }
    // On a grid, a first-same-as-last method evaluates its first stage once.
    let problem = &problems()[0];
    let counted = Counted::new(&problem.field);
    integrate(
        &counted,
        &DOPRI5,
        state(&problem.start),
        &TimeGrid::uniform(0.0, 1.0, 10),
    );
    assert_eq!(counted.evaluations(), 10 * 6 + 1);
}

#[test]
fn an_empty_span_returns_the_state() {
    let problem = &problems()[0];
    let solution =
        Adaptive::new(tolerance(1e-6)).solve(&problem.field, &DOPRI5, state(&[0.3]), (0.5, 0.5));
    let solution = solution.expect("nothing to do");
    assert_eq!(host(solution.x), [0.3]);
    assert_eq!(solution.statistics.evaluations, 0);
}

#[test]
fn what_cannot_be_solved_is_refused_with_its_values() {
    let field: Field = |_, x| x;
    let solve = |field: &Field, span, tol: Control| {
        Adaptive::new(tol)
            .solve(field, &DOPRI5, state(&[1.0]), span)
            .expect_err("a bad problem")
            .reason
    };
    for tol in [0.0, -1e-3, f64::NAN, f64::INFINITY] {
        let error = solve(&field, (0.0, 1.0), tolerance(tol));
        assert!(matches!(error, SolveError::Tolerance { .. }), "{error}");
    }
    let error = solve(&field, (0.0, f64::NAN), tolerance(1e-6));
    assert!(matches!(error, SolveError::Span { .. }), "{error}");
    let limited = Control {
        max_steps: 3,
        ..tolerance(1e-12)
    };
    let error = solve(&field, (0.0, 10.0), limited);
    assert!(
        matches!(error, SolveError::StepLimit { limit: 3, .. }),
        "{error}"
    );
    let nan: Field = |_, x| x * f64::NAN;
    let error = solve(&nan, (0.0, 1.0), tolerance(1e-6));
    assert!(matches!(error, SolveError::NotFinite { .. }), "{error}");
    // x' = x² from 1 has a pole at t = 1.
    let blows_up: Field = |_, x| x.clone() * x;
    let error = solve(&blows_up, (0.0, 2.0), tolerance(1e-6));
    let at_pole = |t: f64| (t - 1.0).abs() < 1e-3;
    assert!(
        matches!(error, SolveError::StepSize { t, .. } | SolveError::NotFinite { t } if at_pole(t)),
        "{error}"
    );
}

#[test]
fn heun_on_edm_has_the_published_gain() {
    // Karras et al. 2022, algorithm 1 without churn, on data N(0, ½²): N = 18 steps from σ = 80 to
    // 0, the last one Euler's.
    let field = Gaussian {
        mean: state::<B>(&[0.0]),
        std: 0.5,
        schedule: Edm::default(),
    };
    let gain = |n: usize| {
        let grid = TimeGrid::karras(&Edm::default(), (80.0, 0.002), 7.0, n);
        let (head, tail) = grid.times().split_at(n);
        let head = TimeGrid::new(head.to_vec()).expect("n levels");
        let last = TimeGrid::new(vec![head.times()[n - 1], tail[0]]).expect("the last step");
        let counted = Counted::new(&field);
        let x = integrate(&counted, &HEUN, state(&[1.0]), &head);
        let x = host(integrate(&counted, &EULER, x, &last))[0];
        assert_eq!(counted.evaluations(), 2 * n - 1);
        x
    };
    let exact = 0.5 / (0.25_f64 + 80.0 * 80.0).sqrt();
    assert!((exact - 0.006249877933).abs() < 5e-13);
    assert!((gain(18) - 0.006595307963).abs() < 5e-13, "{}", gain(18));
    let errors: Vec<f64> = [18, 36, 72, 144]
        .iter()
        .map(|&n| (gain(n) - exact).abs())
        .collect();
    let ratios: Vec<f64> = errors.windows(2).map(|pair| pair[0] / pair[1]).collect();
    // Second order: the ratio falls to 4 as the grid gets finer.
    assert!(
        ratios.windows(2).all(|pair| pair[1] < pair[0]),
        "{ratios:?}"
    );
    assert!((3.9..4.2).contains(&ratios[2]), "{ratios:?}");
}
