//! Dense output: the solution at any time, from the steps that were taken anyway.
//!
//! `x(t) = x_k(t_k + θ_k·h_k)` on the step of each clock that contains t

use super::clocking::{Clocking, Pieces};
use super::segment::Segment;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use std::collections::BTreeMap;

/// A step of one clock, and the place of its solution among the segments.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taken {
    pub(super) t: f64,
    /// Its end, or the event on it.
    pub(super) s: f64,
    pub(super) segment: usize,
    /// The clock's place among those of the segment.
    pub(super) place: usize,
}

/// Every step of a solve.
#[derive(Debug, Clone)]
pub(super) struct DenseOutput<B: Backend, const D: usize> {
    pub(super) clocking: Clocking,
    pub(super) start: (f64, Tensor<B, D>),
    pub(super) segments: Vec<Segment<B, D>>,
    /// The steps of each clock, in the order in which they were taken.
    pub(super) steps: Vec<Vec<Taken>>,
    /// The time that each clock has reached.
    pub(super) reached: Vec<f64>,
}

impl<B: Backend, const D: usize> DenseOutput<B, D> {
    /// The state at a time. A row whose sample did not reach that time is NaN; `None` if no sample
    /// did.
    pub(super) fn at(&self, time: f64) -> Option<Tensor<B, D>> {
        let mut found = Pieces::default();
        let mut at_start = Vec::new();
        let mut asked: BTreeMap<usize, Vec<(usize, usize)>> = BTreeMap::new();
        for clock in 0..self.steps.len() {
            if self.rests_at_start(clock, time) {
                at_start.push(clock);
            } else if let Some(step) = self.step(clock, time) {
                let places = asked.entry(step.segment).or_default();
                places.push((step.place, clock));
            }
        }
        if at_start.is_empty() && asked.is_empty() {
            return None;
        }
        found.push(self.clocking.pick(&self.start.1, &at_start), at_start);
        for (segment, places) in asked {
            let times: Vec<_> = places.iter().map(|&(place, _)| (place, time)).collect();
            let clocks = places.into_iter().map(|(_, clock)| clock);
            found.push(self.segments[segment].at(&times), clocks);
        }
        match self.clocking {
            Clocking::Shared => found.batch(0),
            Clocking::PerRow => Some(found.rows(self.steps.len(), &self.start.1)),
        }
    }

    /// The steps of a sample, as (from, to).
    pub(super) fn steps(&self, sample: usize) -> Vec<(f64, f64)> {
        let clock = match self.clocking {
            Clocking::Shared => 0,
            Clocking::PerRow => sample,
        };
        (self.steps[clock].iter())
            .map(|step| (step.t, step.s))
            .collect()
    }

    /// Whether the state at a time is the start. A clock without steps did not move: its batch is
    /// empty, or its span, or it failed at once.
    fn rests_at_start(&self, clock: usize, time: f64) -> bool {
        let (start, end) = (self.start.0, self.reached[clock]);
        let within = (start.min(end)..=start.max(end)).contains(&time);
        time == start || (self.steps[clock].is_empty() && within)
    }

    fn step(&self, clock: usize, time: f64) -> Option<Taken> {
        let steps = &self.steps[clock];
        let forward = self.reached[clock] >= self.start.0;
        let ends_before = |step: &Taken| {
            if forward {
                step.s < time
            } else {
                step.s > time
            }
        };
        let step = steps.get(steps.partition_point(ends_before))?;
        let (low, high) = (step.t.min(step.s), step.t.max(step.s));
        (low..=high).contains(&time).then_some(*step)
    }
}
