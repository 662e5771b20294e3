//! Progress: of a training, a bar in a terminal and lines in a log; of anything else that takes
//! long, a bar in a terminal.

use crate::say::{self, note};
use indicatif::{ProgressBar, ProgressStyle};
use pyroclast_train::learn::Record;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// The least time between two lines of a log.
const EVERY: Duration = Duration::from_secs(5);

/// Shows the step, the loss, the speed and the remaining time.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    first: u64,
    total: u64,
    start: Instant,
    last_line: Option<Instant>,
    validation: Option<f64>,
}

impl Progress {
    /// Progress from step `first` to step `total`.
    pub(crate) fn new(first: u64, total: u64) -> Self {
        let bar = (say::prints() && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::new(total);
            let template =
                "{bar:24.yellow/dim} {percent} %  step {pos}/{len}  {msg}  {per_sec}  {elapsed}, \
                            ETA {eta}";
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style.progress_chars("━━─"));
            }
            bar.set_position(first);
            bar.reset_eta();
            bar
        });
        Self {
            bar,
            first,
            total,
            start: Instant::now(),
            last_line: None,
            validation: None,
        }
    }

    /// Moves the bar to this step.
    pub(crate) fn step(&self, step: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(step);
        }
    }

    /// Shows the losses of a record.
    pub(crate) fn record(&mut self, record: &Record) {
        self.validation = record.validation.or(self.validation);
        let mut message = record
            .loss
            .map(|loss| format!("loss {loss:.4}"))
            .unwrap_or_default();
        if let Some(validation) = self.validation {
            message += &format!("  validation {validation:.4}");
        }
        if let Some(bar) = &self.bar {
            bar.set_message(message);
            return;
        }
        let due = self.last_line.is_none_or(|last| last.elapsed() >= EVERY);
        if due || record.step == self.total {
            let speed = (record.step - self.first) as f64 / self.start.elapsed().as_secs_f64();
            let left = (self.total - record.step) as f64 / speed;
            note!(
                "step {}/{}  {message}  {speed:.1} steps/s  ETA {}",
                record.step,
                self.total,
                minutes(left)
            );
            self.last_line = Some(Instant::now());
        }
    }

    /// Prints a line, above the bar if there is one.
    pub(crate) fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| note!("{line}")),
            None => note!("{line}"),
        }
    }

    /// Removes the bar.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// The share that is done and the remaining time. It is shown only in a terminal.
#[derive(Debug)]
pub(crate) struct Bar(ProgressBar);

impl Bar {
    /// The parts that a bar is divided into.
    const PARTS: f64 = 10_000.0;

    /// A bar at its start.
    pub(crate) fn new(what: &str) -> Self {
        // indicatif hides the bar unless it is in a terminal.
        let bar = ProgressBar::new(Self::PARTS as u64);
        if let Ok(style) = ProgressStyle::with_template(
            "{bar:30.yellow/dim} {percent} %  {msg}  {elapsed}, ETA {eta}",
        ) {
            bar.set_style(style.progress_chars("━━─"));
        }
        bar.set_message(what.to_owned());
        // A part may take minutes: the time that is left changes meanwhile.
        bar.enable_steady_tick(Duration::from_secs(1));
        Self(bar)
    }

    /// Moves the bar to this share of the whole, from 0 to 1.
    pub(crate) fn at(&self, share: f64) {
        self.0.set_position((Self::PARTS * share) as u64);
    }

    /// Says what is being done.
    pub(crate) fn doing(&self, what: &str) {
        self.0.set_message(what.to_owned());
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// Seconds, written as `minutes:seconds`.
pub(crate) fn minutes(seconds: f64) -> String {
    let seconds = seconds.max(0.0).round() as u64;
    format!("{}:{:02}", seconds / 60, seconds % 60)
}
