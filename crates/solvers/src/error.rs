//! What can go wrong in a solve.

/// Why a solve stopped before its end.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SolveError {
    /// A tolerance is not a positive number.
    #[error(
        "tolerance rtol = {rtol}, atol = {atol} does not bound an error; give a finite rtol of 0 or more and a finite positive atol"
    )]
    Tolerance {
        /// Relative tolerance.
        rtol: f64,
        /// Absolute tolerance.
        atol: f64,
    },
    /// An end of the time span is not a number.
    #[error("cannot integrate from t = {start} to t = {end}; give two finite times")]
    Span {
        /// First time.
        start: f64,
        /// Last time.
        end: f64,
    },
    /// The bounds of the step size cross.
    #[error(
        "no step lies between dt_min = {dt_min} and dt_max = {dt_max}; give 0 ≤ dt_min ≤ dt_max"
    )]
    StepBounds {
        /// The lower bound.
        dt_min: f64,
        /// The upper bound.
        dt_max: f64,
    },
    /// The first step is not one.
    #[error(
        "first step {step} does not advance; give a positive one, or none to have it estimated"
    )]
    FirstStep {
        /// The step.
        step: f64,
    },
    /// The state was asked for at a time that the solve does not come past.
    #[error("time {time} lies outside of the span from {start} to {end}; ask for times within it")]
    OutsideSpan {
        /// The time.
        time: f64,
        /// First time.
        start: f64,
        /// Last time.
        end: f64,
    },
    /// The controller asks for steps below the resolution of time.
    #[error("step size fell below {minimum:e} at t = {t}; loosen rtol/atol or use a fixed grid")]
    StepSize {
        /// The smallest step.
        minimum: f64,
        /// Where it was reached.
        t: f64,
    },
    /// Too many steps.
    #[error(
        "{limit} steps did not reach the end and stopped at t = {t}; raise the step limit or loosen rtol/atol"
    )]
    StepLimit {
        /// The limit.
        limit: usize,
        /// Where it was reached.
        t: f64,
    },
    /// The field gives infinite or undefined values.
    #[error("the field is not finite at t = {t}; start or stop short of a singular end")]
    NotFinite {
        /// Where.
        t: f64,
    },
}
