//! What a sampler requires of the schedule and the grid that it runs on.
//!
//! `α² + σ² = 1` for DDPM's chain; `α(t_0) > 0` if a step divides by the signal; `σ(t_0) > 0`; a
//! grid towards the data if noise is added; a denoiser that is defined at the start of the grid

mod unsupported;

pub use unsupported::Unsupported;

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
            let power = |&t: &f64| {
                let c = schedule.at(t);
                (t, c.alpha.powi(2) + c.sigma.powi(2))
            };
            let farther = |a: (f64, f64), b: (f64, f64)| {
                let is_farther = (b.1 - 1.0).abs() > (a.1 - 1.0).abs();
                if is_farther { b } else { a }
            };
            let (t, power) = (grid.times().iter().map(power)).fold((start, 1.0), farther);
            if (power - 1.0).abs() > ROUNDING {
                return Err(Unsupported::NotVariancePreserving {
                    sampler: sampler_name,
                    power,
                    t,
                });
            }
        }
    }
    if field.is_defined(start) {
        Ok(())
    } else {
        Err(Unsupported::Undefined { t: start })
    }
}
