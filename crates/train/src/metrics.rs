//! How near samples are to the data.
//!
//! All metrics take clouds of points on the host, `[n, dim]` row-major.

mod energy_distance;
mod frechet;
mod kernel_distance;
mod path_energy;
mod precision_recall;
mod sliced;
mod wasserstein;

pub use energy_distance::energy_distance;
pub use frechet::frechet_distance;
pub use kernel_distance::kernel_distance;
pub use path_energy::normalised_path_energy;
pub use precision_recall::{NEIGHBOURS, PrecisionRecall, precision_recall};
pub use sliced::sliced_wasserstein;
pub use wasserstein::{wasserstein, wasserstein_squared};

/// A mean over repetitions and its standard deviation, `√(Σ(x − mean)²/(n − 1))`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// The mean.
    pub mean: f64,
    /// The standard deviation over repetitions; 0 for one.
    pub std: f64,
}

impl Spread {
    /// Of these values.
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
