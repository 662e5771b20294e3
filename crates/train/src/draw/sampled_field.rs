//! The field that is sampled: a model with guidance, another schedule or clipping, as the plan
//! says.
//!
//! It has one type for all networks and wrappers, so that each method is compiled only once.

use super::Plan;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::endpoints::Endpoints;
use pyroclast_core::field::{Denoiser, LearnedVariance, VectorField};
use pyroclast_core::guidance::{Clipped, ClippedNoise, Guided, Interval, Rescaled};
use pyroclast_core::probability_flow::ProbabilityFlow;
use pyroclast_core::rescheduled::Rescheduled;
use pyroclast_core::schedule::Schedule;
use std::fmt;

/// All the traits of a field that a method may use.
pub(super) trait Field<B: Backend, const D: usize>:
    VectorField<B, D> + LearnedVariance<B, D>
{
}

impl<B, F, const D: usize> Field<B, D> for F
where
    B: Backend,
    F: VectorField<B, D> + LearnedVariance<B, D>,
{
}

/// The field that a [`Method`] integrates to draw samples: a velocity field and a denoiser.
///
/// [`Method`]: pyroclast_solvers::Method
pub struct SampledField<'a, B: Backend, const D: usize>(Box<dyn Field<B, D> + 'a>);

impl<'a, B: Backend, const D: usize> SampledField<'a, B, D> {
    /// A model with a condition, wrapped as the plan says. Guidance needs the model without the
    /// condition too.
    pub(super) fn new<M>(
        conditional: &'a dyn Field<B, D>,
        unconditional: Option<&'a dyn Field<B, D>>,
        plan: &'a Plan<M>,
    ) -> Self {
        let (low, high) = plan.guidance_interval;
        let plain = ByReference(conditional);
        let mut field = match unconditional.filter(|_| plan.guidance != 1.0) {
            None => Self(Box::new(plain)),
            Some(unconditional) => {
                let guided = Guided {
                    conditional: plain,
                    unconditional: ByReference(unconditional),
                    weight: plan.guidance,
                };
                let phi = plan.guidance_rescale;
                let guided = Rescaled { guided, phi };
                Self(Box::new(Interval { guided, low, high }))
            }
        };
        if let Some(schedule) = &plan.schedule {
            // The velocity follows from the endpoints: converting the old velocity would divide by
            // the derivatives of the old schedule, which may be infinite at t = 0 or 1.
            let schedule = schedule.clone();
            field = Self(Box::new(ProbabilityFlow(Rescheduled { field, schedule })));
        }
        field.clipped(plan.clip)
    }

    /// A field without guidance on its own schedule.
    pub(super) fn plain(field: impl Field<B, D> + 'a, clip: bool) -> Self {
        Self(Box::new(field)).clipped(clip)
    }

    fn clipped(self, clip: bool) -> Self {
        if !clip {
            return self;
        }
        Self(Box::new(Clipped {
            field: self,
            low: -1.0,
            high: 1.0,
            noise: ClippedNoise::Derived,
        }))
    }
}

impl<B: Backend, const D: usize> fmt::Debug for SampledField<'_, B, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SampledField").finish_non_exhaustive()
    }
}

impl<B: Backend, const D: usize> VectorField<B, D> for SampledField<'_, B, D> {
    fn velocity(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        self.0.velocity(t, x)
    }
}

impl<B: Backend, const D: usize> Denoiser<B, D> for SampledField<'_, B, D> {
    fn schedule(&self) -> &dyn Schedule {
        self.0.schedule()
    }

    fn is_defined(&self, t: f64) -> bool {
        self.0.is_defined(t)
    }

    fn denoise(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        self.0.denoise(t, x)
    }

    fn endpoints(&self, t: f64, x: Tensor<B, D>) -> Endpoints<B, D> {
        self.0.endpoints(t, x)
    }
}

impl<B: Backend, const D: usize> LearnedVariance<B, D> for SampledField<'_, B, D> {
    fn endpoints_and_variance(&self, t: f64, x: Tensor<B, D>) -> (Endpoints<B, D>, Tensor<B, D>) {
        self.0.endpoints_and_variance(t, x)
    }
}

/// A reference to a field, so that a wrapper can take a borrowed field.
#[derive(Debug)]
pub struct ByReference<'a, F: ?Sized>(pub(super) &'a F);

impl<B, F, const D: usize> VectorField<B, D> for ByReference<'_, F>
where
    B: Backend,
    F: VectorField<B, D> + ?Sized,
{
    fn velocity(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        self.0.velocity(t, x)
    }
}

impl<B, F, const D: usize> Denoiser<B, D> for ByReference<'_, F>
where
    B: Backend,
    F: Denoiser<B, D> + ?Sized,
{
    fn schedule(&self) -> &dyn Schedule {
        self.0.schedule()
    }

    fn is_defined(&self, t: f64) -> bool {
        self.0.is_defined(t)
    }

    fn denoise(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        self.0.denoise(t, x)
    }

    fn endpoints(&self, t: f64, x: Tensor<B, D>) -> Endpoints<B, D> {
        self.0.endpoints(t, x)
    }
}

impl<B, F, const D: usize> LearnedVariance<B, D> for ByReference<'_, F>
where
    B: Backend,
    F: LearnedVariance<B, D> + ?Sized,
{
    fn endpoints_and_variance(&self, t: f64, x: Tensor<B, D>) -> (Endpoints<B, D>, Tensor<B, D>) {
        self.0.endpoints_and_variance(t, x)
    }
}
