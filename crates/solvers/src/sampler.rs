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
//! let (method, grid) = (DpmSolver::of_order(2), TimeGrid::log_snr(&schedule, (80.0, 0.01), 20));
//! check(&method, &denoiser, &grid)?;
//! let mut draws = Noise::new(0).draws(Stream::Sampler, 0);
//! let x0 = draws.normal_tensor([1_000, 1], &device, burn::tensor::DType::F64);
//! let x1: Tensor<_, 2> = integrate(&denoiser, &method, x0, &grid);
//! assert!((x1.mean().into_scalar() - 3.0).abs() < 0.1);
//! # Ok::<(), pyroclast_solvers::sampler::Unsupported>(())
//! ```

/// One sampler's name, what it requires, and whether its steps add noise.
macro_rules! sampler {
    ($Type:ident $(<$W:ident>)?: $name:literal, $requirement:ident, $adds_noise:expr) => {
        impl $(<$W>)? $crate::sampler::Sampler for $Type $(<$W>)? {
            fn name(&self) -> &'static str {
                $name
            }

            fn requirement(&self) -> $crate::sampler::Requirement {
                $crate::sampler::Requirement::$requirement
            }

            fn adds_noise(&self) -> bool {
                let adds_noise: fn(&Self) -> bool = $adds_noise;
                adds_noise(self)
            }
        }
    };
}

mod churn;
mod corrected_history;
mod history;
mod log_snr_step;
mod phi;
mod quadrature;
mod requirement;
mod taper;
mod unsupported;
mod vandermonde;
mod zero_noise;

pub use churn::Churn;
pub use corrected_history::CorrectedHistory;
pub use history::History;
pub use requirement::{Requirement, Sampler, check};
pub use unsupported::Unsupported;
pub use zero_noise::ZeroNoise;

crate::files! {
    ddim: Ddim;
    ddpm: Ddpm, DdpmLearned;
    deis: Deis, Extrapolation;
    dpm_solver: DpmSolver;
    dpm_solver_sde: DpmSolverSde;
    dpm_solver_single: DpmSolverSingle;
    euler_ancestral: EulerAncestral;
    euler_edm: EulerEdm;
    heun_edm: HeunEdm;
    pndm: Averaged, Pndm, WarmUp;
    predictor_corrector: Langevin, PredictorCorrector;
    reverse_diffusion: ReverseDiffusion;
    unipc: UniPc, Variant;
}
