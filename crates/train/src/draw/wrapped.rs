//! The field that a plan samples: a model with guidance, another schedule or clipping.

use super::Plan;
use burn::tensor::backend::Backend;
use pyroclast_core::guidance::{Clipped, ClippedNoise, Guided, Interval, Rescaled, Thresholded};
use pyroclast_core::probability_flow::ProbabilityFlow;
use pyroclast_core::rescheduled::Rescheduled;
use pyroclast_solvers::entry::{ByReference, Field, SampledField};

/// A model with a condition, wrapped as the plan says. Guidance needs the model without the
/// condition too.
pub(super) fn wrapped<'a, B: Backend, M, const D: usize>(
    conditional: &'a dyn Field<B, D>,
    unconditional: Option<&'a dyn Field<B, D>>,
    plan: &'a Plan<M>,
) -> SampledField<'a, B, D> {
    let (low, high) = plan.guidance_interval;
    let plain = ByReference(conditional);
    let mut field = match unconditional.filter(|_| plan.guidance != 1.0) {
        None => SampledField::new(plain),
        Some(unconditional) => {
            let guided = Guided {
                conditional: plain,
                unconditional: ByReference(unconditional),
                weight: plan.guidance,
            };
            let phi = plan.guidance_rescale;
            let guided = Rescaled { guided, phi };
            SampledField::new(Interval { guided, low, high })
        }
    };
    if let Some(schedule) = &plan.schedule {
        // The velocity follows from the endpoints: converting the old velocity would divide by the
        // derivatives of the old schedule, which may be infinite at t = 0 or 1.
        let schedule = schedule.clone();
        field = SampledField::new(ProbabilityFlow(Rescheduled { field, schedule }));
    }
    bounded(field, plan)
}

/// The field, with its data kept in [−1, 1] if the plan says so.
pub(super) fn bounded<'a, B: Backend, M, const D: usize>(
    field: SampledField<'a, B, D>,
    plan: &Plan<M>,
) -> SampledField<'a, B, D> {
    let noise = ClippedNoise::Derived;
    if let Some(thresholding) = plan.thresholding {
        return SampledField::new(Thresholded {
            field,
            quantile: thresholding.ratio,
            most: thresholding.most,
            noise,
        });
    }
    if !plan.clip {
        return field;
    }
    SampledField::new(Clipped {
        field,
        low: -1.0,
        high: 1.0,
        noise,
    })
}
