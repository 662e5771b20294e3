//! Events: stopping where a function of time and state changes sign.
//!
//! `t* = min { t : g_j(t, x(t)) = 0 with the required direction, for some j }`
//!
//! The first change of sign is searched at several inner points of a step, so that two changes in
//! one step are seen. The zero is then bisected on the dense output, to the resolution of time.

use super::segment::Segment;
use burn::tensor::backend::Backend;
use burn::tensor::{ElementConversion, Tensor};
use pyroclast_core::per_sample::from_host;
use std::fmt;
use std::rc::Rc;

/// A step is divided into this many parts to search for a change of sign.
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
type Function<'a, B, const D: usize> = Rc<dyn Fn(f64, &Tensor<B, D>) -> f64 + 'a>;

/// A function whose zero ends the solve.
#[derive(Clone)]
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
    /// `g(t, x)`: one number for the whole batch or, where each sample has steps of its own, for a
    /// sample `[1, …]`. A zero at the start of the solve, up to rounding, is not an event: a solve
    /// that begins where another ended by the same event leaves that zero behind.
    ///
    /// Two zeros within an eighth of a step are not seen, nor is a touch without a change of sign;
    /// [`Control::dt_max`](crate::Control::dt_max) bounds the step where that matters. A function
    /// that is NaN where it is asked stops the solve, or the sample.
    ///
    /// On an autodiff backend the time of the event is a constant: gradients of the solution are
    /// those of the state at that time, without the change of the time itself. Write the function
    /// on tensors ([`Event::of_tensors`]), and
    /// [`gradient::at_event`](crate::gradient::at_event) gives time and state with both.
    ///
    /// The function is evaluated eight times per step and some fifty times to locate its zero. Each
    /// time it may wait for the device.
    pub fn new(function: impl Fn(f64, &Tensor<B, D>) -> f64 + 'a, direction: Direction) -> Self {
        Self {
            function: Rc::new(function),
            direction,
        }
    }

    /// [`Event::new`] for a function on tensors: of t `[1]` and x to `[1]`.
    pub fn of_tensors(
        function: impl Fn(Tensor<B, 1>, Tensor<B, D>) -> Tensor<B, 1> + 'a,
        direction: Direction,
    ) -> Self {
        let value = move |t: f64, x: &Tensor<B, D>| {
            let t = from_host(vec![t], [1], &x.device(), x.dtype());
            // The search leaves nothing on a tape.
            function(t, x.clone().detach()).into_scalar().elem::<f64>()
        };
        Self::new(value, direction)
    }

    pub(super) fn value(&self, t: f64, x: &Tensor<B, D>) -> f64 {
        (self.function)(t, x)
    }
}

/// A step to be searched.
pub(super) struct Searched {
    /// The clock's place among the active ones.
    pub(super) clock: usize,
    pub(super) t: f64,
    pub(super) s: f64,
    /// The last value of each function that was not zero.
    pub(super) signs: Vec<f64>,
    /// The first event on the step and its time, once it has been found.
    pub(super) hit: Option<(usize, f64)>,
    /// An event whose function is not a number at some time of the step, and that time.
    pub(super) lost: Option<(usize, f64)>,
}

impl Searched {
    fn at(&self, part: usize) -> f64 {
        match part {
            PARTS => self.s,
            _ => self.t + (self.s - self.t) * part as f64 / PARTS as f64,
        }
    }
}

/// Finds the first event on each of the steps.
pub(super) fn search<B: Backend, const D: usize>(
    events: &[Event<'_, B, D>],
    segment: &Segment<B, D>,
    steps: &mut [Searched],
    is_at_start: impl Fn(f64) -> bool,
) {
    for part in 1..=PARTS {
        let mut open: Vec<&mut Searched> = (steps.iter_mut())
            .filter(|step| step.hit.is_none() && step.lost.is_none())
            .collect();
        let asked: Vec<(usize, f64)> = (open.iter())
            .map(|step| (step.clock, step.at(part)))
            .collect();
        for (step, x) in open.iter_mut().zip(segment.each(&asked)) {
            search_part(events, segment, step, part, &x, &is_at_start);
        }
    }
}

fn search_part<B: Backend, const D: usize>(
    events: &[Event<'_, B, D>],
    segment: &Segment<B, D>,
    step: &mut Searched,
    part: usize,
    x: &Tensor<B, D>,
    is_at_start: &impl Fn(f64) -> bool,
) {
    let (from, to) = (step.at(part - 1), step.at(part));
    for (index, event) in events.iter().enumerate() {
        let value = event.value(to, x);
        if value.is_nan() {
            step.lost = Some((index, to));
            return;
        }
        let last = step.signs[index];
        if event.direction.admits(last, value) {
            let at = |time: f64| {
                let x = segment.each(&[(step.clock, time)]).pop();
                event.value(time, &x.expect("one state was asked for"))
            };
            let zero = match bisect(at, (from, to), last.signum()) {
                Ok(zero) => zero,
                Err(t) => {
                    step.lost = Some((index, t));
                    return;
                }
            };
            let is_earlier = |(_, t): (usize, f64)| (zero - step.t).abs() < (t - step.t).abs();
            if !is_at_start(zero) && step.hit.is_none_or(is_earlier) {
                step.hit = Some((index, zero));
            }
        }
        if value != 0.0 {
            step.signs[index] = value;
        }
    }
}

/// The end of the last interval at whose left end the function still has its old sign, or a time at
/// which it is not a number.
fn bisect(
    at: impl Fn(f64) -> f64,
    (mut left, mut right): (f64, f64),
    sign: f64,
) -> Result<f64, f64> {
    let resolution = 4.0 * f64::EPSILON * left.abs().max(right.abs());
    while (right - left).abs() > resolution {
        let middle = 0.5 * (left + right);
        if middle == left || middle == right {
            break;
        }
        match at(middle) * sign {
            value if value.is_nan() => return Err(middle),
            value if value > 0.0 => left = middle,
            _ => right = middle,
        }
    }
    Ok(right)
}
