//! What a plan makes of a model: guided or not, clipped or not, on its own schedule or on another.
//!
//! One type for all of them, so that each method is compiled once.

use super::Plan;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::endpoints::Endpoints;
use pyroclast_core::field::{Counted, Denoiser, LearnedVariance, VectorField};
use pyroclast_core::guidance::{Guided, Interval, Rescaled};
use pyroclast_core::probability_flow::velocity_of;
use pyroclast_core::schedule::{AnySchedule, Schedule, change};

/// A model as it is sampled.
pub(super) struct Steered<'a, F> {
    guided: Interval<Rescaled<Counted<'a, F>, Counted<'a, F>>>,
    /// Whether there is a condition to guide by.
    guides: bool,
    clip: bool,
    schedule: Option<AnySchedule>,
}

impl<'a, F> Steered<'a, F> {
    pub(super) fn new(
        conditional: Counted<'a, F>,
        unconditional: Counted<'a, F>,
        is_conditional: bool,
        plan: &Plan,
    ) -> Self {
        let (low, high) = plan.guidance_interval;
        Self {
            guided: Interval {
                guided: Rescaled {
                    guided: Guided {
                        conditional,
                        unconditional,
                        weight: plan.guidance,
                    },
                    phi: plan.guidance_rescale,
                },
                low,
                high,
            },
            guides: is_conditional && plan.guidance != 1.0,
            clip: plan.clip,
            schedule: plan.schedule.clone(),
        }
    }

    fn plain(&self) -> &Counted<'a, F> {
        &self.guided.guided.guided.conditional
    }

    /// Passes through a network so far.
    pub(super) fn evaluations(&self) -> usize {
        let guided = &self.guided.guided.guided;
        guided.conditional.evaluations() + guided.unconditional.evaluations()
    }

    /// The time and the state on the model's own schedule, where a plan has another.
    fn own<B: Backend, const D: usize>(&self, t: f64, x: Tensor<B, D>) -> (f64, Tensor<B, D>)
    where
        F: Denoiser<B, D>,
    {
        match &self.schedule {
            None => (t, x),
            Some(schedule) => {
                let change = change(self.plain().schedule(), schedule, t);
                (change.t, x / change.scale)
            }
        }
    }

    /// The ends with x̂1 in the cube, and the noise that then leads through the same state. Where σ = 0 no noise does, and it stays.
    fn clipped<B: Backend, const D: usize>(&self, t: f64, ends: Endpoints<B, D>) -> Endpoints<B, D>
    where
        F: Denoiser<B, D>,
    {
        let x1 = ends.x1.clone().clamp(-1.0, 1.0);
        ends.with_data(self.schedule().at(t), x1)
    }
}

impl<B, F, const D: usize> VectorField<B, D> for Steered<'_, F>
where
    B: Backend,
    F: VectorField<B, D> + Denoiser<B, D>,
{
    fn velocity(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        if self.clip || self.schedule.is_some() {
            return velocity_of(self, t, x);
        }
        match self.guides {
            true => self.guided.velocity(t, x),
            false => self.plain().velocity(t, x),
        }
    }
}

impl<B, F, const D: usize> Denoiser<B, D> for Steered<'_, F>
where
    B: Backend,
    F: Denoiser<B, D>,
{
    fn schedule(&self) -> &dyn Schedule {
        match &self.schedule {
            Some(schedule) => schedule,
            None => self.plain().schedule(),
        }
    }

    fn is_defined(&self, t: f64) -> bool {
        let own = match &self.schedule {
            None => t,
            Some(schedule) => change(self.plain().schedule(), schedule, t).t,
        };
        self.plain().is_defined(own)
    }

    fn denoise(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        let (t, x) = self.own(t, x);
        let x1 = match self.guides {
            true => self.guided.denoise(t, x),
            false => self.plain().denoise(t, x),
        };
        if self.clip { x1.clamp(-1.0, 1.0) } else { x1 }
    }

    fn endpoints(&self, t: f64, x: Tensor<B, D>) -> Endpoints<B, D> {
        let (own_t, x) = self.own(t, x);
        let ends = match self.guides {
            true => self.guided.endpoints(own_t, x),
            false => self.plain().endpoints(own_t, x),
        };
        match self.clip {
            true => self.clipped(t, ends),
            false => ends,
        }
    }
}

impl<B, F, const D: usize> LearnedVariance<B, D> for Steered<'_, F>
where
    B: Backend,
    F: LearnedVariance<B, D>,
{
    fn endpoints_and_variance(&self, t: f64, x: Tensor<B, D>) -> (Endpoints<B, D>, Tensor<B, D>) {
        let (own_t, x) = self.own(t, x);
        let (ends, variance) = match self.guides {
            true => self.guided.endpoints_and_variance(own_t, x),
            false => self.plain().endpoints_and_variance(own_t, x),
        };
        match self.clip {
            true => (self.clipped(t, ends), variance),
            false => (ends, variance),
        }
    }
}
