//! Adaptive steps for each sample by itself.
//!
//! Sample i has its own time, step and error: what becomes of it does not depend on the rest of its batch. A sample that has
//! reached the end, or has failed, leaves the batch, and its row is no longer evaluated.
//!
//! A step of all samples reads one row of errors from the device.

use crate::control::{Control, Controller, first_guess, starting_step};
use crate::dense::order_of_passing;
use crate::error::SolveError;
use crate::interpolant::DenseWeights;
use crate::runge_kutta::EmbeddedRk;
use crate::solution::Statistics;
use burn::tensor::backend::Backend;
use burn::tensor::{Int, Tensor, TensorData};
use pyroclast_core::field::BatchField;
use pyroclast_core::per_sample::PerSample;
use pyroclast_kernels::{combine, scaled_rms_rows};

/// What became of one sample.
#[derive(Debug, Clone, PartialEq)]
pub struct SampleOutcome {
    /// The time it reached.
    pub t: f64,
    /// Why it did not reach the end; none if it did.
    pub failure: Option<SolveError>,
    /// What it cost, by itself.
    pub statistics: Statistics,
}

/// A batch, each of whose samples was solved by itself.
#[derive(Debug, Clone)]
pub struct BatchSolution<B: Backend, const D: usize> {
    /// The last state of each sample: at the end, or where it failed.
    pub x: Tensor<B, D>,
    /// The states at the times asked for, in the order of asking. Where a sample failed before a time, its row is NaN.
    pub saved: Vec<(f64, Tensor<B, D>)>,
    /// What became of each sample.
    pub samples: Vec<SampleOutcome>,
    /// Rows evaluated in all.
    pub rows_evaluated: usize,
}

impl<B: Backend, const D: usize> BatchSolution<B, D> {
    /// How many samples did not reach the end.
    pub fn failures(&self) -> usize {
        self.samples.iter().filter(|s| s.failure.is_some()).count()
    }
}

/// Solves each sample of a batch with steps of its own, saving the states at `times`.
///
/// The control holds for each sample alone; [`Control::measured`] is not used here.
///
/// # Errors
/// A control that makes no sense, or a time outside of the span. What goes wrong in one sample is in its [`SampleOutcome`].
pub fn integrate_per_sample<B, F, const D: usize>(
    field: &F,
    method: &EmbeddedRk,
    x: Tensor<B, D>,
    span: (f64, f64),
    times: &[f64],
    control: Control,
) -> Result<BatchSolution<B, D>, SolveError>
where
    B: Backend,
    F: BatchField<B, D> + ?Sized,
{
    control.check(span)?;
    let order = order_of_passing(span, times)?;
    let batch = x.dims()[0];
    let rows = (0..batch).map(|_| Row {
        t: span.0,
        h: 0.0,
        due: 0,
        controller: Controller::new(control, method.error_power()),
        failure: None,
        statistics: Statistics::default(),
    });
    let mut solve = Solve {
        field,
        method,
        control,
        span,
        times,
        order,
        rows: rows.collect(),
        active: (0..batch).collect(),
        x,
        first: None,
        finished: Pieces::default(),
        saved: Pieces::default(),
        rows_evaluated: 0,
    };
    solve.start();
    while !solve.active.is_empty() {
        solve.step();
    }
    Ok(solve.finish())
}

/// One sample.
struct Row {
    t: f64,
    h: f64,
    /// How many of the ordered times lie behind it.
    due: usize,
    controller: Controller,
    failure: Option<SolveError>,
    statistics: Statistics,
}

/// Rows that were set aside, with where they belong.
struct Pieces<B: Backend, const D: usize> {
    tensors: Vec<Tensor<B, D>>,
    places: Vec<usize>,
}

impl<B: Backend, const D: usize> Default for Pieces<B, D> {
    fn default() -> Self {
        Self {
            tensors: Vec::new(),
            places: Vec::new(),
        }
    }
}

impl<B: Backend, const D: usize> Pieces<B, D> {
    fn push(&mut self, x: Tensor<B, D>, places: impl IntoIterator<Item = usize>) {
        self.tensors.push(x);
        self.places.extend(places);
    }

    /// All rows in the order of their places; a place that nothing was set aside for holds NaN.
    fn assemble(mut self, n: usize, like: &Tensor<B, D>) -> Tensor<B, D> {
        // burn narrows to no empty tensor.
        if n == 0 {
            return like.clone();
        }
        let mut source: Vec<usize> = vec![self.places.len(); n];
        for (row, &place) in self.places.iter().enumerate() {
            source[place] = row;
        }
        if self.places.len() < n {
            let mut dims = like.dims();
            dims[0] = 1;
            let options = (&like.device(), like.dtype());
            self.tensors.push(Tensor::full(dims, f64::NAN, options));
        }
        select(Tensor::cat(self.tensors, 0), &source)
    }
}

