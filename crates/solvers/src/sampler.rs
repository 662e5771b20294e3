//! Diffusion samplers: methods for a [`Denoiser`](pyroclast_core::field::Denoiser), on any
//! schedule.
//!
//! `x_s = A·x_t + Σ_j B_j·x̂1(x_{t_j}, t_j) + C·z`, from noise to data on a
//! [`TimeGrid`](crate::TimeGrid)
//!
//! A sampler is a method and a time grid. [`integrate`](crate::integrate()) runs it, and [`check`]
//! tells beforehand whether it can run on the schedule. Each paper has a file of its own; they
//! share the step in the half log-SNR `λ = ln(α/σ)` and the [`History`] of a multistep method.
//!
//! Any ODE method is a sampler of the probability flow, and any SDE method one of the reverse SDE
//! ([`ReverseSde`](pyroclast_core::reverse_sde::ReverseSde)); they need no file here.
//!
//! ```
//! use burn::tensor::Tensor;
//! use burn_ndarray::NdArray;
//! use pyroclast_core::analytic::Gaussian;
//! use pyroclast_core::noise::{Noise, Stream};
//! use pyroclast_core::schedule::VariancePreserving;
//! use pyroclast_solvers::sampler::{DpmSolver, check};
//! use pyroclast_solvers::{TimeGrid, integrate};
//!
//! // Data from N(3, ½²), whose denoiser is known in closed form.
//! let device = Default::default();
//! let schedule = VariancePreserving::default();
//! let denoiser = Gaussian::<NdArray<f64>, _, 2> {
//!     mean: Tensor::full([1, 1], 3.0, &device),
//!     std: 0.5,
//!     schedule,
//! };
//! let (method, grid) = (DpmSolver { order: 2 }, TimeGrid::log_snr(&schedule, (80.0, 0.01), 20));
//! check(&method, &denoiser, &grid)?;
//! let mut draws = Noise::new(0).draws(Stream::Sampler, 0);
//! let x0 = draws.normal_tensor([1_000, 1], &device, burn::tensor::DType::F64);
//! let x1: Tensor<_, 2> = integrate(&denoiser, &method, x0, &grid);
//! assert!((x1.mean().into_scalar() - 3.0).abs() < 0.1);
//! # Ok::<(), pyroclast_solvers::sampler::Unsupported>(())
//! ```

mod churn;
mod corrected_history;
mod ddim;
mod ddpm;
mod deis;
mod dpm_solver;
mod dpm_solver_sde;
mod dpm_solver_single;
mod euler_ancestral;
mod euler_edm;
mod heun_edm;
mod history;
mod log_snr_step;
mod phi;
mod pndm;
mod predictor_corrector;
mod quadrature;
mod requirement;
mod reverse_diffusion;
mod unipc;
mod unsupported;
mod vandermonde;
mod zero_noise;

pub use churn::Churn;
pub use corrected_history::CorrectedHistory;
pub use ddim::Ddim;
pub use ddpm::{Ddpm, DdpmLearned};
pub use deis::{Deis, Extrapolation};
pub use dpm_solver::DpmSolver;
pub use dpm_solver_sde::DpmSolverSde;
pub use dpm_solver_single::DpmSolverSingle;
pub use euler_ancestral::EulerAncestral;
pub use euler_edm::EulerEdm;
pub use heun_edm::HeunEdm;
pub use history::History;
pub use pndm::{Pndm, WarmUp};
pub use predictor_corrector::{Langevin, PredictorCorrector};
pub use requirement::{Requirement, Sampler, check};
pub use reverse_diffusion::ReverseDiffusion;
pub use unipc::{UniPc, Variant};
pub use unsupported::Unsupported;
pub use zero_noise::ZeroNoise;
