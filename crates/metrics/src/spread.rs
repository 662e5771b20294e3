//! A mean over repetitions, its standard deviation and its interval.

use crate::interval::{Interval, mean_and_error};

/// A mean over repetitions, its standard deviation `√(Σ(x − mean)²/(n − 1))`, and its interval.
///
/// ```
/// let spread = pyroclast_metrics::Spread::of(&[1.0, 3.0]);
/// assert_eq!((spread.mean, spread.std), (2.0, Some(2.0_f64.sqrt())));
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// The mean.
    pub mean: f64,
    /// The standard deviation over repetitions; a single one has none.
    pub std: Option<f64>,
    /// A 95 % interval: over repetitions that of the mean, [`Interval::of_mean`]; of a single one
    /// what it tells by itself, if anything.
    pub interval: Option<Interval>,
}

impl Spread {
    /// The spread of these values.
    pub fn of(values: &[f64]) -> Self {
        let n = values.len() as f64;
        Self {
            mean: values.iter().sum::<f64>() / n,
            std: mean_and_error(values).map(|(_, error)| error * n.sqrt()),
            interval: Interval::of_mean(values),
        }
    }
}
