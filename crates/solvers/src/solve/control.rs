//! The tolerance of an adaptive solve, and the bounds on its steps.
//!
//! A step is kept if `rms(e/(atol + rtol·max(|x|, |x'|))) ≤ 1`, and steps are chosen so that this
//! settles at 0.9^q, with q the order of the error estimate
//!
//! Source: Hairer, Nørsett & Wanner 1993, II.4; Gustafsson 1991 (p = 0.4, i = 0.3).

use crate::error::SolveError;

/// The gains of the step size controller.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pid {
    /// Proportional gain p, which damps changes of the error.
    pub proportional: f64,
    /// Integral gain i. A gain of 1 and no others is the classical controller.
    pub integral: f64,
    /// Derivative gain d.
    pub derivative: f64,
}

impl Default for Pid {
    /// Gustafsson's PI controller.
    fn default() -> Self {
        Self {
            proportional: 0.4,
            integral: 0.3,
            derivative: 0.0,
        }
    }
}

/// The tolerance of an adaptive solve, and the bounds on its steps.
///
/// ```
/// use pyroclast_solvers::Control;
///
/// let control = Control { max_steps: 500, ..Control::tolerance(1e-6) };
/// assert_eq!((control.rtol, control.atol), (1e-6, 1e-6));
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Control {
    /// The error allowed in one step, relative to the state; 0 or more.
    pub rtol: f64,
    /// The error allowed in one step, however small the state; positive.
    pub atol: f64,
    /// The gains of the step size controller.
    pub pid: Pid,
    /// The first step. `None` estimates it, which costs two evaluations.
    pub first_step: Option<f64>,
    /// The solve gives up when a step becomes smaller than this, unless the end or a time to land
    /// on is nearer. Steps below the resolution of time are never taken.
    pub dt_min: f64,
    /// The largest step. Zeros of an [`Event`](crate::Event) are all seen if they lie further apart
    /// than an eighth of it.
    pub dt_max: f64,
    /// The largest number of steps tried, accepted or not.
    pub max_steps: usize,
}

impl Default for Control {
    fn default() -> Self {
        Self {
            rtol: 1e-5,
            atol: 1e-5,
            pid: Pid::default(),
            first_step: None,
            dt_min: 0.0,
            dt_max: f64::INFINITY,
            max_steps: 10_000,
        }
    }
}

impl Control {
    /// The defaults with `rtol = atol = tolerance`.
    pub fn tolerance(tolerance: f64) -> Self {
        Self {
            rtol: tolerance,
            atol: tolerance,
            ..Self::default()
        }
    }

    pub(super) fn check(&self, (start, end): (f64, f64)) -> Result<(), SolveError> {
        let Self { rtol, atol, .. } = *self;
        let bounds = |v: f64| v >= 0.0 && v.is_finite();
        // Without an absolute part, an entry that is 0 could not have any error.
        if !(bounds(rtol) && bounds(atol) && atol > 0.0) {
            return Err(SolveError::Tolerance { rtol, atol });
        }
        if !(start.is_finite() && end.is_finite()) {
            return Err(SolveError::Span { start, end });
        }
        let (dt_min, dt_max) = (self.dt_min, self.dt_max);
        if !(dt_min >= 0.0 && dt_max > 0.0 && dt_min <= dt_max) {
            return Err(SolveError::StepBounds { dt_min, dt_max });
        }
        match self.first_step {
            Some(step) if !(step > 0.0 && step.is_finite()) => Err(SolveError::FirstStep { step }),
            _ => Ok(()),
        }
    }
}
