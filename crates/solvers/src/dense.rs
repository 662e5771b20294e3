//! Dense output: the solution at any time, from the steps that were taken anyway.
//!
//! Saving costs one pass over memory a time, and no evaluation with a method that is first-same-as-last.

use crate::adaptive::Stepper;
use crate::control::Control;
use crate::error::SolveError;
use crate::interpolant::Interpolant;
use crate::method::DenseMethod;
use crate::solution::{Solution, Statistics, Stopped};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::field::Counted;

/// [`integrate_adaptive`](crate::integrate_adaptive), saving the state at given times of the span: in any order, more than once, the ends
/// included. Steps are as long as without them.
///
/// # Errors
/// [`Stopped`], as for the solve without times, and where a time lies outside the span.
pub fn integrate_saving<B, F, M, const D: usize>(
    field: &F,
    method: &M,
    x: Tensor<B, D>,
    span: (f64, f64),
    times: &[f64],
    control: Control,
) -> Result<Solution<B, D>, Stopped<B, D>>
where
    B: Backend,
    F: ?Sized,
    M: for<'a> DenseMethod<B, Counted<'a, F>, D>,
{
    let field = Counted::new(field);
    let (start, end) = span;
    let forward = end >= start;
    let mut solver = Stepper::new(&field, method, x, span, control);
    let mut saved: Vec<Option<Tensor<B, D>>> = vec![None; times.len()];
    let mut run = || {
        let mut due = order_of_passing(span, times)?.into_iter().peekable();
        let is_past = |time: f64, t: f64| if forward { time <= t } else { time >= t };
        solver.start()?;
        while let Some(i) = due.next_if(|&i| times[i] == start) {
            saved[i] = Some(solver.x.clone());
        }
        while !solver.is_done() {
            let kept = solver.step(end)?;
            if due.peek().is_none_or(|&i| !is_past(times[i], kept.s)) {
                continue;
            }
            let step = solver.interpolant(kept);
            while let Some(i) = due.next_if(|&i| is_past(times[i], step.s)) {
                saved[i] = Some(step.at(times[i]));
            }
        }
        // An empty batch takes no step, and is everywhere what it is.
        for i in due {
            saved[i] = Some(solver.x.clone());
        }
        Ok(())
    };
    let outcome = run();
    let saved = (times.iter().zip(saved))
        .filter_map(|(&t, x)| Some((t, x?)))
        .collect();
    solver.finish(outcome, saved, field.evaluations())
}

/// The indices of the times in the order in which a solve comes past them.
pub(crate) fn order_of_passing(
    (start, end): (f64, f64),
    times: &[f64],
) -> Result<Vec<usize>, SolveError> {
    let (low, high) = (start.min(end), start.max(end));
    if let Some(&time) = times.iter().find(|t| !(low..=high).contains(*t)) {
        return Err(SolveError::OutsideSpan { time, start, end });
    }
    let mut order: Vec<usize> = (0..times.len()).collect();
    order.sort_by(|&a, &b| match end >= start {
        true => times[a].total_cmp(&times[b]),
        false => times[b].total_cmp(&times[a]),
    });
    Ok(order)
}

/// A solution that can be asked for any time of its span.
#[derive(Debug, Clone)]
pub struct DenseSolution<B: Backend, const D: usize> {
    /// The end of the solve.
    pub solution: Solution<B, D>,
    start: (f64, Tensor<B, D>),
    steps: Vec<Interpolant<B, D>>,
}

impl<B: Backend, const D: usize> DenseSolution<B, D> {
    /// The state at a time; none outside what was solved.
    pub fn at(&self, time: f64) -> Option<Tensor<B, D>> {
        let (start, end) = (self.start.0, self.solution.t);
        // An empty batch takes no step, and is everywhere what it is.
        let stands = self.steps.is_empty() && (start.min(end)..=start.max(end)).contains(&time);
        if time == start || stands {
            return Some(self.start.1.clone());
        }
        let forward = end >= start;
        let ends_before = |step: &Interpolant<B, D>| {
            if forward {
                step.s < time
            } else {
                step.s > time
            }
        };
        let step = self.steps.get(self.steps.partition_point(ends_before))?;
        let (low, high) = (step.t.min(step.s), step.t.max(step.s));
        (low..=high).contains(&time).then(|| step.at(time))
    }

    /// The steps, in the order in which they were taken.
    pub fn steps(&self) -> &[Interpolant<B, D>] {
        &self.steps
    }

    /// What it cost.
    pub fn statistics(&self) -> Statistics {
        self.solution.statistics
    }
}

/// [`integrate_adaptive`](crate::integrate_adaptive), keeping every step, whose ends are the saved states. Memory grows with their number.
///
/// # Errors
/// [`Stopped`].
pub fn integrate_dense<B, F, M, const D: usize>(
    field: &F,
    method: &M,
    x: Tensor<B, D>,
    span: (f64, f64),
    control: Control,
) -> Result<DenseSolution<B, D>, Stopped<B, D>>
where
    B: Backend,
    F: ?Sized,
    M: for<'a> DenseMethod<B, Counted<'a, F>, D>,
{
    let field = Counted::new(field);
    let start = (span.0, x.clone());
    let mut solver = Stepper::new(&field, method, x, span, control);
    let (mut steps, mut saved) = (Vec::new(), Vec::new());
    let mut run = || {
        solver.start()?;
        while !solver.is_done() {
            let kept = solver.step(span.1)?;
            let step = solver.interpolant(kept);
            saved.push((step.s, step.end.clone()));
            steps.push(step);
        }
        Ok(())
    };
    let outcome = run();
    let solution = solver.finish(outcome, saved, field.evaluations())?;
    Ok(DenseSolution {
        solution,
        start,
        steps,
    })
}
