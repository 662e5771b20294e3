//! Saving by landing: steps that end on the times asked for.
//!
//! Each saved state is one of the method's own, of its full order, where dense output has the interpolant's; and methods without dense
//! output, SDE methods among them, can save at all. Steps are cut short for it.

use crate::adaptive::Stepper;
use crate::control::Control;
use crate::grid::TimeGrid;
use crate::method::EmbeddedMethod;
use crate::solution::{Solution, Stopped};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::field::Counted;

/// [`integrate_adaptive`](crate::integrate_adaptive) over the span of `times`, landing on each of them and saving the state there.
///
/// # Errors
/// [`Stopped`], with the states saved up to there.
pub fn integrate_landing<B, F, M, const D: usize>(
    field: &F,
    method: &M,
    x: Tensor<B, D>,
    times: &TimeGrid,
    control: Control,
) -> Result<Solution<B, D>, Stopped<B, D>>
where
    B: Backend,
    F: ?Sized,
    M: for<'a> EmbeddedMethod<B, Counted<'a, F>, D>,
{
    let field = Counted::new(field);
    let (solver, saved, outcome) = land(&field, method, x, times, control, |_| {});
    solver.finish(outcome, saved, field.evaluations())
}

/// The times that have been landed on, with the states there.
type Saved<B, const D: usize> = Vec<(f64, Tensor<B, D>)>;

/// Lands on each time in turn, showing the solver before each of its steps.
pub(crate) fn land<'a, B, F, M, const D: usize>(
    field: &'a F,
    method: &'a M,
    x: Tensor<B, D>,
    times: &TimeGrid,
    control: Control,
    mut before: impl FnMut(&Stepper<'a, B, F, M, D>),
) -> (
    Stepper<'a, B, F, M, D>,
    Saved<B, D>,
    Result<(), crate::SolveError>,
)
where
    B: Backend,
    F: ?Sized,
    M: EmbeddedMethod<B, F, D>,
{
    let times = times.times();
    let span = (times[0], times[times.len() - 1]);
    let mut saved = vec![(span.0, x.clone())];
    let mut solver = Stepper::new(field, method, x, span, control);
    let mut run = || {
        solver.start()?;
        for &time in &times[1..] {
            while solver.t != time && !solver.is_done() {
                before(&solver);
                solver.step(time)?;
            }
            saved.push((time, solver.x.clone()));
        }
        Ok(())
    };
    let outcome = run();
    (solver, saved, outcome)
}
