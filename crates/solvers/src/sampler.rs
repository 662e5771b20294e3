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
        impl $(<$W>)? $crate::requirement::Sampler for $Type $(<$W>)? {
            fn name(&self) -> &'static str {
                $name
            }

            fn requirement(&self) -> $crate::requirement::Requirement {
                $crate::requirement::Requirement::$requirement
            }

            fn adds_noise(&self) -> bool {
                let adds_noise: fn(&Self) -> bool = $adds_noise;
                adds_noise(self)
            }
        }
    };
}

mod any_ddpm;
mod churn;
mod corrected_history;
mod history;
mod log_snr_step;
mod phi;
mod quadrature;
mod taper;
mod vandermonde;
mod zero_noise;

pub use crate::requirement::{Requirement, Sampler, Unsupported, check};
pub use churn::Churn;
pub use corrected_history::CorrectedHistory;
pub use history::History;
pub use zero_noise::ZeroNoise;

use crate::entry::option::{
    AVERAGED, CHURN, CORRECTOR_RATIO, CORRECTOR_STEPS, ETA, ORDER, TAPER, VARIANCE,
};
use crate::entry::{Cost, PLAIN, methods};
use any_ddpm::AnyDdpm;

methods! {
    mod ddpm: Ddpm, DdpmLearned;
    /// Ancestral sampling of a chain (Ho et al. 2020).
    DDPM: Sampler {
        name: "ddpm",
        options: &[VARIANCE.or_the_models()],
        is_compared: true,
        ..PLAIN
    } AnyDdpm::of;

    mod ddim: Ddim;
    /// DDIM (Song et al. 2021), deterministic unless eta > 0.
    DDIM: Sampler {
        name: "ddim",
        options: &[ETA.or(0.0).up_to(1.0)],
        is_compared: true,
        ..PLAIN
    } |s| Ddim { eta: s.number(&ETA), brownian: s.increments(0) };

    mod euler_ancestral: EulerAncestral;
    /// Euler's method with ancestral noise.
    EULER_ANCESTRAL: Sampler {
        name: "euler-ancestral",
        aliases: &["euler-a"],
        options: &[ETA.or(1.0)],
        ..PLAIN
    } |s| EulerAncestral { eta: s.number(&ETA), brownian: s.increments(0) };

    mod euler_edm: EulerEdm;
    /// Euler's method in the noise level, with churn (Karras et al. 2022).
    EULER_EDM: Sampler {
        name: "euler-edm",
        options: &[CHURN.or(0.0)],
        ..PLAIN
    } |s| EulerEdm { churn: Churn::with_settings(s), brownian: s.increments(0) };

    mod heun_edm: HeunEdm;
    /// Heun's method in the noise level, with churn: EDM's sampler (Karras et al. 2022).
    HEUN_EDM: Sampler {
        name: "heun-edm",
        aliases: &["edm"],
        order: 2.0,
        cost: Cost::SparedAtTheEnd(2),
        options: &[CHURN.or(0.0)],
        is_compared: true,
        ..PLAIN
    } |s| HeunEdm { churn: Churn::with_settings(s), brownian: s.increments(0) };

    mod dpm_solver: DpmSolver;
    /// DPM-Solver++(2M) (Lu et al. 2022): two-step.
    DPMPP_2M: Sampler {
        name: "dpmpp-2m",
        aliases: &["dpm-solver++"],
        order: 2.0,
        options: &[TAPER.or_word("few")],
        is_compared: true,
        ..PLAIN
    } |s| DpmSolver { order: 2, taper: taper::asked(s) };

    /// DPM-Solver++(3M): three-step.
    DPMPP_3M: Sampler {
        name: "dpmpp-3m",
        order: 3.0,
        options: &[TAPER.or_word("few")],
        is_compared: true,
        ..PLAIN
    } |s| DpmSolver { order: 3, taper: taper::asked(s) };

    mod dpm_solver_single: DpmSolverSingle;
    /// DPM-Solver++(2S) (Lu et al. 2022): single-step.
    DPMPP_2S: Sampler {
        name: "dpmpp-2s",
        order: 2.0,
        cost: Cost::SparedAtTheEnd(2),
        is_compared: true,
        ..PLAIN
    } |_| DpmSolverSingle;

    mod dpm_solver_sde: DpmSolverSde;
    /// SDE-DPM-Solver++(2M): two-step, for the reverse SDE.
    DPMPP_SDE: Sampler {
        name: "dpmpp-sde",
        aliases: &["dpmpp-2m-sde"],
        order: 2.0,
        options: &[TAPER.or_word("few")],
        is_compared: true,
        ..PLAIN
    } |s| DpmSolverSde { order: 2, taper: taper::asked(s), brownian: s.increments(0) };

    mod unipc: UniPc, Variant;
    /// UniPC with B2 (Zhao et al. 2023).
    UNIPC: Sampler {
        name: "unipc",
        aliases: &["unipc-bh2"],
        order: 3.0,
        options: &[ORDER.or(2.0).from(1.0).up_to(3.0), TAPER.or_word("always")],
        is_compared: true,
        ..PLAIN
    } |s| UniPc::with_settings(s, Variant::Bh2);

    /// UniPC with B1 (Zhao et al. 2023).
    UNIPC_BH1: Sampler {
        name: "unipc-bh1",
        order: 3.0,
        options: &[ORDER.or(2.0).from(1.0).up_to(3.0), TAPER.or_word("always")],
        ..PLAIN
    } |s| UniPc::with_settings(s, Variant::Bh1);

    mod deis: Deis, Extrapolation;
    /// tAB-DEIS (Zhang & Chen 2023): polynomials in the time.
    DEIS: Sampler {
        name: "deis",
        aliases: &["tab-deis"],
        order: 3.0,
        options: &[ORDER.or(3.0).from(1.0).up_to(4.0), TAPER.or_word("never")],
        is_compared: true,
        ..PLAIN
    } |s| Deis {
        order: s.whole(&ORDER),
        extrapolation: Extrapolation::Time,
        taper: taper::asked(s),
    };

    /// Linear multistep: polynomials in the noise level.
    LMS: Sampler {
        name: "lms",
        aliases: &["rhoab-deis"],
        order: 4.0,
        options: &[ORDER.or(4.0).from(1.0).up_to(4.0), TAPER.or_word("never")],
        is_compared: true,
        ..PLAIN
    } |s| Deis { taper: taper::asked(s), ..Deis::lms(s.whole(&ORDER)) };

    mod pndm: Averaged, Pndm, WarmUp;
    /// PNDM (Liu et al. 2022): four-step, after three Runge–Kutta steps.
    PNDM: Sampler {
        name: "pndm",
        order: 2.0,
        cost: Cost::WarmUp { steps: 3, each: 4 },
        options: &[AVERAGED.or_word("noise")],
        is_compared: true,
        ..PLAIN
    } |s| Pndm { warm_up: WarmUp::RungeKutta, averaged: Averaged::asked(s) };

    /// PNDM without its Runge–Kutta steps.
    PLMS: Sampler {
        name: "plms",
        order: 2.0,
        options: &[AVERAGED.or_word("noise")],
        ..PLAIN
    } |s| Pndm { warm_up: WarmUp::Multistep, averaged: Averaged::asked(s) };

    mod reverse_diffusion: ReverseDiffusion;
    /// The reverse-diffusion predictor (Song et al. 2021).
    REVERSE_DIFFUSION: Sampler {
        name: "reverse-diffusion",
        ..PLAIN
    } |s| ReverseDiffusion { brownian: s.increments(0) };

    mod predictor_corrector: Langevin, PredictorCorrector;
    /// Reverse diffusion with a Langevin corrector (Song et al. 2021).
    PC: Sampler {
        name: "pc",
        aliases: &["predictor-corrector"],
        cost: Cost::SparedAtTheEnd(2),
        options: &[CORRECTOR_STEPS.or(1.0), CORRECTOR_RATIO.or(0.16)],
        ..PLAIN
    } |s| PredictorCorrector {
        predictor: ReverseDiffusion { brownian: s.increments(0) },
        corrector: Langevin {
            steps: s.whole(&CORRECTOR_STEPS) as u64,
            ratio: s.number(&CORRECTOR_RATIO),
        },
        brownian: s.increments(1),
    };
}
