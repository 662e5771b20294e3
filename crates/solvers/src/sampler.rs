//! Diffusion samplers: methods for a [`Denoiser`](pyroclast_core::field::Denoiser), on any schedule.
//!
//! `x_s = A·x_t + Σ_j B_j·x̂1(x_{t_j}, t_j) + C·z`, from noise to data on a [`TimeGrid`](crate::TimeGrid)
//!
//! A sampler is a method and a time grid: [`integrate`](crate::integrate()) runs it, [`check`] says beforehand whether the schedule can
//! serve it. One paper a file; what they share is the [`hop`](self) in the half log-SNR `λ = ln(α/σ)`, and [`Past`], the evaluations that a
//! multistep method remembers.
//!
//! Any ODE method is a sampler of the probability flow and any SDE method one of the reverse SDE
//! ([`ReverseSde`](pyroclast_core::reverse_sde::ReverseSde)); they need no file here.

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
