//! Five bent arms around the origin.
//!
//! `p = 2·R(−φ)·(r, .1·z)`, `r = 1 + .3·z'`, `φ = 2πk/5 + ¼·e^r`, k uniform in {0, …, 4}
//!
//! Source: Johnson et al. 2016, "Composing graphical models with neural networks"; as in Grathwohl
//! et al. 2019.

use super::Point;
use crate::noise::Draws;
use std::f64::consts::TAU;

pub(super) fn sample(n: usize, draws: &mut Draws) -> Vec<Point> {
    let point = |_| {
        let arm = draws.below(5) as f64;
        let along = 1.0 + 0.3 * draws.normal();
        let across = 0.1 * draws.normal();
        let (sin, cos) = (TAU * arm / 5.0 + 0.25 * along.exp()).sin_cos();
        [
            2.0 * (along * cos + across * sin),
            2.0 * (across * cos - along * sin),
        ]
    };
    (0..n).map(point).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toy::tests::{draws, has_mean};

    #[test]
    fn the_radius_does_not_see_the_rotation() {
        // ‖p‖² = 4·((1 + .3z')² + (.1z)²), of mean 4·(1 + .09 + .01).
        let points = sample(20_000, &mut draws(10));
        has_mean(&points, |p| p[0].powi(2) + p[1].powi(2), 4.4);
        has_mean(&points, |p| p[0], 0.0);
        has_mean(&points, |p| p[1], 0.0);
    }

    #[test]
    fn unwound_the_arms_are_fifths_of_a_turn() {
        let points = sample(20_000, &mut draws(11));
        let mut arms = [0; 5];
        let mut off = 0;
        for &[x, y] in &points {
            let along = x.hypot(y) / 2.0;
            let turns = (-y.atan2(x) - 0.25 * along.exp()) / TAU * 5.0;
            arms[turns.round().rem_euclid(5.0) as usize] += 1;
            off += usize::from((turns - turns.round()).abs() > 0.25);
        }
        // A quarter of the way to the next arm is three deviations across at radius 1: at most a
        // few points in a hundred, where arms that were not unwound would have half of them there.
        assert!(off < points.len() / 20, "{off} points are between the arms");
        let bound = 5.0 * (points.len() as f64 * 0.2 * 0.8).sqrt();
        for arm in arms {
            assert!((f64::from(arm) - 4000.0).abs() < bound, "{arms:?}");
        }
    }
}
