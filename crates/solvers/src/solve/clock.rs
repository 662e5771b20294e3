//! The clock of a batch or of a sample.
//!
//! `t, h`, and the history that decides on the next step

use super::control::Control;
use super::controller::{Controller, Proposal};
use super::solution::{Outcome, Statistics};
use crate::error::SolveError;

/// The time, step size and history of one clock.
pub(super) struct Clock {
    pub(super) t: f64,
    /// The size of the next step, if nothing cuts it short.
    pub(super) h: f64,
    /// The number of times to save that it has passed.
    pub(super) passed: usize,
    /// The last value of each event's function that was not zero.
    pub(super) signs: Vec<f64>,
    pub(super) event: Option<usize>,
    pub(super) failure: Option<SolveError>,
    steps: usize,
    rejections: usize,
    controller: Controller,
}

impl Clock {
    pub(super) fn new(t: f64, control: Control, error_order: f64) -> Self {
        Self {
            t,
            h: 0.0,
            passed: 0,
            signs: Vec::new(),
            event: None,
            failure: None,
            steps: 0,
            rejections: 0,
            controller: Controller::new(control, error_order),
        }
    }

    /// Whether it has reached the end or an event, or has failed.
    pub(super) fn is_over(&self, end: f64) -> bool {
        self.t == end || self.event.is_some() || self.failure.is_some()
    }

    /// Steps tried.
    pub(super) fn attempts(&self) -> usize {
        self.steps + self.rejections
    }

    pub(super) fn propose(&self, limit: f64, length: f64) -> Proposal {
        self.controller.propose(self.t, self.h, limit, length)
    }

    pub(super) fn accept(&mut self, proposal: Proposal, error: f64) {
        self.steps += 1;
        let next = (self.controller).accepted((proposal.s - self.t).abs(), error);
        // A step that was cut short to land is no reason to shorten the next one.
        self.h = if proposal.lands {
            next.max(self.h)
        } else {
            next
        };
        self.t = proposal.s;
    }

    pub(super) fn reject(&mut self, proposal: Proposal, error: f64, length: f64) {
        self.rejections += 1;
        self.h = (self.controller).rejected((proposal.s - self.t).abs(), error);
        if self.h < self.controller.minimum(self.t, length) {
            self.failure = Some(self.controller.too_small(self.t, length, error));
        }
    }

    pub(super) fn outcome(self, evaluations: usize) -> Outcome {
        Outcome {
            t: self.t,
            event: self.event,
            failure: self.failure,
            statistics: Statistics {
                steps: self.steps,
                rejections: self.rejections,
                evaluations,
            },
        }
    }
}
