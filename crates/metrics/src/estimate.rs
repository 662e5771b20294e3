//! A score of one repetition, with what it tells of its own error.

use crate::interval::Interval;

/// A score, and its 95 % interval if it tells one by itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The score.
    pub value: f64,
    /// Its interval.
    pub interval: Option<Interval>,
}

impl Estimate {
    /// A share of `n` independent samples, with the interval of [`Interval::of_share`].
    pub fn share(value: f64, n: usize) -> Self {
        Self {
            value,
            interval: Some(Interval::of_share(value, n)),
        }
    }
}

/// A score that tells no interval.
impl From<f64> for Estimate {
    fn from(value: f64) -> Self {
        Self {
            value,
            interval: None,
        }
    }
}
