//! Four circles about the origin.
//!
//! `p = r·(cos θ, sin θ) + .08·N`, r uniform in {.75, 1.5, 2.25, 3}, θ uniform
//!
//! Source: Grathwohl et al. 2019.

use super::{Point, blurred};
use crate::noise::Draws;
use std::f64::consts::TAU;

pub(super) fn sample(n: usize, draws: &mut Draws) -> Vec<Point> {
    let point = |_| {
        let radius = 0.75 * (draws.below(4) + 1) as f64;
        let (sin, cos) = (TAU * draws.uniform()).sin_cos();
        blurred([radius * cos, radius * sin], 0.08, draws)
    };
    (0..n).map(point).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toy::tests::{draws, has_mean};

    #[test]
    fn points_lie_on_the_radii_equally_often() {
        let points = sample(20_000, &mut draws(12));
        let ring = |[x, y]: Point| (x.hypot(y) / 0.75).round();
        for radius in 1..=4 {
            let here = |p: Point| f64::from(u8::from(ring(p) == f64::from(radius)));
            has_mean(&points, here, 0.25);
        }
        // Half the gap between rings is 4.7 deviations, so the nearest radius is the right one for
        // all but a few points, and the distance to it is the noise along the radius.
        let off = |p: Point| p[0].hypot(p[1]) - 0.75 * ring(p);
        has_mean(&points, |p| off(p).powi(2), 0.0064);
    }

    #[test]
    fn the_angle_is_uniform() {
        let points = sample(20_000, &mut draws(13));
        for k in 1..=4 {
            let turn = |p: Point| f64::from(k) * p[1].atan2(p[0]);
            has_mean(&points, |p| turn(p).cos(), 0.0);
            has_mean(&points, |p| turn(p).sin(), 0.0);
        }
    }
}
