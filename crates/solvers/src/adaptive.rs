//! The adaptive loop: step sizes from an error estimate.
//!
//! `err = rms(e/(atol + rtol·max(|x|, |x'|)))`, accepted where err ≤ 1; the next step is h times
//! `0.9·err_n^{−0.7/q}·err_{n−1}^{0.4/q}`, within [1, 10]; a rejected one is tried again with h times `0.9·err^{−1/q}` within [0.2, 0.9],
//! with q the order of the error estimate
//!
//! Source: Hairer, Nørsett & Wanner 1993, II.4; the PI coefficients are Gustafsson's (1991). The loop reads one number from
//! the device a step: the error.

use crate::error::SolveError;
use crate::method::EmbeddedMethod;
use burn::tensor::backend::Backend;
use burn::tensor::{ElementConversion, Tensor};
use pyroclast_core::field::Counted;

/// What an adaptive solve aims for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tolerance {
    /// Error allowed relative to the state.
    pub rtol: f64,
    /// Error allowed whatever the state.
    pub atol: f64,
    /// Most steps tried, accepted or not.
    pub max_steps: usize,
}

impl Default for Tolerance {
    fn default() -> Self {
        Self {
            rtol: 1e-5,
            atol: 1e-5,
            max_steps: 10_000,
        }
    }
}

/// What a solve cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statistics {
    /// Steps that were kept.
    pub steps: usize,
    /// Steps that were tried and not kept.
    pub rejections: usize,
    /// Evaluations of the field (the text's NFE).
    pub evaluations: usize,
}

/// The end of an adaptive solve.
#[derive(Debug, Clone)]
pub struct Solution<B: Backend, const D: usize> {
    /// The state at the end of the span.
    pub x: Tensor<B, D>,
    /// What it cost.
    pub statistics: Statistics,
}

/// The factor that keeps a step from being rejected by a hair.
const SAFETY: f64 = 0.9;
/// The bounds on the change of a step size.
const FACTORS: (f64, f64) = (0.2, 10.0);

/// The state at the end of `span`, with steps as long as the tolerance allows.
///
/// The step size is one for the whole batch, and so the error is its root mean square over the batch. Forward or backward in
/// time; an empty span returns x.
///
/// # Errors
/// [`SolveError`], for a tolerance that is not positive, a span that is not finite, a field that is not finite, and a step size or number
/// of steps that goes past its bound.
pub fn integrate_adaptive<B, F, M, const D: usize>(
    field: &F,
    method: &M,
    x: Tensor<B, D>,
    span: (f64, f64),
    tolerance: Tolerance,
) -> Result<Solution<B, D>, SolveError>
where
    B: Backend,
    F: ?Sized,
    M: for<'a> EmbeddedMethod<B, Counted<'a, F>, D>,
{
    let (start, end) = span;
    let Tolerance { rtol, atol, .. } = tolerance;
    let bounds = |v: f64| v >= 0.0 && v.is_finite();
    if !(bounds(rtol) && bounds(atol) && rtol + atol > 0.0) {
        return Err(SolveError::Tolerance { rtol, atol });
    }
    if !(start.is_finite() && end.is_finite()) {
        return Err(SolveError::Span { start, end });
    }
    let mut statistics = Statistics::default();
    if start == end || x.shape().num_elements() == 0 {
        return Ok(Solution { x, statistics });
    }

    let field = Counted::new(field);
    let length = (end - start).abs();
    let direction = (end - start).signum();
    let (mut t, mut x) = (start, x);
    let mut state = method.init(&field, t, &x);
    let mut h = starting_step(method, &field, t, end, &x, &mut state, tolerance)?;
    let exponent = 1.0 / <M as EmbeddedMethod<B, Counted<'_, F>, D>>::error_order(method) as f64;
    let mut previous_error = 1.0_f64;
    let mut just_rejected = false;

    loop {
        let minimum = 16.0 * f64::EPSILON * t.abs().max(length);
        let remaining = (end - t).abs();
        // A step that would leave less than the resolution of time is stretched to the end, which is met exactly.
        let last = h >= remaining - minimum;
        let s = if last { end } else { t + direction * h };
        if statistics.steps + statistics.rejections >= tolerance.max_steps {
            let limit = tolerance.max_steps;
            return Err(SolveError::StepLimit { limit, t });
        }
        let (next, error, next_state) =
            method.step_with_error(&field, t, s, x.clone(), state.clone());
        let error = scaled_norm(error, &x, &next, tolerance);
        let h_tried = (s - t).abs();
        if error <= 1.0 {
            statistics.steps += 1;
            statistics.evaluations = field.evaluations();
            (x, state) = (next, next_state);
            if last {
                return Ok(Solution { x, statistics });
            }
            t = s;
            let error = error.max(1e-10);
            let factor = SAFETY * error.powf(-0.7 * exponent) * previous_error.powf(0.4 * exponent);
            // An accepted step never shrinks the next one, nor does one right after a rejection enlarge it.
            let most = if just_rejected { 1.0 } else { FACTORS.1 };
            h = h_tried * factor.clamp(1.0_f64.min(most), most);
            // A step almost without error would make the next one look worse than it is.
            previous_error = error.max(1e-4);
            just_rejected = false;
        } else {
            statistics.rejections += 1;
            let factor = if error.is_finite() {
                (SAFETY * error.powf(-exponent)).clamp(FACTORS.0, SAFETY)
            } else {
                FACTORS.0
            };
            h = h_tried * factor;
            just_rejected = true;
            if h < minimum {
                return Err(if error.is_finite() {
                    SolveError::StepSize { minimum, t }
                } else {
                    SolveError::NotFinite { t }
                });
            }
        }
    }
}

