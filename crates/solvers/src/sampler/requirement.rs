//! What a sampler needs of the schedule that it runs on.
//!
//! `α² + σ² = 1` for DDPM's chain; `α(t_0) > 0` where a step divides by the signal; `σ(t_0) > 0`; a grid towards the data where noise is
//! added; a denoiser that is defined where the grid starts

use super::unsupported::Unsupported;
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
pub enum Requirement {
    /// Nothing.
    Any,
    /// Some signal at the start of the grid: λ = ln(α/σ) is finite there.
    Signal,
    /// α² + σ² = 1.
    VariancePreserving,
}

/// A method with a name and a requirement.
pub trait Sampler {
    /// What it is called.
    fn name(&self) -> &'static str;

    /// What it asks of the schedule.
    fn requirement(&self) -> Requirement;

    /// Whether its steps add noise, which only a grid towards the data leaves room for.
    fn adds_noise(&self) -> bool;
}

/// Whether a sampler can run from this denoiser on this grid.
///
/// # Errors
/// [`Unsupported`], which names what would work.
pub fn check<B, F, const D: usize>(
    sampler: &impl Sampler,
    field: &F,
    grid: &TimeGrid,
) -> Result<(), Unsupported>
where
    B: Backend,
    F: Denoiser<B, D> + ?Sized,
{
    let (schedule, sampler_name) = (field.schedule(), sampler.name());
    let (start, end) = (grid.times()[0], grid.times()[grid.steps()]);
    if end < start && sampler.adds_noise() {
        return Err(Unsupported::Backward {
            sampler: sampler_name,
            start,
            end,
        });
    }
    if schedule.at(start).sigma <= 0.0 {
        return Err(Unsupported::NoNoise {
            sampler: sampler_name,
            t: start,
        });
    }
    match sampler.requirement() {
        Requirement::Any => {}
        Requirement::Signal => {
            // The noisy end is where a sampler starts or, on a reversed grid, stops.
            let noisy = start.min(end);
            if schedule.at(noisy).alpha <= 0.0 {
                return Err(Unsupported::NoSignal {
                    sampler: sampler_name,
                    t: noisy,
                });
            }
        }
        Requirement::VariancePreserving => {
            for &t in grid.times() {
                let c = schedule.at(t);
                let power = c.alpha.powi(2) + c.sigma.powi(2);
                if (power - 1.0).abs() > ROUNDING {
                    return Err(Unsupported::NotVariancePreserving {
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
        false => Err(Unsupported::Undefined { t: start }),
    }
}

macro_rules! samplers {
    ($($type:ty $(where $($parameter:ident),+)?: $name:literal, $requirement:ident, $adds_noise:expr;)*) => {$(
        impl $(<$($parameter),+>)? Sampler for $type {
            fn name(&self) -> &'static str {
                $name
            }

            fn requirement(&self) -> Requirement {
                Requirement::$requirement
            }

            fn adds_noise(&self) -> bool {
                let adds_noise: fn(&Self) -> bool = $adds_noise;
                adds_noise(self)
            }
        }
    )*};
}

samplers! {
    Ddpm<W> where W: "ddpm", VariancePreserving, |_| true;
    DdpmLearned<W> where W: "ddpm", VariancePreserving, |_| true;
    Ddim<W> where W: "ddim", Any, |ddim| ddim.eta != 0.0;
    EulerAncestral<W> where W: "euler-ancestral", Any, |euler| euler.eta != 0.0;
    EulerEdm<W> where W: "euler-edm", Signal, |euler| euler.churn.gamma != 0.0;
    HeunEdm<W> where W: "heun-edm", Signal, |heun| heun.churn.gamma != 0.0;
    DpmSolver: "dpmpp", Signal, |_| false;
    DpmSolverSingle: "dpmpp-2s", Signal, |_| false;
    DpmSolverSde<W> where W: "dpmpp-sde", Signal, |_| true;
    UniPc: "unipc", Signal, |_| false;
    Deis: "deis", Signal, |_| false;
    Pndm: "pndm", Signal, |_| false;
    ReverseDiffusion<W> where W: "reverse-diffusion", Signal, |_| true;
}

impl<P: Sampler> Sampler for PredictorCorrector<P> {
    fn name(&self) -> &'static str {
        "pc"
    }

    fn requirement(&self) -> Requirement {
        self.predictor.requirement()
    }

    /// Corrections keep the law of their time, so that they take either direction.
    fn adds_noise(&self) -> bool {
        self.predictor.adds_noise()
    }
}
