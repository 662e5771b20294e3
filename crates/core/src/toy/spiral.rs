//! Two spirals, each the other turned by half a turn.
//!
//! `p = ±θ/3·(−cos θ, sin θ) + .1·N`, `θ = 3π√u`
//!
//! Source: Grathwohl et al. 2019, without the uniform jitter. The root spreads the points evenly
//! along the arms.

use super::{Point, blurred};
use crate::noise::Draws;
use std::f64::consts::PI;

pub(super) fn sample(n: usize, draws: &mut Draws) -> Vec<Point> {
    let point = |_| {
        let theta = 3.0 * PI * draws.uniform().sqrt();
        let radius = [-theta / 3.0, theta / 3.0][draws.below(2)];
        blurred([-radius * theta.cos(), radius * theta.sin()], 0.1, draws)
    };
    (0..n).map(point).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toy::tests::{draws, has_mean};

    #[test]
    fn the_square_of_the_radius_is_uniform() {
        // ‖q‖² = θ²/9 = π²u before the noise, and ‖q + .1N‖² has mean ‖q‖² + 2·.01.
        let points = sample(20_000, &mut draws(14));
        let square = |p: Point| p[0].powi(2) + p[1].powi(2);
        has_mean(&points, square, PI * PI / 2.0 + 0.02);
        // ‖q + .1N‖⁴ has mean ‖q‖⁴ + 8·.01·‖q‖² + 8·.01².
        let fourth = PI.powi(4) / 3.0 + 0.08 * PI * PI / 2.0 + 8e-4;
        has_mean(&points, |p| square(p).powi(2), fourth);
        has_mean(&points, |p| p[0], 0.0);
        has_mean(&points, |p| p[1], 0.0);
    }

    #[test]
    fn points_lie_on_the_arms() {
        // Near its foot an arm is straight, so the distance to it is the noise across: .1. The arms
        // are π/3 apart, so points without any order would be at π/3/√12 = .3.
        let points = sample(2000, &mut draws(15));
        let squares = points.iter().map(|&[x, y]| {
            let theta = 3.0 * x.hypot(y);
            (0..=60)
                .map(|i| theta + (f64::from(i) - 30.0) / 15.0)
                .flat_map(|theta| [-theta / 3.0, theta / 3.0].map(|radius| (radius, theta)))
                .map(|(r, theta)| (x + r * theta.cos()).powi(2) + (y - r * theta.sin()).powi(2))
                .fold(f64::INFINITY, f64::min)
        });
        let off = (squares.sum::<f64>() / points.len() as f64).sqrt();
        assert!((off - 0.1).abs() < 0.02, "{off}");
    }
}