/// `rms(e/(atol + rtol·max(|x|, |x'|)))`, read back to the host.
fn scaled_norm<B: Backend, const D: usize>(
    error: Tensor<B, D>,
    x: &Tensor<B, D>,
    next: &Tensor<B, D>,
    tolerance: Tolerance,
) -> f64 {
    let largest = x.clone().abs().max_pair(next.clone().abs());
    let scale = largest * tolerance.rtol + tolerance.atol;
    rms(error / scale)
}

fn rms<B: Backend, const D: usize>(x: Tensor<B, D>) -> f64 {
    x.square().mean().into_scalar().elem::<f64>().sqrt()
}

/// A first step by the size of the field and of its change (Hairer, Nørsett & Wanner 1993, II.4, "Starting Step Size").
fn starting_step<B, F, M, const D: usize>(
    method: &M,
    field: &F,
    t: f64,
    end: f64,
    x: &Tensor<B, D>,
    state: &mut M::State,
    tolerance: Tolerance,
) -> Result<f64, SolveError>
where
    B: Backend,
    F: ?Sized,
    M: EmbeddedMethod<B, F, D>,
{
    let direction = (end - t).signum();
    let length = (end - t).abs();
    let scale = x.clone().abs() * tolerance.rtol + tolerance.atol;
    let slope = method.first_slope(field, t, x, state);
    let size = rms(x.clone() / scale.clone());
    let speed = rms(slope.clone() / scale.clone());
    if !speed.is_finite() {
        return Err(SolveError::NotFinite { t });
    }
    let guess = if size < 1e-5 || speed < 1e-5 {
        1e-6
    } else {
        0.01 * size / speed
    };
    let guess = guess.min(length);
    let ahead = x.clone() + slope.clone() * (direction * guess);
    let change = method.slope(field, t + direction * guess, ahead) - slope;
    let curvature = rms(change / scale) / guess;
    let largest = speed.max(curvature);
    let by_error = if largest <= 1e-15 {
        (guess * 1e-3).max(1e-6)
    } else {
        (0.01 / largest).powf(1.0 / (method.order() as f64 + 1.0))
    };
    let step = if by_error.is_finite() {
        by_error.min(100.0 * guess)
    } else {
        guess
    };
    Ok(step.min(length))
}
