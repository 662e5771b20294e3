//! Steps that each sample takes on its own.
//!
//! `k_i = h·u(t + c_i·h, x + Σ_{j<i} a_ij·k_j)`, with t and h per row
//!
//! Sample i has its own time, step and error, and its result does not depend on the rest of the
//! batch. A sample that has reached the end, or has failed, leaves the batch and is no longer
//! evaluated.

use super::clocking::Clocking;
use super::segment::Segment;
use super::stepping::Stepping;
use crate::dense::{DenseStep, DenseWeights, INNER, KeptStep};
use crate::method::Attempt;
use crate::rows::{choose, select};
use crate::runge_kutta::EmbeddedRk;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::field::BatchField;
use pyroclast_core::per_sample::PerSample;
use pyroclast_kernels::scaled_rms_rows;
use std::cell::RefCell;

/// A Runge–Kutta pair, with one clock per row. A step reads one row of errors from the device.
pub(super) struct Own<'a, F: ?Sized> {
    field: &'a F,
    method: &'a EmbeddedRk,
    tolerances: (f64, f64),
    /// One count per sample of the batch.
    evaluations: RefCell<Vec<usize>>,
}

/// The sample of each row, and the slopes with which the next steps start.
pub(super) struct Rows<B: Backend, const D: usize> {
    samples: Vec<usize>,
    /// The slope of a row that is not `known` is arbitrary, and never read.
    slopes: Option<Tensor<B, D>>,
    known: Vec<bool>,
}

impl<'a, F: ?Sized> Own<'a, F> {
    pub(super) fn new(
        field: &'a F,
        method: &'a EmbeddedRk,
        tolerances: (f64, f64),
        batch: usize,
    ) -> Self {
        Self {
            field,
            method,
            tolerances,
            evaluations: RefCell::new(vec![0; batch]),
        }
    }

    fn evaluate<B: Backend, const D: usize>(
        &self,
        t: &[f64],
        x: Tensor<B, D>,
        samples: &[usize],
    ) -> Tensor<B, D>
    where
        F: BatchField<B, D>,
    {
        let mut evaluations = self.evaluations.borrow_mut();
        samples.iter().for_each(|&sample| evaluations[sample] += 1);
        self.field.velocities(t, x, samples)
    }

    /// The states of some rows after the share θ of their steps, with their slopes times the
    /// steps. Other rows are arbitrary.
    fn within<B: Backend, const D: usize>(
        &self,
        theta: f64,
        (t, s): (&[f64], &[f64]),
        (x, first): (&Tensor<B, D>, &Tensor<B, D>),
        samples: &[usize],
        which: &[bool],
    ) -> (Tensor<B, D>, Tensor<B, D>)
    where
        F: BatchField<B, D>,
    {
        let rows: Vec<usize> = (0..which.len()).filter(|&k| which[k]).collect();
        let of = |values: &[f64]| -> Vec<f64> { rows.iter().map(|&k| values[k]).collect() };
        let (t, s) = (of(t), of(s));
        let samples: Vec<usize> = rows.iter().map(|&k| samples[k]).collect();
        let x = select(x.clone(), &rows);
        let steps = lengths(&t, &s, &x);
        let slope = |c: f64, y: Tensor<B, D>| {
            let at: Vec<f64> = (t.iter().zip(&s)).map(|(t, s)| t + c * (s - t)).collect();
            self.evaluate(&at, y, &samples) * steps.clone()
        };
        let first = select(first.clone(), &rows) * theta;
        let ahead = |c: f64, y| slope(c * theta, y) * theta;
        let end = (self.method).attempt(x, 1.0, first, ahead).x;
        let slope = slope(theta, end.clone());
        // Back to the places that the rows had.
        let mut next = 0;
        let places: Vec<usize> = (which.iter())
            .map(|&which| {
                let place = next;
                next += usize::from(which);
                place.min(rows.len() - 1)
            })
            .collect();
        (select(end, &places), select(slope, &places))
    }

    /// Evaluates the slopes at t and x that are wanted and not known yet, and no others.
    fn complete<B: Backend, const D: usize>(
        &self,
        t: &[f64],
        x: &Tensor<B, D>,
        state: &mut Rows<B, D>,
        wanted: &[bool],
    ) where
        F: BatchField<B, D>,
    {
        let n = wanted.len();
        let asked: Vec<usize> = (0..n).filter(|&k| wanted[k] && !state.known[k]).collect();
        if asked.is_empty() {
            return;
        }
        if asked.len() == n {
            state.slopes = Some(self.evaluate(t, x.clone(), &state.samples));
            state.known = vec![true; n];
            return;
        }
        let samples: Vec<usize> = asked.iter().map(|&k| state.samples[k]).collect();
        let times: Vec<f64> = asked.iter().map(|&k| t[k]).collect();
        let found = self.evaluate(&times, select(x.clone(), &asked), &samples);
        let (all, mut places, first) = match state.slopes.take() {
            Some(slopes) => (Tensor::cat(vec![slopes, found], 0), (0..n).collect(), n),
            None => (found, vec![0; n], 0),
        };
        for (index, &k) in asked.iter().enumerate() {
            places[k] = first + index;
            state.known[k] = true;
        }
        state.slopes = Some(select(all, &places));
    }
}

