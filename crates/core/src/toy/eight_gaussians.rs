//! Eight normal distributions around a circle.
//!
//! `p = radius·(cos(kπ/4), sin(kπ/4)) + std·N`, k ∈ {0, …, 7}
//!
//! Source: Tong et al. 2024, whose wide variant is that of De Bortoli et al. 2021. The two differ
//! in how k is drawn, and it shows: chance in the counts moves mass between centres, and that is
//! most of the distance between two samples.

use super::{Modes, Point, blurred, shuffled};
use crate::noise::Draws;
use std::f64::consts::FRAC_PI_4;

/// Radius and standard deviation of the two.
const NARROW: (f64, f64) = (5.0, 1.0);
const WIDE: (f64, f64) = (12.0, 1.5);

/// Every centre equally often.
pub(super) fn sample(n: usize, draws: &mut Draws) -> Vec<Point> {
    let (radius, std) = NARROW;
    dealt(n, radius, std, draws)
}

/// `3·(4·c + ½·N)`, every point's centre drawn for itself.
pub(super) fn sample_wide(n: usize, draws: &mut Draws) -> Vec<Point> {
    let (radius, std) = WIDE;
    let point = |_| {
        let centre = centre(draws.below(8), radius);
        blurred(centre, std, draws)
    };
    (0..n).map(point).collect()
}

pub(super) fn modes() -> Modes {
    modes_of(NARROW)
}

pub(super) fn wide_modes() -> Modes {
    modes_of(WIDE)
}

fn modes_of((radius, std): (f64, f64)) -> Modes {
    Modes {
        centres: (0..8).map(|k| centre(k, radius)).collect(),
        weights: vec![0.125; 8],
        std,
    }
}

fn dealt(n: usize, radius: f64, std: f64, draws: &mut Draws) -> Vec<Point> {
    let points: Vec<Point> = (0..n)
        .map(|i| blurred(centre(i % 8, radius), std, draws))
        .collect();
    shuffled(&points, draws)
}

fn centre(k: usize, radius: f64) -> Point {
    let (sin, cos) = (k as f64 * FRAC_PI_4).sin_cos();
    [radius * cos, radius * sin]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toy::tests::{draws, has_mean};

    /// The index of the centre nearest in angle.
    fn nearest([x, y]: Point) -> usize {
        (y.atan2(x) / FRAC_PI_4).round().rem_euclid(8.0) as usize
    }

    fn counts(points: &[Point]) -> [usize; 8] {
        let mut counts = [0; 8];
        for &p in points {
            counts[nearest(p)] += 1;
        }
        counts
    }

    #[test]
    fn without_noise_every_centre_has_the_same_number_of_points() {
        let points = dealt(1003, 5.0, 0.0, &mut draws(5));
        for &p in &points {
            let [x, y] = centre(nearest(p), 5.0);
            assert!((p[0] - x).hypot(p[1] - y) < 1e-12, "{p:?}");
        }
        assert_eq!(counts(&points), [126, 126, 126, 125, 125, 125, 125, 125]);
    }

    #[test]
    fn around_its_centre_a_point_is_normal() {
        // The noise is drawn before the order, so the same seed without noise gives the centres in
        // the same order.
        let points = sample(20_000, &mut draws(5));
        let centres = dealt(20_000, 5.0, 0.0, &mut draws(5));
        let noise: Vec<Point> = points
            .iter()
            .zip(&centres)
            .map(|(p, c)| [p[0] - c[0], p[1] - c[1]])
            .collect();
        for axis in 0..2 {
            has_mean(&noise, |p| p[axis], 0.0);
            has_mean(&noise, |p| p[axis].powi(2), 1.0);
            has_mean(&noise, |p| p[axis].powi(4), 3.0);
        }
    }

    #[test]
    fn both_laws_have_the_moments_of_the_mixture() {
        // Per axis radius²/2 + std²; the square of the norm has mean radius² + 2·std², and its own
        // square radius⁴ + 8·radius²·std² + 8·std⁴.
        let n = 20_000;
        for (points, radius, std) in [
            (sample(n, &mut draws(6)), 5.0_f64, 1.0_f64),
            (sample_wide(n, &mut draws(6)), 12.0, 1.5),
        ] {
            for axis in 0..2 {
                has_mean(&points, |p| p[axis], 0.0);
                has_mean(
                    &points,
                    |p| p[axis].powi(2),
                    radius.powi(2) / 2.0 + std.powi(2),
                );
            }
            let norm = |p: Point| p[0].powi(2) + p[1].powi(2);
            let second = radius.powi(4) + 8.0 * (radius * std).powi(2) + 8.0 * std.powi(4);
            has_mean(&points, norm, radius.powi(2) + 2.0 * std.powi(2));
            has_mean(&points, |p| norm(p).powi(2), second);
        }
    }

    #[test]
    fn the_modes_are_those_of_the_points() {
        for (points, modes) in [
            (sample(8000, &mut draws(8)), modes()),
            (sample_wide(8000, &mut draws(8)), wide_modes()),
        ] {
            assert_eq!(modes.weights.iter().sum::<f64>(), 1.0);
            // The squared distance to the own centre is std² times χ² with two degrees of freedom.
            let square = |p: Point| {
                let [x, y] = modes.centres[nearest(p)];
                ((p[0] - x).powi(2) + (p[1] - y).powi(2)) / modes.std.powi(2)
            };
            // The wedges of neighbours cut off some .02 of it.
            let mean = points.iter().map(|&p| square(p)).sum::<f64>() / 8000.0;
            assert!((mean - 2.0).abs() < 0.3, "{mean}");
        }
    }

    #[test]
    fn wide_centres_are_independent_draws() {
        let points = sample_wide(20_000, &mut draws(7));
        for k in 0..8 {
            has_mean(&points, |p| f64::from(u8::from(nearest(p) == k)), 0.125);
        }
        let near = |wanted: usize| move |pair: &&[Point]| nearest(pair[0]) == wanted;
        // What follows a point of centre 0 is again any of the eight, which dealing in turn would
        // not give.
        let followed: Vec<Point> = points
            .windows(2)
            .filter(near(0))
            .map(|pair| pair[1])
            .collect();
        for k in 0..8 {
            has_mean(&followed, |p| f64::from(u8::from(nearest(p) == k)), 0.125);
        }
        assert!(counts(&points).iter().any(|&count| count != 2500));
    }
}
