//! The adaptive loop, for one clock or for many.
//!
//! `propose s_k, attempt x_k(s_k), keep it if the error allows, until every clock is over`

use super::clock::Clock;
use super::clocking::{Clocking, Pieces};
use super::control::Control;
use super::controller::{Proposal, first_guess, starting_step};
use super::dense_output::{DenseOutput, Taken};
use super::event::{Event, Searched, search};
use super::save::Save;
use super::segment::Segment;
use super::solution::{Outcome, Solution, Statistics, Stopped};
use super::stepping::Stepping;
use crate::error::SolveError;
use crate::method::Attempt;
use burn::tensor::backend::Backend;
use burn::tensor::{DType, Tensor};

/// The task of an adaptive solve.
pub(super) struct Request<'a, 'e, B: Backend, const D: usize> {
    pub(super) control: Control,
    pub(super) save: &'a Save,
    pub(super) events: &'a [Event<'e, B, D>],
    pub(super) span: (f64, f64),
}

/// Runs a solve to its end, showing the time, state and memory before each step that is kept.
pub(super) fn run<B: Backend, S: Stepping<B, D>, const D: usize>(
    stepping: &S,
    request: &Request<'_, '_, B, D>,
    x: Tensor<B, D>,
    mut before: impl FnMut(f64, &Tensor<B, D>, &S::State),
) -> Result<Solution<B, D>, Stopped<B, D>> {
    let checked = (request.control.check(request.span))
        .and_then(|()| request.save.order_of_passing(request.span));
    let order = match checked {
        Ok(order) => order,
        Err(reason) => {
            let partial = Box::new(Solution::unsolved(request.span.0, x));
            return Err(Stopped { reason, partial });
        }
    };
    let mut run = Run::new(stepping, request, order, x);
    run.start();
    let mut fresh = true;
    while !run.active.is_empty() {
        if fresh {
            before(run.clocks[run.active[0]].t, &run.x, run.state());
        }
        fresh = run.step();
    }
    run.finish()
}

/// The rounding of the numbers of a state, relative to their size.
fn epsilon<B: Backend, const D: usize>(x: &Tensor<B, D>) -> f64 {
    match x.dtype() {
        DType::F64 => f64::EPSILON,
        DType::F16 => f64::from(burn::tensor::f16::EPSILON),
        DType::BF16 => f64::from(burn::tensor::bf16::EPSILON),
        _ => f64::from(f32::EPSILON),
    }
}

/// A solve under way.
struct Run<'a, 'e, B: Backend, S: Stepping<B, D>, const D: usize> {
    stepping: &'a S,
    clocking: Clocking,
    request: &'a Request<'a, 'e, B, D>,
    /// The indices of the times to save, in the order in which a clock passes them.
    order: Vec<usize>,
    clocks: Vec<Clock>,
    /// The clocks under way. The state and the memory contain only theirs.
    active: Vec<usize>,
    x: Tensor<B, D>,
    /// Taken out during a step.
    state: Option<S::State>,
    finished: Pieces<B, D>,
    /// Places are `time·clocks + clock`.
    saved: Pieces<B, D>,
    dense: Option<DenseOutput<B, D>>,
}

/// The proposed steps of the active clocks.
struct Proposed {
    t: Vec<f64>,
    s: Vec<f64>,
    steps: Vec<Proposal>,
}

impl<'a, 'e, B: Backend, S: Stepping<B, D>, const D: usize> Run<'a, 'e, B, S, D> {
    fn new(
        stepping: &'a S,
        request: &'a Request<'a, 'e, B, D>,
        order: Vec<usize>,
        x: Tensor<B, D>,
    ) -> Self {
        let clocking = stepping.clocking();
        let count = clocking.count(&x);
        let start = request.span.0;
        let clock = || Clock::new(start, request.control, stepping.error_order());
        let dense = request.save.dense.then(|| DenseOutput {
            clocking,
            start: (start, x.clone()),
            segments: Vec::new(),
            steps: vec![Vec::new(); count],
            reached: Vec::new(),
        });
        Self {
            stepping,
            clocking,
            request,
            order,
            clocks: (0..count).map(|_| clock()).collect(),
            active: (0..count).collect(),
            state: Some(stepping.init(start, &x)),
            x,
            finished: Pieces::default(),
            saved: Pieces::default(),
            dense,
        }
    }

    fn state(&self) -> &S::State {
        self.state.as_ref().expect("only a step takes it out")
    }

    fn end(&self) -> f64 {
        self.request.span.1
    }

    fn length(&self) -> f64 {
        (self.request.span.1 - self.request.span.0).abs()
    }

