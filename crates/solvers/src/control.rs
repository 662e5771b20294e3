//! Control of the step size.
//!
//! accepted: `h' = h·clamp(0.9·e_n^{−β1/q}·e_{n−1}^{−β2/q}·e_{n−2}^{−β3/q}, 1, 10)`, rejected: `h' = h·clamp(0.9·e^{−1/q}, 0.2, 0.9)`,
//! with q the order of the error estimate and `β1 = p + i + d, β2 = −(p + 2d), β3 = d`. A step right after a rejection is not enlarged; the
//! errors remembered are at least 10⁻⁴; one below 10⁻⁸ takes the largest factor.
//!
//! Source: Söderlind 2003, "Digital filters in adaptive time-stepping" (PID); Hairer, Nørsett & Wanner 1993, II.4 (the bounds and
//! the starting step); Gustafsson 1991 (p = 0.4, i = 0.3).

use crate::error::SolveError;

/// The gains of the controller.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pid {
    /// Proportional gain p: damps the change of the error.
    pub proportional: f64,
    /// Integral gain i: 1 alone is the classical controller.
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

/// What an adaptive solve aims for, and within which bounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Control {
    /// Error allowed relative to the state, in one step; 0 or more.
    pub rtol: f64,
    /// Error allowed whatever the state, in one step; positive.
    pub atol: f64,
    /// The gains of the controller.
    pub pid: Pid,
    /// The first step; none estimates it, at the cost of two evaluations.
    pub first_step: Option<f64>,
    /// The smallest step before the solve gives up, except where an end or an output time is nearer. Steps below the resolution of
    /// time are never taken.
    pub dt_min: f64,
    /// The largest step.
    pub dt_max: f64,
    /// Most steps tried, accepted or not.
    pub max_steps: usize,
    /// How many entries of the last axis the error is measured on, for states that carry quadratures behind them; none: all.
    /// More than there are, or 0, panics.
    pub measured: Option<usize>,
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
            measured: None,
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

    pub(crate) fn check(&self, (start, end): (f64, f64)) -> Result<(), SolveError> {
        let Self { rtol, atol, .. } = *self;
        let bounds = |v: f64| v >= 0.0 && v.is_finite();
        // Without an absolute part an entry that is 0 could have no error at all.
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

/// The factor that keeps a step from being rejected by a hair.
const SAFETY: f64 = 0.9;
/// The bounds on the change of a step size.
const FACTORS: (f64, f64) = (0.2, 10.0);

/// An error below which even the controller without memory, of order 8, would take the largest factor.
const NEGLIGIBLE: f64 = 1e-8;

/// The memory of the controller for one solve, or for one sample.
#[derive(Debug, Clone)]
pub(crate) struct Controller {
    control: Control,
    exponent: f64,
    /// e_{n−1} and e_{n−2}.
    errors: (f64, f64),
    just_rejected: bool,
}

/// A step as the controller wants it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Proposal {
    /// Where it ends.
    pub(crate) s: f64,
    /// Whether it was cut to end at the limit.
    pub(crate) lands: bool,
}

impl Controller {
    pub(crate) fn new(control: Control, error_order: f64) -> Self {
        Self {
            control,
            exponent: 1.0 / error_order,
            errors: (1.0, 1.0),
            just_rejected: false,
        }
    }

    /// The resolution of time, or the user's own bound.
    pub(crate) fn minimum(&self, t: f64, length: f64) -> f64 {
        resolution(t, length).max(self.control.dt_min)
    }

    /// The step from t towards `limit`. One that would leave less than the resolution of time is stretched, so that the limit is met
    /// exactly.
    pub(crate) fn propose(&self, t: f64, h: f64, limit: f64, length: f64) -> Proposal {
        let resolution = resolution(t, length);
        let h = h.min(self.control.dt_max).max(self.minimum(t, length));
        let remaining = (limit - t).abs();
        let lands = h >= remaining - resolution;
        let s = if lands {
            limit
        } else {
            t + (limit - t).signum() * h
        };
        Proposal { s, lands }
    }

    /// The step after one of size h with an error of at most 1.
    pub(crate) fn accepted(&mut self, h: f64, error: f64) -> f64 {
        let Pid {
            proportional: p,
            integral: i,
            derivative: d,
        } = self.control.pid;
        let (first, second) = self.errors;
        let floored = error.max(NEGLIGIBLE);
        let factor = SAFETY
            * floored.powf(-(p + i + d) * self.exponent)
            * first.powf((p + 2.0 * d) * self.exponent)
            * second.powf(-d * self.exponent);
        // An accepted step never shrinks the next one, nor does one right after a rejection enlarge it.
        let most = if self.just_rejected { 1.0 } else { FACTORS.1 };
        // A step almost without error would make the next one look worse than it is.
        self.errors = (error.max(1e-4), first);
        self.just_rejected = false;
        // Of an error that is nothing but rounding the memory would make too much.
        let factor = if error < NEGLIGIBLE { most } else { factor };
        h * factor.clamp(1.0, most)
    }

    /// The step after one of size h that was not kept.
    pub(crate) fn rejected(&mut self, h: f64, error: f64) -> f64 {
        self.just_rejected = true;
        let factor = if error.is_finite() {
            (SAFETY * error.powf(-self.exponent)).clamp(FACTORS.0, SAFETY)
        } else {
            FACTORS.0
        };
        h * factor
    }

    /// Why a step that has become this small is the last.
    pub(crate) fn too_small(&self, t: f64, length: f64, error: f64) -> SolveError {
        if error.is_finite() {
            let minimum = self.minimum(t, length);
            SolveError::StepSize { minimum, t }
        } else {
            SolveError::NotFinite { t }
        }
    }
}

fn resolution(t: f64, length: f64) -> f64 {
    16.0 * f64::EPSILON * t.abs().max(length)
}

/// A first guess by the size of the state and of its slope (both norms scaled by the tolerance).
pub(crate) fn first_guess(size: f64, speed: f64, length: f64) -> f64 {
    let guess = if size < 1e-5 || speed < 1e-5 {
        1e-6
    } else {
        0.01 * size / speed
    };
    guess.min(length)
}

/// The starting step, by the change of the slope over the guess (Hairer, Nørsett & Wanner 1993, II.4, "Starting Step Size").
pub(crate) fn starting_step(
    guess: f64,
    speed: f64,
    curvature: f64,
    order: usize,
    length: f64,
) -> f64 {
    let largest = speed.max(curvature);
    let by_error = if largest <= 1e-15 {
        (guess * 1e-3).max(1e-6)
    } else {
        (0.01 / largest).powf(1.0 / (order as f64 + 1.0))
    };
    let step = if by_error.is_finite() {
        by_error.min(100.0 * guess)
    } else {
        guess
    };
    step.min(length)
}
