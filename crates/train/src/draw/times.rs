//! The times of a solve: from the noisiest time that the field and the method allow to the
//! cleanest.

use super::{GridName, Plan, SampleError, Stepping};
use burn::tensor::backend::Backend;
use pyroclast_core::field::{Denoiser, VectorField};
use pyroclast_core::flow::Flow;
use pyroclast_core::prediction::Prediction;
use pyroclast_core::schedule::{AnySchedule, BetaTable, Schedule};
use pyroclast_solvers::entry::{Requirements, SampledField, Times};
use pyroclast_solvers::sampler::{Requirement, check};

/// The time at which a grid starts if it cannot start at t = 0, where there is no signal.
const MARGIN: f64 = 1e-3;

/// The least signal from which a prediction of the noise tells the data: decoding x̂1 divides the
/// error of the prediction by α.
const SIGNAL: f64 = 5e-3;

/// The times that a plan gives the method, checked against the method's requirements.
///
/// # Errors
/// [`SampleError`]: there is no such grid, or the method cannot run on it.
pub(super) fn times<B, N, M, const D: usize>(
    field: &SampledField<'_, B, D>,
    flow: &Flow<N>,
    plan: &Plan<M>,
    requirements: Requirements,
) -> Result<Times, SampleError>
where
    B: Backend,
{
    let schedule = field.schedule();
    let span = match requirements.schedule {
        // A sampler can step to a singular t = 1, but the denoised data has to be defined where it
        // starts.
        Some(requirement) => (first_time(field, requirement), 1.0),
        None => match &plan.schedule {
            Some(schedule) => flow.objective.prediction.span(schedule),
            None => flow.span(),
        },
    };
    let own = (plan.schedule.is_none()).then_some(&flow.path.schedule);
    let table = own.and_then(AnySchedule::table);
    let told = first_told(flow.objective.prediction, schedule, table);
    let span = (span.0.max(told), span.1);
    let (n, name) = match &plan.stepping {
        Stepping::Adaptive(control) => return Ok(Times::Span(span, *control)),
        Stepping::Fixed(n, name) => (*n, name),
    };
    let explodes = schedule.at(1.0).alpha == 1.0 && schedule.at(0.0).alpha == 1.0;
    // A jump ends at the data, so that one from the least noise to none would be for nothing.
    let is_jumped = requirements.flow_map && explodes && schedule.at(1.0).sigma == 0.0;
    let merged = usize::from(is_jumped && *name == GridName::Auto);
    let name = match name {
        // Noise over many orders of magnitude needs such a grid, with any method.
        GridName::Auto if explodes => &GridName::Karras,
        GridName::Auto if requirements.schedule.is_none() => &GridName::Uniform,
        GridName::Auto if table.is_some_and(|table| n <= table.steps()) => &GridName::Trailing,
        name => name,
    };
    let grid = name.grid(schedule, table, span, n + merged);
    let mut grid = grid.map_err(SampleError::Grid)?;
    if merged > 0 {
        grid = grid.without_least_noise();
    }
    if requirements.schedule.is_some() {
        check(&requirements, field, &grid)?;
    }
    if requirements.flow_map {
        if field.flow_map().is_none() {
            return Err(SampleError::NeedsFlowMap(requirements.name));
        }
        check_durations(flow.objective.prediction, requirements, grid.times())?;
    }
    Ok(Times::Grid(grid))
}

/// Refuses steps of durations that the model was not trained on.
fn check_durations(
    prediction: Prediction,
    requirements: Requirements,
    times: &[f64],
) -> Result<(), SampleError> {
    let to_data = prediction.jumps_to_data_alone();
    let steps = match prediction {
        Prediction::AverageVelocity { steps, .. } => steps,
        _ => 0,
    };
    let is_whole = |number: f64| (number - number.round()).abs() < 1e-6;
    for pair in times.windows(2) {
        // A sampler that adds noise jumps to the data each time, and goes back by itself.
        let (from, to) = (
            pair[0],
            if requirements.adds_noise {
                1.0
            } else {
                pair[1]
            },
        );
        if to_data && to < 1.0 - 1e-9 {
            return Err(SampleError::OnlyToData { from, to });
        }
        let duration = to - from;
        let is_smallest = duration * (steps as f64) < 1.5;
        let is_dyadic = is_whole(duration.log2()) && is_whole(from / duration);
        if steps > 0 && !(duration > 0.0 && (is_smallest || is_dyadic)) {
            return Err(SampleError::NotDyadic { steps, from, to });
        }
    }
    Ok(())
}

/// The first time at which the network's output tells the data: 0 unless it is that of the noise.
fn first_told(prediction: Prediction, schedule: &dyn Schedule, table: Option<&BetaTable>) -> f64 {
    let tells = |t: f64| schedule.at(t).alpha >= SIGNAL;
    if !prediction.is_of_noise() || tells(0.0) || !tells(1.0) {
        return 0.0;
    }
    // A chain was trained at its own times alone.
    if let Some(table) = table {
        let mut indexed = (0..table.steps()).rev().map(|k| table.time(k));
        return indexed.find(|&t| tells(t)).unwrap_or(0.0);
    }
    let (mut before, mut after) = (0.0, 1.0);
    while after - before > 1e-9 {
        let middle = 0.5 * (before + after);
        if tells(middle) {
            after = middle
        } else {
            before = middle
        }
    }
    after
}

/// t = 0, or a little later if there is no signal at 0 and the sampler or the model needs some.
fn first_time<B: Backend, const D: usize>(
    field: &SampledField<'_, B, D>,
    requirement: Requirement,
) -> f64 {
    let has_signal = field.schedule().at(0.0).alpha > 0.0;
    if has_signal || (requirement != Requirement::Signal && field.is_defined(0.0)) {
        0.0
    } else {
        MARGIN
    }
}
