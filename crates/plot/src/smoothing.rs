//! The running mean of noisy values.

/// The mean around each point, with weights that decay exponentially to both sides.
///
/// A mean of past values alone would lag, and show a falling loss larger than it is.
pub(crate) fn smoothed(points: &[[f64; 2]]) -> Vec<[f64; 2]> {
    let reach = (points.len() as f64 / 100.0).max(2.0);
    let decay = (-1.0 / reach).exp();
    let losses = || points.iter().map(|point| point[1]);
    let before = decaying_sums(losses(), decay);
    let mut after = decaying_sums(losses().rev(), decay);
    after.reverse();
    let sides = before.iter().zip(&after);
    let smooth = points.iter().zip(sides).map(|(&[step, loss], (a, b))| {
        // Both sides include the point itself.
        [step, (a.sum + b.sum - loss) / (a.weight + b.weight - 1.0)]
    });
    smooth.collect()
}

#[derive(Clone, Copy, Default)]
struct DecayingSum {
    sum: f64,
    weight: f64,
}

/// The sum up to each value, in which values weigh less by the factor `decay` per place.
fn decaying_sums(values: impl Iterator<Item = f64>, decay: f64) -> Vec<DecayingSum> {
    let next = |so_far: &mut DecayingSum, value: f64| {
        so_far.sum = so_far.sum * decay + value;
        so_far.weight = so_far.weight * decay + 1.0;
        Some(*so_far)
    };
    values.scan(DecayingSum::default(), next).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smoothing_follows_the_mean_without_lag() {
        let points = |loss: fn(i32) -> i32| -> Vec<_> {
            let point = |i| [f64::from(i), f64::from(loss(i))];
            (0..1000).map(point).collect()
        };
        let noise = smoothed(&points(|i| i % 2));
        assert!(noise.iter().all(|point| (point[1] - 0.5).abs() < 0.06));
        let slope = smoothed(&points(|i| 5000 - i));
        assert!((slope[500][1] - 4500.0).abs() < 0.5);
    }
}