impl<B, F, const D: usize> Stepping<B, D> for Own<'_, F>
where
    B: Backend,
    F: BatchField<B, D> + ?Sized,
{
    type State = Rows<B, D>;

    fn clocking(&self) -> Clocking {
        Clocking::PerRow
    }

    fn order(&self) -> usize {
        self.method.method.0.order
    }

    fn error_order(&self) -> f64 {
        self.method.error_power()
    }

    fn init(&self, _: f64, x: &Tensor<B, D>) -> Rows<B, D> {
        let batch = x.dims()[0];
        Rows {
            samples: (0..batch).collect(),
            slopes: None,
            known: vec![false; batch],
        }
    }

    fn first_slope(&self, t: f64, x: &Tensor<B, D>, state: &mut Rows<B, D>) -> Tensor<B, D> {
        let n = state.samples.len();
        self.complete(&vec![t; n], x, state, &vec![true; n]);
        state.slopes.clone().expect("completed just now")
    }

    fn slope(&self, t: &[f64], x: Tensor<B, D>, state: &Rows<B, D>) -> Tensor<B, D> {
        self.evaluate(t, x, &state.samples)
    }

    fn attempt(
        &self,
        t: &[f64],
        s: &[f64],
        x: &Tensor<B, D>,
        state: &mut Rows<B, D>,
    ) -> Attempt<B, Rows<B, D>, D> {
        let n = t.len();
        self.complete(t, x, state, &vec![true; n]);
        let first = state.slopes.clone().expect("completed just now");
        let steps = lengths(t, s, x);
        let tableau = self.method.method.0;
        let reused = tableau.first_same_as_last;
        let mut missing = tableau.a.len() - 1;
        let mut last = None;
        // Slopes times their step: the rest of the step is then the same for all rows.
        let slope = |c: f64, y: Tensor<B, D>| {
            let at: Vec<f64> = (t.iter().zip(s)).map(|(t, s)| t + c * (s - t)).collect();
            let slope = self.evaluate(&at, y, &state.samples);
            missing -= 1;
            // A slope that is kept cannot be multiplied in place.
            if reused && missing == 0 {
                last = Some(slope.clone());
            }
            slope * steps.clone()
        };
        let attempt = (self.method).attempt(x.clone(), 1.0, first * steps.clone(), slope);
        Attempt {
            x: attempt.x,
            error: attempt.error,
            state: Rows {
                samples: state.samples.clone(),
                slopes: last,
                known: vec![reused; n],
            },
            slopes: attempt.slopes,
        }
    }

    fn norms(&self, error: Tensor<B, D>, x: &Tensor<B, D>, y: &Tensor<B, D>) -> Vec<f64> {
        scaled_rms_rows(error, x, y, self.tolerances)
    }

    fn segment(
        &self,
        t: &[f64],
        s: &[f64],
        x: &Tensor<B, D>,
        attempt: &mut Attempt<B, Rows<B, D>, D>,
        needed: &[bool],
        wanted: &[bool],
    ) -> Segment<B, D> {
        let step = KeptStep {
            t: 0.0,
            s: 1.0,
            start: x.clone(),
            end: attempt.x.clone(),
            slopes: attempt.slopes.clone(),
        };
        let step = match self.method.dense {
            DenseWeights::Line => DenseStep::line(step),
            DenseWeights::Quartic(weights) => DenseStep::quartic(step, weights),
            DenseWeights::Hermite => {
                self.complete(s, &attempt.x, &mut attempt.state, wanted);
                let last = attempt.state.slopes.clone().expect("some row is wanted");
                let first = step.slopes[0].clone();
                DenseStep::hermite(step, first, last * lengths(t, s, x))
            }
            DenseWeights::Septic => {
                self.complete(s, &attempt.x, &mut attempt.state, wanted);
                let last = attempt.state.slopes.clone().expect("some row is wanted");
                let first = step.slopes[0].clone();
                let samples = &attempt.state.samples;
                let inner = |theta| self.within(theta, (t, s), (x, &first), samples, needed);
                let [(x1, slope1), (x2, slope2)] = INNER.map(inner);
                let last = last * lengths(t, s, x);
                DenseStep::septic(step, [x1, x2], [first, slope1, slope2, last])
            }
        };
        Segment::PerRow {
            polynomial: step.into_polynomial(),
            t: t.to_vec(),
            s: s.to_vec(),
        }
    }

    fn settle(
        &self,
        kept: &[bool],
        (x, before): (Tensor<B, D>, Rows<B, D>),
        attempt: Attempt<B, Rows<B, D>, D>,
    ) -> (Tensor<B, D>, Rows<B, D>) {
        if kept.iter().all(|kept| *kept) {
            return (attempt.x, attempt.state);
        }
        let after = attempt.state;
        // A rejected row starts again from its old state and slope.
        let slopes = match (before.slopes, after.slopes) {
            (Some(before), Some(after)) => Some(choose(kept, after, before)),
            (before, after) => before.or(after),
        };
        let known = (kept.iter().zip(&before.known).zip(&after.known))
            .map(|((&kept, &before), &after)| if kept { after } else { before })
            .collect();
        let rows = Rows {
            samples: before.samples,
            slopes,
            known,
        };
        (choose(kept, attempt.x, x), rows)
    }

    fn keep(&self, state: &mut Rows<B, D>, clocks: &[usize]) {
        state.samples = clocks.iter().map(|&k| state.samples[k]).collect();
        state.known = clocks.iter().map(|&k| state.known[k]).collect();
        state.slopes = state.slopes.take().map(|slopes| select(slopes, clocks));
    }

    fn evaluations(&self, clock: usize) -> usize {
        self.evaluations.borrow()[clock]
    }
}

/// `s − t` of every row, as a factor of x.
fn lengths<B: Backend, const D: usize>(t: &[f64], s: &[f64], x: &Tensor<B, D>) -> Tensor<B, D> {
    PerSample::like(x).tensor(t.iter().zip(s).map(|(t, s)| s - t))
}
