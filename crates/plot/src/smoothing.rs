//! The trend of noisy values.
//!
//! A weighted line is fitted around each point: at the ends, where all others lie on one side, a
//! mean would be drawn towards them.

/// The value at each point of the line that fits the points around it, with weights that decay
/// exponentially to both sides.
///
/// A mean of past values alone would lag, and show a falling loss larger than it is; a mean to both
/// sides would show its first values too small.
///
/// Source: Cleveland 1979, for the line in place of a mean.
pub(crate) fn smoothed(points: &[[f64; 2]]) -> Vec<[f64; 2]> {
    let reach = (points.len() as f64 / 100.0).max(2.0);
    let decay = (-1.0 / reach).exp();
    let losses = || points.iter().map(|point| point[1]);
    let before = sums(losses(), decay);
    let mut after = sums(losses().rev(), decay);
    after.reverse();
    let sides = before.iter().zip(&after);
    let smooth = points.iter().zip(sides).map(|(&[step, loss], (a, b))| {
        // Both sides include the point itself, at distance 0. Distances after it are negative.
        let (n, y) = (a.n + b.n - 1.0, a.y + b.y - loss);
        let (x, xx, xy) = (a.x - b.x, a.xx + b.xx, a.xy - b.xy);
        let spread = n * xx - x * x;
        let value = if spread > 0.0 {
            (xx * y - x * xy) / spread
        } else {
            y / n
        };
        [step, value]
    });
    smooth.collect()
}

/// Weighted sums over the values up to a point, of which the one at distance x weighs decayˣ.
#[derive(Clone, Copy, Default)]
struct Sums {
    n: f64,
    x: f64,
    xx: f64,
    y: f64,
    xy: f64,
}

fn sums(values: impl Iterator<Item = f64>, decay: f64) -> Vec<Sums> {
    let next = |so_far: &mut Sums, value: f64| {
        // All values so far are one place further away.
        let Sums { n, x, xx, y, xy } = *so_far;
        *so_far = Sums {
            n: n * decay + 1.0,
            x: (x + n) * decay,
            xx: (xx + 2.0 * x + n) * decay,
            y: y * decay + value,
            xy: (xy + y) * decay,
        };
        Some(*so_far)
    };
    values.scan(Sums::default(), next).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smoothing_follows_the_trend_without_lag() {
        let points = |loss: fn(i32) -> i32| -> Vec<_> {
            let point = |i| [f64::from(i), f64::from(loss(i))];
            (0..1000).map(point).collect()
        };
        let noise = smoothed(&points(|i| i % 2));
        assert!(noise.iter().all(|point| (point[1] - 0.5).abs() < 0.06));
        let slope = smoothed(&points(|i| 5000 - i));
        assert!((slope[500][1] - 4500.0).abs() < 0.5);
        // No bias at either end.
        assert!((slope[0][1] - 5000.0).abs() < 1e-6 && (slope[999][1] - 4001.0).abs() < 1e-6);
    }
}