    /// Saves the states that are due at the start, and chooses the first steps.
    fn start(&mut self) {
        let (start, end) = self.request.span;
        let is_empty = start == end || self.x.shape().num_elements() == 0;
        if is_empty {
            self.clocks.iter_mut().for_each(|clock| clock.t = end);
        }
        let due = self.due();
        self.save(None, &self.x.clone(), due);
        if is_empty {
            let all = std::mem::take(&mut self.active);
            self.finished.push(self.clocking.pick(&self.x, &all), all);
            return;
        }
        match self.request.control.first_step {
            Some(step) => self.clocks.iter_mut().for_each(|clock| clock.h = step),
            None => self.choose_first_steps(),
        }
        if self.request.events.is_empty() {
            return;
        }
        let places: Vec<usize> = (0..self.active.len()).collect();
        let states = self.clocking.split(self.clocking.pick(&self.x, &places));
        for (&i, x) in self.active.iter().zip(&states) {
            let values = self
                .request
                .events
                .iter()
                .map(|event| event.value(start, x));
            let signs: Vec<f64> = values.collect();
            if let Some(event) = signs.iter().position(|value| value.is_nan()) {
                self.clocks[i].failure = Some(SolveError::EventNotANumber { event, t: start });
            }
            self.clocks[i].signs = signs;
        }
        self.retire();
    }

    /// Source: Hairer, Nørsett & Wanner 1993, II.4, "Starting Step Size".
    fn choose_first_steps(&mut self) {
        let (start, end) = self.request.span;
        let (length, direction) = (self.length(), (end - start).signum());
        let state = self.state.as_mut().expect("only a step takes it out");
        let mut slope = self.stepping.first_slope(start, &self.x, state);
        let mut sizes = self.stepping.norms(self.x.clone(), &self.x, &self.x);
        let mut speeds = self.stepping.norms(slope.clone(), &self.x, &self.x);
        // A state of this many tolerances is rounded by more than one of them.
        let epsilon = epsilon(&self.x);
        let Control { rtol, atol, .. } = self.request.control;
        let failure = |k: usize| match (speeds[k].is_finite(), sizes[k] * epsilon > 1.0) {
            (false, _) => Some(SolveError::NotFinite { t: start }),
            (true, true) => Some(SolveError::Precision {
                rtol,
                atol,
                epsilon,
            }),
            (true, false) => None,
        };
        let failures: Vec<Option<SolveError>> = (0..speeds.len()).map(failure).collect();
        let good: Vec<usize> = (0..speeds.len())
            .filter(|&k| failures[k].is_none())
            .collect();
        if good.len() < speeds.len() {
            for (clock, failure) in self.clocks.iter_mut().zip(failures) {
                clock.failure = failure;
            }
            self.retire();
            if good.is_empty() {
                return;
            }
            slope = self.clocking.keep(slope, &good);
            sizes = good.iter().map(|&k| sizes[k]).collect();
            speeds = good.iter().map(|&k| speeds[k]).collect();
        }
        let guesses: Vec<f64> = (sizes.iter().zip(&speeds))
            .map(|(&size, &speed)| first_guess(size, speed, length))
            .collect();
        let ahead: Vec<f64> = guesses.iter().map(|guess| direction * guess).collect();
        let there = self.x.clone() + self.clocking.scale(slope.clone(), &ahead);
        let times: Vec<f64> = ahead.iter().map(|ahead| start + ahead).collect();
        let change = self.stepping.slope(&times, there, self.state()) - slope;
        let changes = self.stepping.norms(change, &self.x, &self.x);
        let order = self.stepping.order();
        for (k, &i) in self.active.iter().enumerate() {
            let curvature = changes[k] / guesses[k];
            self.clocks[i].h = starting_step(guesses[k], speeds[k], curvature, order, length);
        }
    }

    /// One attempt of every active clock. Returns whether any of them advanced.
    fn step(&mut self) -> bool {
        // All of them have tried equally often, and reach the limit together.
        let limit = self.request.control.max_steps;
        if (self.active.iter()).any(|&i| self.clocks[i].attempts() >= limit) {
            for &i in &self.active {
                let t = self.clocks[i].t;
                self.clocks[i].failure = Some(SolveError::StepLimit { limit, t });
            }
            self.retire();
            return false;
        }
        let proposed = self.propose();
        let (t, s) = (&proposed.t, &proposed.s);
        let mut state = self.state.take().expect("only a step takes it out");
        let mut attempt = self.stepping.attempt(t, s, &self.x, &mut state);
        let error = std::mem::replace(&mut attempt.error, self.x.clone());
        let errors = self.stepping.norms(error, &self.x, &attempt.x);
        let kept: Vec<bool> = errors.iter().map(|error| *error <= 1.0).collect();
        let length = self.length();
        for (k, &i) in self.active.iter().enumerate() {
            if kept[k] {
                self.clocks[i].accept(proposed.steps[k], errors[k]);
            } else {
                self.clocks[i].reject(proposed.steps[k], errors[k], length);
            }
        }
        self.look_within(&proposed, &kept, &mut attempt);
        let before = (self.x.clone(), state);
        let (x, state) = self.stepping.settle(&kept, before, attempt);
        (self.x, self.state) = (x, Some(state));
        self.retire();
        kept.contains(&true)
    }

