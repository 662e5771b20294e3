//! The squares of one colour of a 4×4 board.
//!
//! `p = (2(i + u) − 4, 2(j + u') − 4)`, (i, j) uniform with i, j ∈ {0, …, 3} and i + j even
//!
//! Source: Grathwohl et al. 2019.

use super::Point;
use crate::noise::Draws;

pub(super) fn sample(n: usize, draws: &mut Draws) -> Vec<Point> {
    let point = |_| {
        let i = draws.below(4);
        let j = 2 * draws.below(2) + i % 2;
        [i, j].map(|square| 2.0 * (square as f64 + draws.uniform()) - 4.0)
    };
    (0..n).map(point).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toy::tests::{draws, has_mean};

    #[test]
    fn the_mass_is_uniform_on_one_colour() {
        let points = sample(20_000, &mut draws(9));
        let square = |p: Point| p.map(|x| ((x + 4.0) / 2.0).floor() as usize);
        for i in 0..4 {
            for j in 0..4 {
                let inside = |p: Point| f64::from(u8::from(square(p) == [i, j]));
                if (i + j) % 2 == 0 {
                    has_mean(&points, inside, 1.0 / 8.0);
                } else {
                    assert!(
                        points.iter().all(|&p| inside(p) == 0.0),
                        "({i}, {j}) is empty"
                    );
                }
            }
        }
        // Uniform within a square: the place in it has the moments of U(0, 1).
        for axis in 0..2 {
            let place = |p: Point| ((p[axis] + 4.0) / 2.0).fract();
            has_mean(&points, place, 1.0 / 2.0);
            has_mean(&points, |p| place(p).powi(2), 1.0 / 3.0);
        }
    }
}
