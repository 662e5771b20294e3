//! Samples on the host, and their cost.

use pyroclast_solvers::Statistics;

/// Samples on the host, and their cost.
#[derive(Debug, Clone, PartialEq)]
pub struct Samples {
    /// The samples on the model's scale, `[n, dim]`, row-major.
    pub values: Vec<f32>,
    /// Steps, rejections and evaluations of the chunk with the most evaluations. Every pass through
    /// a network counts, so a guided evaluation counts twice.
    pub statistics: Statistics,
    /// σ(t_0) of the schedule that was sampled with: the factor of the source points at the start.
    pub source_scale: f64,
    /// `E Σ ‖x_{k+1} − x_k‖²/h_k`, the energy of the paths; `None` for adaptive steps or with
    /// noise.
    pub path_energy: Option<f64>,
    /// `E Σ h_k·‖(x_{k+1} − x_k)/h_k − (x_n − x_0)‖²`: 0 for straight paths (Liu et al. 2023,
    /// eq. 2); `None` for adaptive steps or with noise.
    pub straightness: Option<f64>,
}