    fn propose(&self) -> Proposed {
        let (length, landing) = (self.length(), self.request.save.landing);
        let proposals = self.active.iter().map(|&i| {
            let clock = &self.clocks[i];
            let next = self.order.get(clock.passed).filter(|_| landing);
            let limit = next.map_or(self.end(), |&index| self.request.save.times[index]);
            let mut proposal = clock.propose(limit, length);
            if !proposal.lands {
                proposal.s = self.stepping.landing(clock.t, proposal.s);
            }
            proposal
        });
        let steps: Vec<Proposal> = proposals.collect();
        Proposed {
            t: self.active.iter().map(|&i| self.clocks[i].t).collect(),
            s: steps.iter().map(|step| step.s).collect(),
            steps,
        }
    }

    /// Searches the kept steps for events, saves the states that are due, and keeps the steps.
    fn look_within(
        &mut self,
        proposed: &Proposed,
        kept: &[bool],
        attempt: &mut Attempt<B, S::State, D>,
    ) {
        let all = self.dense.is_some() || !self.request.events.is_empty();
        let is_needed = |k: usize| kept[k] && (all || self.has_due_before(k, proposed.s[k]));
        let needed: Vec<bool> = (0..kept.len()).map(is_needed).collect();
        let segment = needed.contains(&true).then(|| {
            let wanted: Vec<bool> = (needed.iter().enumerate())
                .map(|(k, &needed)| needed || (kept[k] && self.continues(self.active[k])))
                .collect();
            let (t, s) = (&proposed.t, &proposed.s);
            let x = &self.x;
            self.stepping.segment(t, s, x, attempt, &needed, &wanted)
        });
        if let Some(segment) = segment.as_ref().filter(|_| !self.request.events.is_empty()) {
            self.stop_at_events(proposed, kept, segment);
        }
        let due = self.due();
        self.save(segment.as_ref(), &attempt.x, due);
        let (Some(dense), Some(segment)) = (&mut self.dense, segment) else {
            return;
        };
        for (k, &i) in self.active.iter().enumerate().filter(|(k, _)| kept[*k]) {
            dense.steps[i].push(Taken {
                t: proposed.t[k],
                s: self.clocks[i].t,
                segment: dense.segments.len(),
                place: k,
            });
        }
        dense.segments.push(segment);
    }

    /// Whether another step of this clock will be tried.
    fn continues(&self, i: usize) -> bool {
        let clock = &self.clocks[i];
        !clock.is_over(self.end()) && clock.attempts() < self.request.control.max_steps
    }

    /// Whether a time to save lies within the step to s, and not at its end.
    fn has_due_before(&self, k: usize, s: f64) -> bool {
        let next = self.order.get(self.clocks[self.active[k]].passed);
        next.is_some_and(|&index| {
            let time = self.request.save.times[index];
            time != s && self.is_passed(time, s)
        })
    }

    fn is_passed(&self, time: f64, t: f64) -> bool {
        let (start, end) = self.request.span;
        if end >= start { time <= t } else { time >= t }
    }

    fn stop_at_events(&mut self, proposed: &Proposed, kept: &[bool], segment: &Segment<B, D>) {
        let mut steps: Vec<Searched> = (0..kept.len())
            .filter(|&k| kept[k])
            .map(|k| Searched {
                clock: k,
                t: proposed.t[k],
                s: proposed.s[k],
                signs: std::mem::take(&mut self.clocks[self.active[k]].signs),
                hit: None,
                lost: None,
            })
            .collect();
        let (start, length) = (self.request.span.0, self.length());
        let rounding = 1e3 * epsilon(&self.x) * start.abs().max(length);
        let is_at_start = |t: f64| (t - start).abs() <= rounding;
        search(self.request.events, segment, &mut steps, is_at_start);
        let mut hits = Vec::new();
        for step in steps {
            let clock = &mut self.clocks[self.active[step.clock]];
            clock.signs = step.signs;
            if let Some((event, t)) = step.lost {
                clock.failure = Some(SolveError::EventNotANumber { event, t });
            } else if let Some((event, t)) = step.hit {
                clock.event = Some(event);
                clock.t = t;
                hits.push((step.clock, t));
            }
        }
        let places: Vec<usize> = hits.iter().map(|&(k, _)| self.active[k]).collect();
        self.finished.push(segment.at(&hits), places);
    }

