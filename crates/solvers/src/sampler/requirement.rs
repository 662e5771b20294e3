//! What a sampler requires of the schedule and the grid that it runs on.
//!
//! `α² + σ² = 1` for DDPM's chain; `α(t_0) > 0` if a step divides by the signal; `σ(t_0) > 0`; a
//! grid towards the data if noise is added; a denoiser that is defined at the start of the grid

use super::unsupported::Unsupported;
use super::{
    Ddim, Ddpm, DdpmLearned, Deis, DpmSolver, DpmSolverSde, DpmSolverSingle, EulerAncestral,
    EulerEdm, HeunEdm, Pndm, PredictorCorrector, ReverseDiffusion, UniPc,
};
use crate::grid::TimeGrid;
use burn::tensor::backend::Backend;
use pyroclast_core::field::Denoiser;

/// Rounding may move α² + σ² this far from 1.
const ROUNDING: f64 = 1e-6;

/// What a sampler requires of a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requirement {
    /// Nothing.
    Any,
    /// Some signal at the start of the grid, so that λ = ln(α/σ) is finite there.
    Signal,
    /// α² + σ² = 1.
    VariancePreserving,
}

/// A method with a name and requirements.
pub trait Sampler {
    /// Its name.
    fn name(&self) -> &'static str;

    /// What it requires of the schedule.
    fn requirement(&self) -> Requirement;

    /// Whether its steps add noise, which is possible only on a grid towards the data.
    fn adds_noise(&self) -> bool;
}

/// Checks that a sampler can run on this denoiser and this grid.
///
/// # Errors
/// [`Unsupported`], whose message says what would work.
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
            // A sampler starts at the noisy end or, on a reversed grid, stops there.
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
    if field.is_defined(start) {
        Ok(())
    } else {
        Err(Unsupported::Undefined { t: start })
    }
}

macro_rules! samplers {
    ($(
        $type:ty $(where $($parameter:ident),+)?:
            $name:literal, $requirement:ident, $adds_noise:expr;
    )*) => {$(
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

    /// Corrections keep the distribution at their time, so they work in either direction.
    fn adds_noise(&self) -> bool {
        self.predictor.adds_noise()
    }
}
