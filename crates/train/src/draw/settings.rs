//! What a method is made of.

use super::option::{MethodOption, Options, Value};
use super::{Description, Setting};
use pyroclast_core::ddpm::Variance;
use pyroclast_core::noise::Noise;
use pyroclast_solvers::Increments;

/// What a method is made of: its options, its steps, and the noise of the rows that it draws.
#[derive(Debug, Clone, Copy)]
pub struct Settings<'a> {
    pub(super) taken: &'a [Setting],
    pub(super) options: &'a Options,
    /// The variance that a chain was trained with; none where the network has learned it.
    pub variance: Option<Variance>,
    /// Steps of the grid.
    pub steps: usize,
    /// The source of noise.
    pub noise: Noise,
    /// The first of the rows that are drawn together.
    pub first_row: usize,
}

impl Settings<'_> {
    /// An option, or the method's default.
    ///
    /// # Panics
    /// If the method does not take the option, or the option is a word.
    pub fn number(&self, option: &MethodOption) -> f64 {
        let default = || {
            let setting = (self.taken.iter()).find(|setting| setting.option.name == option.name);
            setting.and_then(|setting| setting.default)
        };
        match self.options.get(option).or_else(default) {
            Some(Value::Number(number)) => number,
            _ => panic!("the method's entry has no number {}", option.name),
        }
    }

    /// A whole number, likewise.
    ///
    /// # Panics
    /// As [`Settings::number`].
    pub fn whole(&self, option: &MethodOption) -> usize {
        self.number(option) as usize
    }

    /// An option where it is set.
    pub fn value(&self, option: &MethodOption) -> Option<Value> {
        self.options.get(option)
    }

    /// The Brownian increments of these rows. Those of other rows or of another index, from 0 to 15,
    /// are independent of them.
    pub fn increments(&self, index: u64) -> Increments {
        Increments {
            noise: self.noise,
            first: 1 + ((self.first_row as u64) << 32) + (index << 28),
        }
    }
}

impl Description {
    /// The settings of a run of this method.
    pub(super) fn settings<'a>(&'a self, options: &'a Options, noise: Noise) -> Settings<'a> {
        Settings {
            taken: self.options,
            options,
            variance: None,
            steps: 1,
            noise,
            first_row: 0,
        }
    }
}
