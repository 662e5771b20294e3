//! A rolled-up sheet, seen from its side.
//!
//! `p = t/5·(cos t, sin t) + .2·N`, `t = 3π/2·(1 + 2u)`
//!
//! Source: scikit-learn's `make_swiss_roll` with noise 1, of which this is the first and last
//! coordinate; scaled as in Grathwohl et al. 2019.

use super::{Point, blurred};
use crate::noise::Draws;
use std::f64::consts::PI;

pub(super) fn sample(n: usize, draws: &mut Draws) -> Vec<Point> {
    let point = |_| {
        let t = 1.5 * PI * (1.0 + 2.0 * draws.uniform());
        blurred([t / 5.0 * t.cos(), t / 5.0 * t.sin()], 0.2, draws)
    };
    (0..n).map(point).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toy::tests::{draws, has_mean};

    #[test]
    fn the_moments_are_those_of_the_roll() {
        // t uniform on [a, 3a], a = 3π/2: E t² = 13a²/3, and by parts E t·cos t = (cos 3a − cos a +
        // 3a·sin 3a − a·sin a)/2a with sin 3a = 1, sin a = −1, both cosines 0; likewise E t·sin t =
        // (sin 3a − sin a)/2a.
        let a = 1.5 * PI;
        let points = sample(20_000, &mut draws(16));
        has_mean(
            &points,
            |p| p[0].powi(2) + p[1].powi(2),
            13.0 * a * a / 75.0 + 0.08,
        );
        has_mean(&points, |p| p[0], 2.0 / 5.0);
        has_mean(&points, |p| p[1], 1.0 / (5.0 * a));
    }

    #[test]
    fn points_lie_on_the_roll() {
        // The distance to the roll is the noise across it: .2. Its turns are 2π/5 apart, so points
        // without any order would be at 2π/5/√12 = .36.
        let points = sample(2000, &mut draws(17));
        let squares = points.iter().map(|&[x, y]| {
            (0..=1000)
                .map(|i| 1.5 * PI * (1.0 + f64::from(i) / 500.0))
                .map(|t| (x - t / 5.0 * t.cos()).powi(2) + (y - t / 5.0 * t.sin()).powi(2))
                .fold(f64::INFINITY, f64::min)
        });
        let off = (squares.sum::<f64>() / points.len() as f64).sqrt();
        assert!((off - 0.2).abs() < 0.02, "{off}");
    }
}
