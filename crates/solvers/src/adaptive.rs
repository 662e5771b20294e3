//! The adaptive loop: step sizes from an error estimate.
//!
//! A step is kept where `rms(e/(atol + rtol·max(|x|, |x'|))) ≤ 1`
//!
//! Source: Hairer, Nørsett & Wanner 1993, II.4. The loop reads one number from the device a step: the error. Step sizes are
//! numbers on the host, and so carry no gradient.

use crate::control::{Control, Controller, first_guess, starting_step};
use crate::error::SolveError;
use crate::interpolant::Interpolant;
use crate::method::{Attempt, DenseMethod, EmbeddedMethod};
use crate::solution::{Solution, Statistics, Stopped};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::field::Counted;
use pyroclast_kernels::scaled_rms;

/// The state at the end of `span`, with steps as long as the tolerance allows.
///
/// The step size is one for the whole batch, and so the error is its root mean square over the batch. Forward or backward in
/// time; an empty span returns x.
///
/// # Errors
/// [`Stopped`], with the partial solution: for a control that makes no sense, a span that is not finite, a field that is not finite, and
/// a step size or number of steps that goes past its bound.
pub fn integrate_adaptive<B, F, M, const D: usize>(
    field: &F,
    method: &M,
    x: Tensor<B, D>,
    span: (f64, f64),
    control: Control,
) -> Result<Solution<B, D>, Stopped<B, D>>
where
    B: Backend,
    F: ?Sized,
    M: for<'a> EmbeddedMethod<B, Counted<'a, F>, D>,
{
    let field = Counted::new(field);
    let mut solver = Stepper::new(&field, method, x, span, control);
    let mut run = || {
        solver.start()?;
        while !solver.is_done() {
            solver.step(span.1)?;
        }
        Ok(())
    };
    let outcome = run();
    solver.finish(outcome, Vec::new(), field.evaluations())
}

/// A step that was kept.
#[derive(Debug, Clone)]
pub(crate) struct Kept<B: Backend, const D: usize> {
    pub(crate) t: f64,
    pub(crate) s: f64,
    pub(crate) x: Tensor<B, D>,
    slopes: Vec<Tensor<B, D>>,
}

/// An adaptive solve, one kept step at a time: every adaptive solver runs on this.
pub(crate) struct Stepper<'a, B: Backend, F: ?Sized, M: EmbeddedMethod<B, F, D>, const D: usize> {
    field: &'a F,
    method: &'a M,
    control: Control,
    controller: Controller,
    span: (f64, f64),
    pub(crate) t: f64,
    pub(crate) x: Tensor<B, D>,
    pub(crate) state: M::State,
    h: f64,
    statistics: Statistics,
}

impl<'a, B, F, M, const D: usize> Stepper<'a, B, F, M, D>
where
    B: Backend,
    F: ?Sized,
    M: EmbeddedMethod<B, F, D>,
{
    pub(crate) fn new(
        field: &'a F,
        method: &'a M,
        x: Tensor<B, D>,
        span: (f64, f64),
        control: Control,
    ) -> Self {
        Self {
            state: method.init(field, span.0, &x),
            controller: Controller::new(control, method.error_order()),
            field,
            method,
            control,
            span,
            t: span.0,
            x,
            h: 0.0,
            statistics: Statistics::default(),
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.t == self.span.1 || self.x.shape().num_elements() == 0
    }

    fn length(&self) -> f64 {
        (self.span.1 - self.span.0).abs()
    }

    /// Checks what was asked for and chooses the first step.
    pub(crate) fn start(&mut self) -> Result<(), SolveError> {
        self.control.check(self.span)?;
        if self.is_done() {
            self.t = self.span.1;
            return Ok(());
        }
        self.h = match self.control.first_step {
            Some(step) => step,
            None => self.starting_step()?,
        };
        Ok(())
    }

    fn norm(&self, e: Tensor<B, D>, x: &Tensor<B, D>, y: &Tensor<B, D>) -> f64 {
        let Control { rtol, atol, .. } = self.control;
        scaled_rms(e, x, y, (rtol, atol), self.control.measured)
    }

    fn starting_step(&mut self) -> Result<f64, SolveError> {
        let (t, length) = (self.t, self.length());
        let direction = (self.span.1 - t).signum();
        let x = self.x.clone();
        let slope = (self.method).first_slope(self.field, t, &x, &mut self.state);
        let size = self.norm(x.clone(), &x, &x);
        let speed = self.norm(slope.clone(), &x, &x);
        if !speed.is_finite() {
            return Err(SolveError::NotFinite { t });
        }
        let guess = first_guess(size, speed, length);
        let ahead = x.clone() + slope.clone() * (direction * guess);
        let there = self.method.slope(self.field, t + direction * guess, ahead);
        let curvature = self.norm(there - slope, &x, &x) / guess;
        let order = self.method.order();
        Ok(starting_step(guess, speed, curvature, order, length))
    }

    /// One kept step that does not go beyond `limit`, which lies between here and the end.
    pub(crate) fn step(&mut self, limit: f64) -> Result<Kept<B, D>, SolveError> {
        let (t, length) = (self.t, self.length());
        loop {
            if self.statistics.steps + self.statistics.rejections >= self.control.max_steps {
                let limit = self.control.max_steps;
                return Err(SolveError::StepLimit { limit, t });
            }
            let proposal = self.controller.propose(t, self.h, limit, length);
            let (s, wanted) = (proposal.s, self.h);
            let attempt =
                (self.method).step_with_error(self.field, t, s, self.x.clone(), self.state.clone());
            let Attempt {
                x,
                error,
                state,
                slopes,
            } = attempt;
            let error = self.norm(error, &self.x, &x);
            let h = (s - t).abs();
            if error <= 1.0 {
                self.statistics.steps += 1;
                let next = self.controller.accepted(h, error);
                // A step that was cut short to land somewhere says nothing against the one that was wanted.
                self.h = if proposal.lands {
                    next.max(wanted)
                } else {
                    next
                };
                self.t = s;
                self.state = state;
                let x = std::mem::replace(&mut self.x, x);
                return Ok(Kept { t, s, x, slopes });
            }
            self.statistics.rejections += 1;
            self.method.retry(&mut self.state, slopes);
            self.h = self.controller.rejected(h, error);
            if self.h < self.controller.minimum(t, length) {
                return Err(self.controller.too_small(t, length, error));
            }
        }
    }

    /// The solution on a step that was kept last.
    pub(crate) fn interpolant(&mut self, kept: Kept<B, D>) -> Interpolant<B, D>
    where
        M: DenseMethod<B, F, D>,
    {
        let mut attempt = Attempt {
            error: self.x.clone(),
            x: self.x.clone(),
            state: self.state.clone(),
            slopes: kept.slopes,
        };
        let interpolant =
            (self.method).interpolant(self.field, kept.t, kept.s, kept.x, &mut attempt);
        self.state = attempt.state;
        interpolant
    }

    /// What the solve came to, given the evaluations that a counted field has seen.
    pub(crate) fn finish(
        self,
        outcome: Result<(), SolveError>,
        saved: Vec<(f64, Tensor<B, D>)>,
        evaluations: usize,
    ) -> Result<Solution<B, D>, Stopped<B, D>> {
        let solution = Solution {
            t: self.t,
            x: self.x,
            saved,
            statistics: Statistics {
                evaluations,
                ..self.statistics
            },
        };
        match outcome {
            Ok(()) => Ok(solution),
            Err(reason) => Err(Stopped {
                reason,
                partial: Box::new(solution),
            }),
        }
    }
}
