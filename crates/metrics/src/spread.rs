//! A mean over repetitions and its standard deviation.

/// A mean over repetitions and its standard deviation, `√(Σ(x − mean)²/(n − 1))`.
///
/// ```
/// let spread = pyroclast_metrics::Spread::of(&[1.0, 3.0]);
/// assert_eq!((spread.mean, spread.std), (2.0, 2.0_f64.sqrt()));
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// The mean.
    pub mean: f64,
    /// The standard deviation over repetitions; 0 for a single one.
    pub std: f64,
}

impl Spread {
    /// The spread of these values.
    pub fn of(values: &[f64]) -> Self {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
        let std = if values.len() > 1 {
            (squares / (n - 1.0)).sqrt()
        } else {
            0.0
        };
        Self { mean, std }
    }
}
