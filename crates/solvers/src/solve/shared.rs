//! Steps that the whole batch shares.
//!
//! `rms(e/(atol + rtol·max(|x|, |x'|)))` over all samples

use super::clocking::Clocking;
use super::segment::Segment;
use super::stepping::Stepping;
use crate::dense::KeptStep;
use crate::method::{Attempt, EmbeddedMethod};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::field::Counted;
use pyroclast_kernels::{scaled_rms, scaled_rms_parts};

/// Any embedded method, with one clock for the batch. A step reads one number from the device.
pub(super) struct Shared<'a, 'f, F: ?Sized, M> {
    pub(super) field: &'a Counted<'f, F>,
    pub(super) method: &'a M,
    pub(super) tolerances: (f64, f64),
    pub(super) measured: Measured,
}

/// Which entries of the last axis the error is measured on, for states that carry integrals behind
/// their first n entries.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Measured {
    /// All together.
    All,
    /// The first n: the integrals follow from them and are not the answer.
    First(usize),
    /// The first n, and the rest apart from them: an integral that is the answer must not be lost
    /// among thousands of entries.
    Apart(usize),
}

impl<'f, B, F, M, const D: usize> Stepping<B, D> for Shared<'_, 'f, F, M>
where
    B: Backend,
    F: ?Sized,
    M: EmbeddedMethod<B, Counted<'f, F>, D>,
{
    type State = M::State;

    fn clocking(&self) -> Clocking {
        Clocking::Shared
    }

    fn order(&self) -> usize {
        self.method.order()
    }

    fn error_order(&self) -> f64 {
        self.method.error_order()
    }

    fn init(&self, t: f64, x: &Tensor<B, D>) -> M::State {
        self.method.init(self.field, t, x)
    }

    fn first_slope(&self, t: f64, x: &Tensor<B, D>, state: &mut M::State) -> Tensor<B, D> {
        self.method.first_slope(self.field, t, x, state)
    }

    fn slope(&self, t: &[f64], x: Tensor<B, D>, _: &M::State) -> Tensor<B, D> {
        self.method.slope(self.field, t[0], x)
    }

    fn landing(&self, t: f64, s: f64) -> f64 {
        self.method.landing(t, s)
    }

    fn attempt(
        &self,
        t: &[f64],
        s: &[f64],
        x: &Tensor<B, D>,
        state: &mut M::State,
    ) -> Attempt<B, M::State, D> {
        (self.method).step_with_error(self.field, t[0], s[0], x.clone(), state.clone())
    }

    fn norms(&self, error: Tensor<B, D>, x: &Tensor<B, D>, y: &Tensor<B, D>) -> Vec<f64> {
        let norm = |error, first| scaled_rms(error, x, y, self.tolerances, first);
        vec![match self.measured {
            Measured::All => norm(error, None),
            Measured::First(n) => norm(error, Some(n)),
            Measured::Apart(n) => {
                let [state, integral] = scaled_rms_parts(error, x, y, self.tolerances, n);
                // Not `max`, which would drop a NaN.
                if state > integral || state.is_nan() {
                    state
                } else {
                    integral
                }
            }
        }]
    }

    fn segment(
        &self,
        t: &[f64],
        s: &[f64],
        x: &Tensor<B, D>,
        attempt: &mut Attempt<B, M::State, D>,
        _: &[bool],
        _: &[bool],
    ) -> Segment<B, D> {
        let step = KeptStep {
            t: t[0],
            s: s[0],
            start: x.clone(),
            end: attempt.x.clone(),
            slopes: attempt.slopes.clone(),
        };
        Segment::Shared((self.method).interpolant(self.field, step, &mut attempt.state))
    }

    fn settle(
        &self,
        kept: &[bool],
        (x, mut state): (Tensor<B, D>, M::State),
        attempt: Attempt<B, M::State, D>,
    ) -> (Tensor<B, D>, M::State) {
        if kept[0] {
            return (attempt.x, attempt.state);
        }
        self.method.retry(&mut state, attempt.slopes);
        (x, state)
    }

    fn keep(&self, _: &mut M::State, _: &[usize]) {}

    fn evaluations(&self, _: usize) -> usize {
        self.field.evaluations()
    }
}