    /// The times that active clocks have passed since the last call: (active clock, index, time).
    fn due(&mut self) -> Vec<(usize, usize, f64)> {
        let mut due = Vec::new();
        for (k, &i) in self.active.iter().enumerate() {
            while let Some(&index) = self.order.get(self.clocks[i].passed) {
                let time = self.request.save.times[index];
                if !self.is_passed(time, self.clocks[i].t) {
                    break;
                }
                due.push((k, index, time));
                self.clocks[i].passed += 1;
            }
        }
        due
    }

    /// Saves states on a segment or, without one, at the ends of steps.
    fn save(
        &mut self,
        segment: Option<&Segment<B, D>>,
        ends: &Tensor<B, D>,
        due: Vec<(usize, usize, f64)>,
    ) {
        let states = match segment {
            Some(segment) => {
                let asked: Vec<_> = due.iter().map(|&(k, _, time)| (k, time)).collect();
                segment.at(&asked)
            }
            None => {
                let asked: Vec<_> = due.iter().map(|&(k, ..)| k).collect();
                self.clocking.pick(ends, &asked)
            }
        };
        let count = self.clocks.len();
        let places = (due.iter()).map(|&(k, index, _)| index * count + self.active[k]);
        self.saved.push(states, places);
    }

    /// Takes the clocks out of the batch that are over.
    fn retire(&mut self) {
        let (leaving, staying): (Vec<usize>, Vec<usize>) =
            (0..self.active.len()).partition(|&k| self.clocks[self.active[k]].is_over(self.end()));
        if leaving.is_empty() {
            return;
        }
        // States at events have been set aside already.
        let leaving: Vec<usize> = (leaving.into_iter())
            .filter(|&k| self.clocks[self.active[k]].event.is_none())
            .collect();
        let places: Vec<usize> = leaving.iter().map(|&k| self.active[k]).collect();
        (self.finished).push(self.clocking.pick(&self.x, &leaving), places);
        self.active = staying.iter().map(|&k| self.active[k]).collect();
        if !staying.is_empty() {
            self.x = self.clocking.keep(self.x.clone(), &staying);
            let state = self.state.as_mut().expect("only a step takes it out");
            self.stepping.keep(state, &staying);
        }
    }

    fn finish(self) -> Result<Solution<B, D>, Stopped<B, D>> {
        let (start, end) = self.request.span;
        let (count, like, times) = (self.clocks.len(), self.x, &self.request.save.times);
        let outcomes: Vec<Outcome> = (self.clocks.into_iter().enumerate())
            .map(|(i, clock)| clock.outcome(self.stepping.evaluations(i)))
            .collect();
        let dense = self.dense.map(|dense| DenseOutput {
            reached: outcomes.iter().map(|outcome| outcome.t).collect(),
            ..dense
        });
        if self.clocking == Clocking::Shared {
            let saved = (times.iter().enumerate())
                .filter_map(|(index, &time)| Some((time, self.saved.batch(index)?)))
                .collect();
            let outcome = outcomes.into_iter().next().expect("one clock");
            let solution = Solution {
                t: outcome.t,
                x: self.finished.batch(0).expect("the clock is over"),
                saved,
                event: outcome.event,
                statistics: outcome.statistics,
                samples: Vec::new(),
                dense,
            };
            return match outcome.failure {
                None => Ok(solution),
                Some(reason) => Err(Stopped {
                    reason,
                    partial: Box::new(solution),
                }),
            };
        }
        let saved = if times.is_empty() {
            Vec::new()
        } else if count == 0 {
            times.iter().map(|&time| (time, like.clone())).collect()
        } else {
            let all = self.saved.rows(times.len() * count, &like);
            (times.iter().enumerate())
                .map(|(i, &time)| (time, all.clone().narrow(0, i * count, count)))
                .collect()
        };
        let reached = outcomes.iter().map(|outcome| outcome.t);
        let is_behind = |a: &f64, b: &f64| (a - start).abs().total_cmp(&(b - start).abs());
        let mut statistics = Statistics::default();
        (outcomes.iter()).for_each(|outcome| statistics += outcome.statistics);
        Ok(Solution {
            t: reached.min_by(is_behind).unwrap_or(end),
            x: self.finished.rows(count, &like),
            saved,
            event: None,
            statistics,
            samples: outcomes,
            dense,
        })
    }
}