fn select<B: Backend, const D: usize>(x: Tensor<B, D>, rows: &[usize]) -> Tensor<B, D> {
    let rows: Vec<i64> = rows.iter().map(|&row| row as i64).collect();
    let n = rows.len();
    let indices = Tensor::<B, 1, Int>::from_data(TensorData::new(rows, [n]), &x.device());
    x.select(0, indices)
}

struct Solve<'a, B: Backend, F: ?Sized, const D: usize> {
    field: &'a F,
    method: &'a EmbeddedRk,
    control: Control,
    span: (f64, f64),
    times: &'a [f64],
    /// Indices of the times, in the order in which a sample comes past them.
    order: Vec<usize>,
    /// All samples.
    rows: Vec<Row>,
    /// Those that are still under way; the tensors hold these alone.
    active: Vec<usize>,
    x: Tensor<B, D>,
    /// The slope where the next step starts, if it is known.
    first: Option<Tensor<B, D>>,
    finished: Pieces<B, D>,
    /// Places are `time·batch + sample`.
    saved: Pieces<B, D>,
    rows_evaluated: usize,
}

impl<B, F, const D: usize> Solve<'_, B, F, D>
where
    B: Backend,
    F: BatchField<B, D> + ?Sized,
{
    fn evaluate(&mut self, t: &[f64], x: Tensor<B, D>) -> Tensor<B, D> {
        self.evaluate_rows(t, x, &self.active.clone())
    }

    fn evaluate_rows(&mut self, t: &[f64], x: Tensor<B, D>, rows: &[usize]) -> Tensor<B, D> {
        self.rows_evaluated += t.len();
        for &i in rows {
            self.rows[i].statistics.evaluations += 1;
        }
        self.field.velocities(t, x, rows)
    }

    /// The slope at the end of an attempt, of the active rows that are due or go on: no other pays for it.
    fn end_slope(
        &mut self,
        ends: &[f64],
        next: &Tensor<B, D>,
        due: &[(usize, usize, f64)],
    ) -> Tensor<B, D> {
        let mut needed: Vec<bool> = (self.active.iter())
            .map(|&i| !(self.is_over(i) || self.is_exhausted(i)))
            .collect();
        due.iter().for_each(|&(k, ..)| needed[k] = true);
        if needed.iter().all(|needed| *needed) {
            return self.evaluate(ends, next.clone());
        }
        let asked: Vec<usize> = (0..needed.len()).filter(|&k| needed[k]).collect();
        let rows: Vec<usize> = asked.iter().map(|&k| self.active[k]).collect();
        let ends: Vec<f64> = asked.iter().map(|&k| ends[k]).collect();
        let slopes = self.evaluate_rows(&ends, select(next.clone(), &asked), &rows);
        // What stands in the other rows is never read.
        let mut places = vec![0; needed.len()];
        (asked.iter().enumerate()).for_each(|(place, &k)| places[k] = place);
        select(slopes, &places)
    }

    /// Whether a sample has come to the end, or to nothing.
    fn is_over(&self, i: usize) -> bool {
        self.rows[i].t == self.span.1 || self.rows[i].failure.is_some()
    }

    fn is_exhausted(&self, i: usize) -> bool {
        let Statistics {
            steps, rejections, ..
        } = self.rows[i].statistics;
        steps + rejections >= self.control.max_steps
    }

    fn length(&self) -> f64 {
        (self.span.1 - self.span.0).abs()
    }

    fn norms(&self, e: Tensor<B, D>, x: &Tensor<B, D>, y: &Tensor<B, D>) -> Vec<f64> {
        scaled_rms_rows(e, x, y, (self.control.rtol, self.control.atol))
    }

    /// Starting steps, and the times that are the start.
    fn start(&mut self) {
        let (start, end) = self.span;
        let batch = self.rows.len();
        let at_start = (self.order.iter()).take_while(|&&i| self.times[i] == start);
        for &time in at_start {
            self.saved
                .push(self.x.clone(), (0..batch).map(|row| time * batch + row));
            self.rows.iter_mut().for_each(|row| row.due += 1);
        }
        if start == end || self.x.shape().num_elements() == 0 {
            let all = std::mem::take(&mut self.active);
            self.rows.iter_mut().for_each(|row| row.t = end);
            if batch > 0 {
                self.finished.push(self.x.clone(), all);
            }
            return;
        }
        if let Some(step) = self.control.first_step {
            self.rows.iter_mut().for_each(|row| row.h = step);
            return;
        }
        let x = self.x.clone();
        let slope = self.evaluate(&vec![start; batch], x.clone());
        let sizes = self.norms(x.clone(), &x, &x);
        let speeds = self.norms(slope.clone(), &x, &x);
        let (length, direction) = (self.length(), (end - start).signum());
        let guesses: Vec<f64> = (sizes.iter().zip(&speeds))
            .map(|(&size, &speed)| first_guess(size, speed, length))
            .collect();
        let per_sample = PerSample::like(&x);
        let ahead = x.clone()
            + slope.clone() * per_sample.tensor(guesses.iter().map(|guess| direction * guess));
        let times: Vec<f64> = guesses.iter().map(|h| start + direction * h).collect();
        let change = self.evaluate(&times, ahead) - slope.clone();
        let changes = self.norms(change, &x, &x);
        let order = self.method.method.0.order;
        for (i, row) in self.rows.iter_mut().enumerate() {
            row.h = starting_step(
                guesses[i],
                speeds[i],
                changes[i] / guesses[i],
                order,
                length,
            );
            if !speeds[i].is_finite() {
                row.failure = Some(SolveError::NotFinite { t: start });
            }
        }
        self.first = Some(slope);
        self.retire();
    }

    /// One attempt of every active sample.
    fn step(&mut self) {
        // All of them have tried as often, and so come to the limit together.
        if self.active.iter().any(|&i| self.is_exhausted(i)) {
            let limit = self.control.max_steps;
            for &i in &self.active {
                let t = self.rows[i].t;
                self.rows[i].failure = Some(SolveError::StepLimit { limit, t });
            }
            return self.retire();
        }
        let (end, length) = (self.span.1, self.length());
        let proposals: Vec<_> = (self.active.iter())
            .map(|&i| {
                let row = &self.rows[i];
                row.controller.propose(row.t, row.h, end, length)
            })
            .collect();
        let t: Vec<f64> = self.active.iter().map(|&i| self.rows[i].t).collect();
        let h: Vec<f64> = proposals.iter().zip(&t).map(|(p, t)| p.s - t).collect();
        let x = self.x.clone();
        let per_sample = PerSample::like(&x);
        let steps = per_sample.tensor(h.iter().copied());

        let tableau = self.method.method.0;
        let stages = tableau.a.len();
        let first = match self.first.take() {
            Some(first) => first,
            None => self.evaluate(&t, x.clone()),
        };
        // Slopes times their step: what follows is then the same for all rows.
        let mut moves = vec![first.clone() * steps.clone()];
        let weighted = |x: Tensor<B, D>, weights: &[f64], moves: &[Tensor<B, D>]| {
            let terms: Vec<_> = weights.iter().copied().zip(moves).collect();
            combine(x, &terms)
        };
        let mut next = x.clone();
        let mut last = None;
        for i in 1..stages {
            let y = weighted(x.clone(), tableau.a[i], &moves);
            let at: Vec<f64> = t
                .iter()
                .zip(&h)
                .map(|(t, h)| t + tableau.c[i] * h)
                .collect();
            if tableau.first_same_as_last && i + 1 == stages {
                next = y.clone();
                let slope = self.evaluate(&at, y);
                moves.push(slope.clone() * steps.clone());
                last = Some(slope);
            } else {
                moves.push(self.evaluate(&at, y) * steps.clone());
            }
        }
        if !tableau.first_same_as_last {
            next = weighted(x.clone(), tableau.b, &moves);
        }
        let mut weights = self.method.error_weights();
        let (i, w) = weights.next().expect("the two sets of weights differ");
        let terms: Vec<_> = weights.map(|(i, w)| (w, &moves[i])).collect();
        let error = combine(moves[i].clone() * w, &terms);
        let errors = self.norms(error, &x, &next);

        let kept: Vec<bool> = errors.iter().map(|error| *error <= 1.0).collect();
        for (k, &i) in self.active.iter().enumerate() {
            let row = &mut self.rows[i];
            if kept[k] {
                row.statistics.steps += 1;
                let wanted = row.h;
                let next = row.controller.accepted(h[k].abs(), errors[k]);
                row.h = if proposals[k].lands {
                    next.max(wanted)
                } else {
                    next
                };
                row.t = proposals[k].s;
            } else {
                row.statistics.rejections += 1;
                row.h = row.controller.rejected(h[k].abs(), errors[k]);
                if row.h < row.controller.minimum(row.t, length) {
                    row.failure = Some(row.controller.too_small(row.t, length, errors[k]));
                }
            }
        }
        let due = self.due(&kept, &t, &h);
        if !due.is_empty() {
            if let (DenseWeights::Hermite, None) = (self.method.dense, &last) {
                let ends: Vec<f64> = proposals.iter().map(|p| p.s).collect();
                last = Some(self.end_slope(&ends, &next, &due));
            }
            let end_move = match self.method.dense {
                DenseWeights::Hermite => last.clone().map(|slope| slope * steps),
                DenseWeights::Quartic(_) => None,
            };
            self.save(&x, &next, &moves, end_move, due);
        }
        // What a rejected row keeps is its old state and slope.
        if kept.iter().all(|kept| *kept) {
            self.x = next;
            self.first = last;
        } else {
            let mut shape = [1; D];
            shape[0] = kept.len();
            let data = TensorData::new(kept, shape);
            let mask = Tensor::<B, D, burn::tensor::Bool>::from_data(data, &x.device());
            let mask = mask.expand(x.shape());
            self.x = x.mask_where(mask.clone(), next);
            self.first = last.map(|last| first.mask_where(mask, last));
        }
        self.retire();
    }

    /// The times that kept steps came past: (active row, place among the saved, θ).
    fn due(&mut self, kept: &[bool], t: &[f64], h: &[f64]) -> Vec<(usize, usize, f64)> {
        let batch = self.rows.len();
        let forward = self.span.1 >= self.span.0;
        let mut due = Vec::new();
        for (k, &i) in self.active.iter().enumerate().filter(|(k, _)| kept[*k]) {
            let row = &mut self.rows[i];
            while let Some(&index) = self.order.get(row.due) {
                let time = self.times[index];
                if (forward && time > row.t) || (!forward && time < row.t) {
                    break;
                }
                let theta = if time == row.t {
                    1.0
                } else {
                    (time - t[k]) / h[k]
                };
                due.push((k, index * batch + i, theta));
                row.due += 1;
            }
        }
        due
    }

    /// Interpolates all that is due at once, each row at its own θ, as a polynomial in θ.
    fn save(
        &mut self,
        x: &Tensor<B, D>,
        next: &Tensor<B, D>,
        moves: &[Tensor<B, D>],
        end_move: Option<Tensor<B, D>>,
        due: Vec<(usize, usize, f64)>,
    ) {
        let powers: Vec<Tensor<B, D>> = match self.method.dense {
            DenseWeights::Quartic(weights) => (0..4)
                .map(|power| {
                    let mut terms = (weights.iter().zip(moves))
                        .map(|(w, k)| (w[power], k))
                        .filter(|(w, _)| *w != 0.0);
                    let (w, first) = terms.next().expect("every power has a stage");
                    combine(first.clone() * w, &terms.collect::<Vec<_>>())
                })
                .collect(),
            DenseWeights::Hermite => {
                let (first, last) = (&moves[0], end_move.expect("the slope at the end"));
                let change = next.clone() - x.clone();
                vec![
                    first.clone(),
                    combine(change.clone() * 3.0, &[(-2.0, first), (-1.0, &last)]),
                    combine(change * -2.0, &[(1.0, first), (1.0, &last)]),
                ]
            }
        };
        let rows: Vec<usize> = due.iter().map(|(k, ..)| *k).collect();
        let places = due.iter().map(|(_, place, _)| *place);
        let start = select(x.clone(), &rows);
        let thetas = PerSample::like(&start).tensor(due.iter().map(|(.., theta)| *theta));
        let sum = (powers.into_iter().rev())
            .map(|power| select(power, &rows))
            .reduce(|sum, power| sum * thetas.clone() + power)
            .expect("a polynomial");
        self.saved
            .push(start + sum * thetas, places.collect::<Vec<_>>());
    }

    /// Takes those out of the batch that have come to the end, or to nothing.
    fn retire(&mut self) {
        if !self.active.iter().any(|&i| self.is_over(i)) {
            return;
        }
        let (mut leaving, mut staying) = (Vec::new(), Vec::new());
        for (k, &i) in self.active.iter().enumerate() {
            if self.is_over(i) {
                &mut leaving
            } else {
                &mut staying
            }
            .push(k);
        }
        let places = leaving.iter().map(|&k| self.active[k]).collect::<Vec<_>>();
        self.finished.push(select(self.x.clone(), &leaving), places);
        self.active = staying.iter().map(|&k| self.active[k]).collect();
        if !staying.is_empty() {
            self.x = select(self.x.clone(), &staying);
            self.first = self.first.take().map(|first| select(first, &staying));
        }
    }

    fn finish(self) -> BatchSolution<B, D> {
        let batch = self.rows.len();
        let like = self.x;
        let saved = if self.times.is_empty() {
            Vec::new()
        } else if batch == 0 {
            self.times.iter().map(|&t| (t, like.clone())).collect()
        } else {
            let all = (self.saved).assemble(self.times.len() * batch, &like);
            (self.times.iter().enumerate())
                .map(|(i, &time)| (time, all.clone().narrow(0, i * batch, batch)))
                .collect()
        };
        BatchSolution {
            x: self.finished.assemble(batch, &like),
            saved,
            samples: (self.rows.into_iter())
                .map(|row| SampleOutcome {
                    t: row.t,
                    failure: row.failure,
                    statistics: row.statistics,
                })
                .collect(),
            rows_evaluated: self.rows_evaluated,
        }
    }
}
