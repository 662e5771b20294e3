//! What a sampler needs of the schedule that it runs on.
//!
//! `α² + σ² = 1` for DDPM's chain; `α(t_0) > 0` where a step divides by the signal; a denoiser that is defined where the grid starts

use super::{
    Ddim, Ddpm, DdpmLearned, Deis, DpmSolver, DpmSolverSde, DpmSolverSingle, EulerAncestral,
    EulerEdm, HeunEdm, Pndm, PredictorCorrector, ReverseDiffusion, UniPc,
};
use crate::grid::TimeGrid;
use burn::tensor::backend::Backend;
use pyroclast_core::field::Denoiser;

/// How far from 1 a variance-preserving α² + σ² may be, from rounding.
const ROUNDING: f64 = 1e-6;

/// What a sampler asks of a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Demand {
    /// Nothing.
    Any,
    /// Some signal at the start of the grid: λ = ln(α/σ) is finite there.
    Signal,
    /// α² + σ² = 1.
    VariancePreserving,
}

/// A method with a name and a demand.
pub trait Sampler {
    /// What it is called.
    fn name(&self) -> &'static str;

    /// What it asks of the schedule.
    fn demand(&self) -> Demand;
}

/// Why a schedule, a grid and a sampler do not go together.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Unserved {
    /// The chain is not variance preserving.
    #[error(
        "{sampler} needs α² + σ² = 1, and this schedule has {power:.4} at t = {t}; use ddim, euler-ancestral, heun-edm or dpmpp-2m, which \
         take any schedule, or train under vp, vp-cosine or ddpm"
    )]
    NotVariancePreserving {
        /// The sampler.
        sampler: &'static str,
        /// α² + σ².
        power: f64,
        /// Where.
        t: f64,
    },
    /// The grid starts without signal.
    #[error(
        "{sampler} divides by the signal, and the schedule has none at t = {t}; start the grid later (at t = 0.001, say), or use ddim, ddpm or \
         euler-ancestral"
    )]
    NoSignal {
        /// The sampler.
        sampler: &'static str,
        /// Where.
        t: f64,
    },
    /// The model cannot tell the data from its output.
    #[error(
        "at t = {t} the schedule has no signal (SNR 0), where a model that predicts noise or score says nothing about the data; train with \
         prediction v, velocity, data or edm, or start the grid later"
    )]
    Undefined {
        /// Where.
        t: f64,
    },
}

/// Whether a sampler can run from this denoiser on this grid.
///
/// # Errors
/// [`Unserved`], which names what would work.
pub fn check<B, F, const D: usize>(
    sampler: &impl Sampler,
    field: &F,
    grid: &TimeGrid,
) -> Result<(), Unserved>
where
    B: Backend,
    F: Denoiser<B, D> + ?Sized,
{
    let (schedule, sampler_name) = (field.schedule(), sampler.name());
    let start = grid.times()[0];
    match sampler.demand() {
        Demand::Any => {}
        Demand::Signal => {
            // The noisy end is where a sampler starts or, on a reversed grid, stops.
            let noisy = start.min(grid.times()[grid.steps()]);
            if schedule.at(noisy).alpha <= 0.0 {
                return Err(Unserved::NoSignal {
                    sampler: sampler_name,
                    t: noisy,
                });
            }
        }
        Demand::VariancePreserving => {
            for &t in grid.times() {
                let c = schedule.at(t);
                let power = c.alpha.powi(2) + c.sigma.powi(2);
                if (power - 1.0).abs() > ROUNDING {
                    return Err(Unserved::NotVariancePreserving {
                        sampler: sampler_name,
                        power,
                        t,
                    });
                }
            }
        }
    }
    match field.is_defined(start) {
        true => Ok(()),
        false => Err(Unserved::Undefined { t: start }),
    }
}

macro_rules! samplers {
    ($($type:ty $(where $($parameter:ident),+)?: $name:literal, $demand:ident;)*) => {$(
        impl $(<$($parameter),+>)? Sampler for $type {
            fn name(&self) -> &'static str {
                $name
            }

            fn demand(&self) -> Demand {
                Demand::$demand
            }
        }
    )*};
}

samplers! {
    Ddpm<W> where W: "ddpm", VariancePreserving;
    DdpmLearned<W> where W: "ddpm", VariancePreserving;
    Ddim<W> where W: "ddim", Any;
    EulerAncestral<W> where W: "euler-ancestral", Any;
    EulerEdm<W> where W: "euler-edm", Signal;
    HeunEdm<W> where W: "heun-edm", Signal;
    DpmSolver: "dpmpp", Signal;
    DpmSolverSingle: "dpmpp-2s", Signal;
    DpmSolverSde<W> where W: "dpmpp-sde", Signal;
    UniPc: "unipc", Signal;
    Deis: "deis", Signal;
    Pndm: "pndm", Signal;
    ReverseDiffusion<W> where W: "reverse-diffusion", Signal;
}

impl<P: Sampler> Sampler for PredictorCorrector<P> {
    fn name(&self) -> &'static str {
        "pc"
    }

    fn demand(&self) -> Demand {
        self.predictor.demand()
    }
}
