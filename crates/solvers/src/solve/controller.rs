//! The step size controller.
//!
//! accepted: `h' = h·clamp(0.9^i·e_n^{−β1/q}·e_{n−1}^{−β2/q}·e_{n−2}^{−β3/q}, 0.2, 10)`,
//! rejected: `h' = h·clamp(0.9·e^{−1/q}, 0.2, 0.9)`, with q the order of the error estimate and
//! `β1 = p + i + d, β2 = −(p + 2d), β3 = d`
//!
//! Where errors are steady, `h' = h·(0.9·e^{−1/q})^i`: whatever the gains, they settle at 0.9^q of
//! the tolerance, as those of a controller without memory do.
//!
//! A step right after a rejection is not enlarged. Errors are remembered as at least 10⁻⁴, and one
//! below 10⁻⁸ takes the largest factor.
//!
//! Source: Söderlind 2003, "Digital filters in adaptive time-stepping" (PID); Hairer, Nørsett &
//! Wanner 1993, II.4 (the bounds and the starting step).

use super::control::{Control, Pid};
use crate::error::SolveError;

/// Shortens every proposed step a little, so that fewer are rejected narrowly.
const SAFETY: f64 = 0.9;
/// The bounds on the change of a step size.
const FACTORS: (f64, f64) = (0.2, 10.0);

/// Below this error even a controller without memory, of order 8, would take the largest factor.
const NEGLIGIBLE: f64 = 1e-8;

/// The memory of the controller, for one clock.
#[derive(Debug, Clone)]
pub(super) struct Controller {
    control: Control,
    /// 1/q.
    exponent: f64,
    /// `0.9^i`.
    safety: f64,
    /// The powers of e_n, e_{n−1} and e_{n−2}.
    powers: [f64; 3],
    /// e_{n−1} and e_{n−2}.
    errors: (f64, f64),
    just_rejected: bool,
}

/// The step that the controller proposes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Proposal {
    /// Where it ends.
    pub(super) s: f64,
    /// Whether it was cut to end at the limit.
    pub(super) lands: bool,
}

impl Controller {
    pub(super) fn new(control: Control, error_order: f64) -> Self {
        let Pid {
            proportional: p,
            integral: i,
            derivative: d,
        } = control.pid;
        let exponent = 1.0 / error_order;
        Self {
            control,
            exponent,
            safety: SAFETY.powf(i),
            powers: [-(p + i + d), p + 2.0 * d, -d].map(|beta| beta * exponent),
            errors: (1.0, 1.0),
            just_rejected: false,
        }
    }

    /// The smallest step: the resolution of time, or the user's bound.
    pub(super) fn minimum(&self, t: f64, length: f64) -> f64 {
        resolution(t, length).max(self.control.dt_min)
    }

    /// The step from t towards `limit`. One that would leave less than the resolution of time is
    /// stretched, so that it meets the limit exactly.
    pub(super) fn propose(&self, t: f64, h: f64, limit: f64, length: f64) -> Proposal {
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
    pub(super) fn accepted(&mut self, h: f64, error: f64) -> f64 {
        let (first, second) = self.errors;
        let errors = [error.max(NEGLIGIBLE), first, second];
        // With a clock per row, a power of 0 is worth skipping.
        let powers = errors.into_iter().zip(self.powers);
        let powers = powers.filter(|(_, power)| *power != 0.0);
        let factor = powers.fold(self.safety, |factor, (e, power)| factor * e.powf(power));
        // Right after a rejection a step is not enlarged.
        let most = if self.just_rejected { 1.0 } else { FACTORS.1 };
        // After a step with almost no error, the next one would look worse than it is.
        self.errors = (error.max(1e-4), first);
        self.just_rejected = false;
        // An error that is only rounding says nothing about how errors change.
        let factor = if error < NEGLIGIBLE { most } else { factor };
        h * factor.clamp(FACTORS.0, most)
    }

    /// The step after one of size h that was rejected.
    pub(super) fn rejected(&mut self, h: f64, error: f64) -> f64 {
        self.just_rejected = true;
        let factor = if error.is_finite() {
            (SAFETY * error.powf(-self.exponent)).clamp(FACTORS.0, SAFETY)
        } else {
            FACTORS.0
        };
        h * factor
    }

    /// The reason to stop when the step has become too small.
    pub(super) fn too_small(&self, t: f64, length: f64, error: f64) -> SolveError {
        if error.is_finite() {
            let minimum = self.minimum(t, length);
            SolveError::StepSize { minimum, t }
        } else {
            SolveError::NotFinite { t }
        }
    }
}

/// The smallest difference between times that rounding leaves meaningful.
fn resolution(t: f64, length: f64) -> f64 {
    16.0 * f64::EPSILON * t.abs().max(length)
}

/// A first guess from the size of the state and of its slope (both norms scaled by the tolerance).
pub(super) fn first_guess(size: f64, speed: f64, length: f64) -> f64 {
    let guess = if size < 1e-5 || speed < 1e-5 {
        1e-6
    } else {
        0.01 * size / speed
    };
    guess.min(length)
}

/// The starting step, from the change of the slope over the guess.
pub(super) fn starting_step(
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
