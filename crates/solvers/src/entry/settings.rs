//! The settings that a method is made with.

use super::option::{MethodOption, Options, Setting, Value};
use crate::brownian::Increments;
use pyroclast_core::ddpm::Variance;
use pyroclast_core::noise::Noise;

/// The settings that a method is made with: its options, the number of steps, and its noise.
#[derive(Debug, Clone, Copy)]
pub struct Settings<'a> {
    pub(super) taken: &'a [Setting],
    pub(super) options: &'a Options,
    /// The variance of a chain's reverse step; `None` if the network has learned it.
    pub variance: Option<Variance>,
    /// The number of steps of the grid.
    pub steps: usize,
    /// The noise of the whole draw.
    pub noise: Noise,
    /// The index of the first row of the chunk.
    pub first_row: usize,
}

impl Settings<'_> {
    /// The number that an option is set to, or the method's default.
    ///
    /// # Panics
    /// If the method does not have the option, or its value is a word.
    pub fn number(&self, option: &MethodOption) -> f64 {
        match self.value_or_default(option) {
            Some(Value::Number(number)) => number,
            _ => panic!("the method's entry has no number {}", option.name),
        }
    }

    /// The word that an option is set to, or the method's default.
    ///
    /// # Panics
    /// If the method does not have the option, or its value is a number.
    pub fn word(&self, option: &MethodOption) -> &'static str {
        match self.value_or_default(option) {
            Some(Value::Word(word)) => word,
            _ => panic!("the method's entry has no word {}", option.name),
        }
    }

    fn value_or_default(&self, option: &MethodOption) -> Option<Value> {
        let default = || {
            let setting = (self.taken.iter()).find(|setting| setting.option.name == option.name);
            setting.and_then(|setting| setting.default)
        };
        self.options.get(option).or_else(default)
    }

    /// The whole number that an option is set to, or the method's default.
    ///
    /// # Panics
    /// As [`Settings::number`].
    pub fn whole(&self, option: &MethodOption) -> usize {
        self.number(option) as usize
    }

    /// The value of an option, if it is set.
    pub fn value(&self, option: &MethodOption) -> Option<Value> {
        self.options.get(option)
    }

    /// The Brownian increments of this chunk, independent of those of other chunks. Each index from
    /// 0 to 15 gives another independent Brownian motion.
    pub fn increments(&self, index: u64) -> Increments {
        Increments {
            noise: self.noise,
            first: 1 + ((self.first_row as u64) << 32) + (index << 28),
        }
    }
}
