//! The standard normal distribution.

use super::Point;
use crate::noise::Draws;

/// `N`.
pub(super) fn sample(n: usize, draws: &mut Draws) -> Vec<Point> {
    let values = draws.normals(2 * n);
    (values.chunks_exact(2))
        .map(|point| [f64::from(point[0]), f64::from(point[1])])
        .collect()
}
