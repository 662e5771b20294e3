//! The part of the plane that a figure shows.

/// A rectangle of the plane. Frames of an animation share one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// From left to right.
    pub x: [f64; 2],
    /// From bottom to top.
    pub y: [f64; 2],
}

/// The share of points that may lie beyond each end: a few outliers must not squash the rest.
const OUTLIERS: f64 = 0.005;
/// The margin beyond each end, as a share of the length.
const MARGIN: f64 = 0.08;
/// The short side is at least this share of the long one: a thin strip would be hard to read.
const SLIMMEST: f64 = 0.6;

impl Limits {
    /// A rectangle around nearly all points of every cloud; points that are
    /// not finite do not count.
    ///
    /// ```
    /// use pyroclast_plot::Limits;
    ///
    /// let limits = Limits::around(&[&[[0.0, 0.0], [10.0, 10.0]]]);
    /// assert!(limits.x[0] < 0.0 && limits.x[1] > 10.0);
    /// ```
    pub fn around(clouds: &[&[[f32; 2]]]) -> Self {
        let x = spread(clouds, 0);
        let y = spread(clouds, 1);
        let longest = (x[1] - x[0]).max(y[1] - y[0]);
        Self {
            x: at_least(x, longest * SLIMMEST),
            y: at_least(y, longest * SLIMMEST),
        }
    }

    /// Whether the point lies inside.
    pub(crate) fn contain(&self, point: [f32; 2]) -> bool {
        let [x, y] = point.map(f64::from);
        (self.x[0]..=self.x[1]).contains(&x) && (self.y[0]..=self.y[1]).contains(&y)
    }

    /// The lengths of its sides.
    pub(crate) fn lengths(&self) -> [f64; 2] {
        [self.x[1] - self.x[0], self.y[1] - self.y[0]]
    }
}

/// The range along one axis, without outliers and with the margin.
fn spread(clouds: &[&[[f32; 2]]], axis: usize) -> [f64; 2] {
    let ends = clouds.iter().filter_map(|cloud| {
        let values = cloud
            .iter()
            .filter(|point| point.iter().all(|v| v.is_finite()));
        inner_ends(
            values.map(|point| f64::from(point[axis])).collect(),
            OUTLIERS,
        )
    });
    let [low, high] = ends
        .reduce(|all, one| [all[0].min(one[0]), all[1].max(one[1])])
        .unwrap_or([-1.0, 1.0]);
    // A single value gets a margin in proportion to it: a fixed one could be lost in rounding.
    let length = match (high - low).max(high.abs() * 1e-6) {
        0.0 => 1.0,
        length => length,
    };
    [low - MARGIN * length, high + MARGIN * length]
}

/// The quantiles `share` and `1 − share`; none without values.
pub(crate) fn inner_ends(mut values: Vec<f64>, share: f64) -> Option<[f64; 2]> {
    values.sort_unstable_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    let beyond = (last as f64 * share).floor() as usize;
    Some([values[beyond], values[last - beyond]])
}

/// An interval of at least this length around the same middle.
fn at_least([low, high]: [f64; 2], length: f64) -> [f64; 2] {
    let more = (length - (high - low)).max(0.0) / 2.0;
    [low - more, high + more]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outliers_do_not_widen_the_limits() {
        let mut cloud: Vec<_> = (0..1000).map(|i| [i as f32 / 1000.0, 0.5]).collect();
        let calm = Limits::around(&[&cloud]);
        cloud.extend([[1e6, 0.0], [f32::NAN, 0.0], [0.0, f32::INFINITY]]);
        let stirred = Limits::around(&[&cloud]);
        assert!((calm.x[1] - stirred.x[1]).abs() < 0.01);
        assert!(!stirred.contain([1e6, 0.0]) && !stirred.contain([f32::NAN, 0.0]));
    }

    #[test]
    fn every_cloud_lies_inside() {
        let limits = Limits::around(&[&[[0.0, 0.0]; 900], &[[5.0, 5.0], [6.0, 7.0]]]);
        assert!(limits.contain([0.0, 0.0]) && limits.contain([6.0, 7.0]));
    }

    #[test]
    fn no_points_still_have_limits() {
        for cloud in [&[][..], &[[f32::NAN, 1.0]], &[[3.0, 3.0]], &[[1e20, 0.0]]] {
            let [across, up] = Limits::around(&[cloud]).lengths();
            assert!(across > 0.0 && up > 0.0);
        }
    }

    #[test]
    fn a_flat_cloud_gets_height() {
        let [across, up] = Limits::around(&[&[[0.0, 1.0], [10.0, 1.0]]]).lengths();
        assert!(up >= across * 0.59);
    }
}
