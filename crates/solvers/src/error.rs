//! Errors of a solve.
//!
//! Each message gives the value that is wrong, and what to do about it.

/// Why a solve stopped before its end.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SolveError {
    /// A tolerance is not a positive number.
    #[error(
        "a tolerance of rtol = {rtol}, atol = {atol} does not bound an error; \
         give a finite rtol of 0 or more and a finite, positive atol"
    )]
    Tolerance {
        /// Relative tolerance.
        rtol: f64,
        /// Absolute tolerance.
        atol: f64,
    },
    /// A time of the span is not finite.
    #[error("cannot integrate from t = {start} to t = {end}; give two finite times")]
    Span {
        /// First time.
        start: f64,
        /// Last time.
        end: f64,
    },
    /// The bounds of the step size leave no room.
    #[error(
        "no step lies between dt_min = {dt_min} and dt_max = {dt_max}; give 0 ≤ dt_min ≤ dt_max"
    )]
    StepBounds {
        /// The lower bound.
        dt_min: f64,
        /// The upper bound.
        dt_max: f64,
    },
    /// The first step is not a positive number.
    #[error(
        "a first step of {step} does not advance; give a positive number, or none to estimate it"
    )]
    FirstStep {
        /// The step.
        step: f64,
    },
    /// A time to save lies outside the span.
    #[error("time {time} lies outside the span from {start} to {end}; ask for times within it")]
    OutsideSpan {
        /// The time.
        time: f64,
        /// First time.
        start: f64,
        /// Last time.
        end: f64,
    },
    /// The steps became too small.
    #[error("step size fell below {minimum:e} at t = {t}; loosen rtol/atol or use a fixed grid")]
    StepSize {
        /// The smallest step.
        minimum: f64,
        /// The time at which it was reached.
        t: f64,
    },
    /// There were too many steps.
    #[error(
        "{limit} steps did not reach the end and stopped at t = {t}; \
         raise the step limit or loosen rtol/atol"
    )]
    StepLimit {
        /// The limit.
        limit: usize,
        /// The time at which it was reached.
        t: f64,
    },
    /// The state is rounded by more than the tolerance allows.
    #[error(
        "a tolerance of rtol = {rtol}, atol = {atol} is below the rounding of the state, which is \
         {epsilon:.1e} of its size; loosen it, or compute in double precision"
    )]
    Precision {
        /// Relative tolerance.
        rtol: f64,
        /// Absolute tolerance.
        atol: f64,
        /// The rounding of the state's numbers, relative to their size.
        epsilon: f64,
    },
    /// The function of an event is undefined.
    #[error(
        "the function of event {event} is not a number at t = {t}; make it one wherever the solve \
         may pass"
    )]
    EventNotANumber {
        /// Which event, counted from 0.
        event: usize,
        /// The time.
        t: f64,
    },
    /// The values of the field are infinite or undefined.
    #[error(
        "the field is not finite at t = {t}; \
         if it is singular there, start later or stop earlier"
    )]
    NotFinite {
        /// The time.
        t: f64,
    },
}
