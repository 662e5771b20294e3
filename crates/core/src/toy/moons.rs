//! Two interleaved half circles.
//!
//! `p = (cos θ, sin θ) + std·N` or `p = (1 − cos θ, ½ − sin θ) + std·N`, θ evenly spaced over
//! [0, π]
//!
//! Source: scikit-learn's `make_moons`; scaled as in Tong et al. 2024, whose wide moons are those
//! of De Bortoli et al. 2021.

use super::{Point, blurred, shuffled};
use crate::noise::Draws;
use std::f64::consts::{FRAC_1_PI, PI};

/// `2p − (1, 0)`, std = .05.
pub(super) fn sample(n: usize, draws: &mut Draws) -> Vec<Point> {
    let mut points = half_circles(n, 0.05, draws);
    for p in &mut points {
        *p = [2.0 * p[0] - 1.0, 2.0 * p[1]];
    }
    points
}

/// `7·(p − m)/s`, std = .1, with one m and one s for both axes.
pub(super) fn sample_wide(n: usize, draws: &mut Draws) -> Vec<Point> {
    const STD: f64 = 0.1;
    // The law's own moments rather than the sample's: then samples of any size are samples of one
    // law.
    let mean = 3.0 / 8.0;
    let square = (1.625 - FRAC_1_PI) / 2.0 + STD * STD;
    let scale = 7.0 / (square - mean * mean).sqrt();
    let mut points = half_circles(n, STD, draws);
    for p in &mut points {
        *p = p.map(|x| scale * (x - mean));
    }
    points
}

fn half_circles(n: usize, std: f64, draws: &mut Draws) -> Vec<Point> {
    let half = n / 2;
    let upper = angles(half).map(|theta| [theta.cos(), theta.sin()]);
    let lower = angles(n - half).map(|theta| [1.0 - theta.cos(), 0.5 - theta.sin()]);
    let points: Vec<Point> = upper.chain(lower).map(|p| blurred(p, std, draws)).collect();
    shuffled(&points, draws)
}

/// `n` angles from 0 to π, both ends included.
fn angles(n: usize) -> impl Iterator<Item = f64> {
    let gaps = n.saturating_sub(1).max(1) as f64;
    (0..n).map(move |i| PI * i as f64 / gaps)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toy::tests::{draws, has_mean};

    #[test]
    fn without_noise_the_moons_are_half_circles() {
        let points = half_circles(1001, 0.0, &mut draws(1));
        let on = |[x, y]: Point| (x.hypot(y) - 1.0).abs() < 1e-12 && y >= 0.0;
        let upper = points.iter().filter(|&&p| on(p)).count();
        let lower = points
            .iter()
            .filter(|&&[x, y]| on([1.0 - x, 0.5 - y]))
            .count();
        assert_eq!((upper, lower), (500, 501));
        for end in [[1.0, 0.0], [-1.0, 0.0], [0.0, 0.5], [2.0, 0.5]] {
            let near = |p: &Point| (p[0] - end[0]).hypot(p[1] - end[1]) < 1e-12;
            assert_eq!(points.iter().filter(|p| near(p)).count(), 1, "{end:?}");
        }
    }

    #[test]
    fn the_moons_of_the_benchmark_have_their_moments() {
        let points = sample(10_000, &mut draws(2));
        has_mean(&points, |p| p[0], 0.0);
        has_mean(&points, |p| p[1], 0.5);
        has_mean(&points, |p| p[0].powi(2), 4.0 * (0.75 + 0.0025));
        has_mean(
            &points,
            |p| (p[1] - 0.5).powi(2),
            4.0 * (0.5625 - FRAC_1_PI + 0.0025),
        );
    }

    #[test]
    fn wide_moons_are_standardised_over_both_axes_times_seven() {
        let points = sample_wide(10_000, &mut draws(3));
        has_mean(&points, |[x, y]| (x + y) / 2.0, 0.0);
        has_mean(&points, |[x, y]| (x * x + y * y) / 2.0, 49.0);
        // The shape of the moons stays: the ratio of the variances is that of the moons with their
        // noise.
        let ratio = (0.75 + 0.01) / (0.5625 - FRAC_1_PI + 0.01);
        let [x, y] = [0, 1].map(|axis| {
            let mean = points.iter().map(|p| p[axis]).sum::<f64>() / 10_000.0;
            points.iter().map(|p| (p[axis] - mean).powi(2)).sum::<f64>() / 10_000.0
        });
        // Each variance is within 5·√(2/n) of itself; the bound is a normal distribution's, and the
        // moons have thinner tails.
        assert!(
            (x / y / ratio - 1.0).abs() < 10.0 * (2.0_f64 / 10_000.0).sqrt(),
            "{x} {y}"
        );
    }

    #[test]
    fn the_noise_has_its_deviation() {
        // The noise is drawn before the order, so the same seed without noise gives the same points
        // in the same order.
        let blurred = half_circles(20_000, 0.1, &mut draws(4));
        let exact = half_circles(20_000, 0.0, &mut draws(4));
        let noise: Vec<Point> = blurred
            .iter()
            .zip(&exact)
            .map(|(p, q)| [p[0] - q[0], p[1] - q[1]])
            .collect();
        for axis in 0..2 {
            has_mean(&noise, |p| p[axis], 0.0);
            has_mean(&noise, |p| p[axis].powi(2), 0.01);
        }
        has_mean(&noise, |p| p[0] * p[1], 0.0);
    }
}
