//! Two thirds of a circle each way: an S.
//!
//! `p = 1.5·((sin t, sign(t)·(cos t − 1)) + .05·N)`, `t = 3π(u − ½)`
//!
//! Source: scikit-learn's `make_s_curve`, of which this is the first and last coordinate; scaled as
//! in Tong et al. 2024.

use super::{Point, blurred};
use crate::noise::Draws;
use std::f64::consts::PI;

pub(super) fn sample(n: usize, draws: &mut Draws) -> Vec<Point> {
    let point = |_| {
        let t = 3.0 * PI * (draws.uniform() - 0.5);
        let on = [t.sin(), t.signum() * (t.cos() - 1.0)];
        blurred(on, 0.05, draws).map(|x| 1.5 * x)
    };
    (0..n).map(point).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toy::tests::{draws, has_mean};

    #[test]
    fn the_moments_are_those_of_the_curve() {
        // Over t uniform on ±3π/2: E sin² t = 1/2, E (cos t − 1)² = 3/2 + 4/(3π), E x·z = −1/(3π).
        let points = sample(20_000, &mut draws(7));
        let noise = 0.0025;
        has_mean(&points, |p| p[0], 0.0);
        has_mean(&points, |p| p[1], 0.0);
        has_mean(&points, |p| p[0].powi(2), 2.25 * (0.5 + noise));
        has_mean(
            &points,
            |p| p[1].powi(2),
            2.25 * (1.5 + 4.0 / (3.0 * PI) + noise),
        );
        has_mean(&points, |p| p[0] * p[1], 2.25 * (-1.0 / (3.0 * PI)));
    }

    #[test]
    fn every_point_is_near_one_of_two_circles() {
        // Six deviations of the noise on a radius of 1.5; a planar normal is that far off once in
        // 10⁸ points.
        for [x, z] in sample(20_000, &mut draws(8)) {
            let near = |centre: f64| (x.hypot(z - centre) - 1.5).abs() < 6.0 * 0.075;
            assert!(near(1.5) || near(-1.5), "({x}, {z})");
        }
    }
}
