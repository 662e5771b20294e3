//! A mean over repetitions and its standard deviation.

/// A mean over repetitions and its standard deviation, `√(Σ(x − mean)²/(n − 1))`.
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
}

impl Spread {
    /// The spread of these values.
    pub fn of(values: &[f64]) -> Self {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
        let std = (values.len() > 1).then(|| (squares / (n - 1.0)).sqrt());
        Self { mean, std }
    }
}
