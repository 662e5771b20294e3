//! Events: stopping where a function of time and state changes sign.
//!
//! `t* = min { t : g_j(t, x(t)) = 0 with the asked direction, for some j }`
//!
//! A step is searched at several of its inner points for the first change of sign, so that two changes in one step are seen, and the zero
//! is then bisected on the dense output to the resolution of time.

use crate::adaptive::Stepper;
use crate::control::Control;
use crate::interpolant::Interpolant;
use crate::method::DenseMethod;
use crate::solution::{Solution, Stopped};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::field::Counted;
use std::fmt;

/// Parts of a step that are searched for a change of sign.
const PARTS: usize = 8;

/// Which changes of sign count, seen along the solve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Direction {
    /// From negative to positive.
    Rising,
    /// From positive to negative.
    Falling,
    /// Both.
    #[default]
    Any,
}

impl Direction {
    fn admits(self, from: f64, to: f64) -> bool {
        match self {
            Self::Rising => from < 0.0 && to >= 0.0,
            Self::Falling => from > 0.0 && to <= 0.0,
            Self::Any => (from < 0.0 && to >= 0.0) || (from > 0.0 && to <= 0.0),
        }
    }
}

/// The function of an event.
type Function<'a, B, const D: usize> = Box<dyn Fn(f64, &Tensor<B, D>) -> f64 + 'a>;

/// A function whose zero ends the solve.
pub struct Event<'a, B: Backend, const D: usize> {
    function: Function<'a, B, D>,
    direction: Direction,
}

impl<B: Backend, const D: usize> fmt::Debug for Event<'_, B, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Event({:?})", self.direction)
    }
}

impl<'a, B: Backend, const D: usize> Event<'a, B, D> {
    /// `g(t, x)`, one number for the whole batch. A zero where the solve starts is not an event.
    pub fn new(function: impl Fn(f64, &Tensor<B, D>) -> f64 + 'a, direction: Direction) -> Self {
        Self {
            function: Box::new(function),
            direction,
        }
    }
}

/// A solve up to its first event.
#[derive(Debug, Clone)]
pub struct EventSolution<B: Backend, const D: usize> {
    /// The time and state of the event, or of the end of the span.
    pub solution: Solution<B, D>,
    /// Which event it was; none if the end was reached first.
    pub event: Option<usize>,
}

/// [`integrate_adaptive`](crate::integrate_adaptive) up to the first event, if there is one within the span.
///
/// A function is evaluated nine times a step, each of which may wait for the device, and some fifty times to locate its zero.
///
/// # Errors
/// [`Stopped`].
pub fn integrate_until<B, F, M, const D: usize>(
    field: &F,
    method: &M,
    x: Tensor<B, D>,
    span: (f64, f64),
    events: &[Event<'_, B, D>],
    control: Control,
) -> Result<EventSolution<B, D>, Stopped<B, D>>
where
    B: Backend,
    F: ?Sized,
    M: for<'a> DenseMethod<B, Counted<'a, F>, D>,
{
    let field = Counted::new(field);
    let mut solver = Stepper::new(&field, method, x, span, control);
    let mut event = None;
    let mut run = || {
        solver.start()?;
        let mut signs: Vec<f64> = (events.iter())
            .map(|event| (event.function)(solver.t, &solver.x))
            .collect();
        while !solver.is_done() {
            let kept = solver.step(span.1)?;
            let step = solver.interpolant(kept);
            if let Some((index, t, x)) = first_zero(&step, events, &mut signs) {
                event = Some(index);
                (solver.t, solver.x) = (t, x);
                break;
            }
        }
        Ok(())
    };
    let outcome = run();
    let solution = solver.finish(outcome, Vec::new(), field.evaluations())?;
    Ok(EventSolution { solution, event })
}

/// The first zero on a step; `signs` holds the last value of each function that was not zero.
fn first_zero<B: Backend, const D: usize>(
    step: &Interpolant<B, D>,
    events: &[Event<'_, B, D>],
    signs: &mut [f64],
) -> Option<(usize, f64, Tensor<B, D>)> {
    let at = |part: usize| match part {
        PARTS => step.s,
        _ => step.t + (step.s - step.t) * part as f64 / PARTS as f64,
    };
    for part in 1..=PARTS {
        let (from, to) = (at(part - 1), at(part));
        let x = step.at(to);
        let mut first: Option<(usize, f64)> = None;
        for (index, (event, last)) in events.iter().zip(signs.iter_mut()).enumerate() {
            let value = (event.function)(to, &x);
            if event.direction.admits(*last, value) {
                let zero = bisect(step, event, (from, to), last.signum());
                let is_earlier = |(_, t): (usize, f64)| (zero - step.t).abs() < (t - step.t).abs();
                if first.is_none_or(is_earlier) {
                    first = Some((index, zero));
                }
            }
            if value != 0.0 {
                *last = value;
            }
        }
        if let Some((index, t)) = first {
            return Some((index, t, step.at(t)));
        }
    }
    None
}

/// The end of the last interval on whose left the function still has its old sign.
fn bisect<B: Backend, const D: usize>(
    step: &Interpolant<B, D>,
    event: &Event<'_, B, D>,
    (mut left, mut right): (f64, f64),
    sign: f64,
) -> f64 {
    let resolution = 4.0 * f64::EPSILON * left.abs().max(right.abs());
    while (right - left).abs() > resolution {
        let middle = 0.5 * (left + right);
        if middle == left || middle == right {
            break;
        }
        if (event.function)(middle, &step.at(middle)) * sign > 0.0 {
            left = middle;
        } else {
            right = middle;
        }
    }
    right
}
