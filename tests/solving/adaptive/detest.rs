//! Work and error beside another program, on problems of DETEST (Hull, Enright, Fellen & Sedgwick
//! 1972) over [0, 20].
//!
//! The numbers are those of scipy 1.17.1: `solve_ivp(method="RK45", rtol=tol, atol=tol)`, whose
//! method is our DOPRI5, and for the ends `method="DOP853", rtol=2.3e-14, atol=1e-14`.

use super::*;
use crate::support::{distance, host, mean, state};
use pyroclast::solvers::DOPRI5;

/// A problem, and what scipy makes of it.
struct Case {
    name: &'static str,
    slope: fn(f64, &[f64]) -> Vec<f64>,
    start: Vec<f64>,
    end: &'static [f64],
    /// Evaluations and the largest error at the end, for each of the tolerances.
    scipy: [(usize, f64); 2],
}

const TOLERANCES: [f64; 2] = [1e-6, 1e-8];

/// Kepler's two bodies, `(x, y, x', y')`.
fn orbit(_: f64, x: &[f64]) -> Vec<f64> {
    let cube = x[0].hypot(x[1]).powi(3);
    vec![x[2], x[3], -x[0] / cube, -x[1] / cube]
}

/// Where an orbit of the given eccentricity is fastest.
fn perihelion(e: f64) -> Vec<f64> {
    vec![1.0 - e, 0.0, 0.0, ((1.0 + e) / (1.0 - e)).sqrt()]
}

fn cases() -> [Case; 13] {
    [
        Case {
            name: "A2",
            slope: |_, x| vec![-0.5 * x[0].powi(3)],
            start: vec![1.0],
            end: &[0.21821789023599264],
            scipy: [(98, 8.876000e-7), (200, 5.665000e-9)],
        },
        Case {
            name: "A3",
            slope: |t, x| vec![x[0] * t.cos()],
            start: vec![1.0],
            end: &[2.491650271850283],
            scipy: [(482, 1.085000e-5), (992, 1.127000e-7)],
        },
        Case {
            name: "A4",
            slope: |_, x| vec![0.25 * x[0] * (1.0 - x[0] / 20.0)],
            start: vec![1.0],
            end: &[17.730166481314786],
            scipy: [(98, 2.387000e-6), (200, 3.696000e-9)],
        },
        Case {
            name: "B1",
            slope: |_, x| vec![2.0 * (x[0] - x[0] * x[1]), x[0] * x[1] - x[1]],
            start: vec![1.0, 3.0],
            end: &[0.6761876008577367, 0.1860816099640039],
            scipy: [(866, 2.798000e-5), (1826, 2.853000e-7)],
        },
        Case {
            name: "B2",
            slope: |_, x| vec![x[1] - x[0], x[0] - 2.0 * x[1] + x[2], x[1] - x[2]],
            start: vec![2.0, 0.0, 1.0],
            end: &[1.0000000010305778, 0.9999999999999987, 0.9999999989694236],
            scipy: [(230, 1.753000e-6), (404, 1.172000e-9)],
        },
        Case {
            name: "B3",
            slope: |_, x| vec![-x[0], x[0] - x[1] * x[1], x[1] * x[1]],
            start: vec![1.0, 0.0, 0.0],
            end: &[
                2.061153888274678e-09,
                0.05257228022048512,
                0.9474277177183609,
            ],
            scipy: [(176, 3.293000e-7), (380, 4.759000e-9)],
        },
        Case {
            name: "B4",
            slope: |_, x| {
                let r = x[0].hypot(x[1]);
                vec![-x[1] - x[0] * x[2] / r, x[0] - x[1] * x[2] / r, x[0] / r]
            },
            start: vec![3.0, 0.0, 0.0],
            end: &[0.9826950927998831, 2.198447081693613, 0.9129452507277979],
            scipy: [(542, 2.305000e-5), (1328, 1.161000e-7)],
        },
        Case {
            name: "B5",
            slope: |_, x| vec![x[1] * x[2], -x[0] * x[2], -0.51 * x[0] * x[1]],
            start: vec![0.0, 1.0, 1.0],
            end: &[
                -0.9396570798729105,
                -0.34211777540008353,
                0.7414126596199977,
            ],
            scipy: [(482, 2.683000e-5), (998, 2.080000e-7)],
        },
        Case {
            name: "D1",
            slope: orbit,
            start: perihelion(0.1),
            end: &[
                0.2198835352012723,
                0.9427076846338731,
                -0.9787659841058709,
                0.3287977990966892,
            ],
            scipy: [(428, 9.019000e-4), (1070, 1.158000e-6)],
        },
        Case {
            name: "D3",
            slope: orbit,
            start: perihelion(0.5),
            end: &[
                -0.5780432953041205,
                0.8633840009192224,
                -0.9595083730378197,
                -0.0650491512676612,
            ],
            scipy: [(728, 1.813000e-4), (1346, 1.318000e-6)],
        },
        Case {
            name: "D5",
            slope: orbit,
            start: perihelion(0.9),
            end: &[
                -1.2952662509853832,
                0.4003938963795349,
                -0.6775390924724433,
                -0.12708381542739883,
            ],
            scipy: [(1352, 4.227000e-4), (2714, 3.700000e-6)],
        },
        Case {
            name: "E2",
            slope: |_, x| vec![x[1], (1.0 - x[0] * x[0]) * x[1] - x[0]],
            start: vec![2.0, 0.0],
            end: &[2.0081497621749462, -0.04250887527320192],
            scipy: [(1142, 2.102000e-5), (2198, 1.087000e-7)],
        },
        Case {
            name: "E3",
            slope: |t, x| vec![x[1], x[0].powi(3) / 6.0 - x[0] + 2.0 * (2.78535 * t).sin()],
            start: vec![0.0, 0.0],
            end: &[-0.10041788586461681, 0.24114001320958903],
            scipy: [(824, 4.342000e-5), (1802, 2.069000e-7)],
        },
    ]
}

#[test]
fn a_tolerance_is_used_up_as_by_scipy() {
    let cases = cases();
    for (i, tol) in TOLERANCES.into_iter().enumerate() {
        let (mut ours, mut theirs, mut errors) = (0, 0, Vec::new());
        for case in &cases {
            let field = |t: f64, x: Tensor<B, 2>| state((case.slope)(t, &host(x)).as_slice());
            let solution = Adaptive::new(tolerance(tol)).solve(
                &field,
                &DOPRI5,
                state(&case.start),
                (0.0, 20.0),
            );
            let solution = solution.expect("a smooth problem");
            let (evaluations, error) = case.scipy[i];
            let ratio = solution.statistics.evaluations as f64 / evaluations as f64;
            assert!(ratio < 1.35, "{} at {tol:e}: {ratio}", case.name);
            ours += solution.statistics.evaluations;
            theirs += evaluations;
            errors.push((distance(solution.x, case.end) / error).ln());
        }
        let work = ours as f64 / theirs as f64;
        let error = mean(errors).exp();
        assert!(
            (0.95..1.05).contains(&work),
            "{tol:e}: {work} of its evaluations"
        );
        // The geometric mean: at the end of some problems errors cancel by chance.
        assert!(error < 1.0, "{tol:e}: {error} of its error");
    }
}
