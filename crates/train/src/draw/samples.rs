//! Samples on the host, and what they cost.

use pyroclast_solvers::Statistics;

/// Samples on the host, and what they cost.
#[derive(Debug, Clone, PartialEq)]
pub struct Samples {
    /// `[n, dim]`.
    pub values: Vec<f32>,
    /// Steps, rejections and evaluations, of the chunk that took most. Every pass through a network
    /// counts, so guidance counts both.
    pub statistics: Statistics,
    /// σ(t_0) of the schedule sampled under: what source points are scaled by where the solve starts.
    pub source_scale: f64,
    /// `E Σ ‖x_{k+1} − x_k‖²/h_k`, the path energy along the way; not known for adaptive steps.
    pub path_energy: Option<f64>,
    /// `E Σ h_k·‖(x_{k+1} − x_k)/h_k − (x_n − x_0)‖²`: 0 for straight paths (Liu et al. 2023, eq. 2).
    pub straightness: Option<f64>,
}
