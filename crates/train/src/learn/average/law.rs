//! The decay of a moving average.
//!
//! `d_k = min(d, (1 + k)/(10 + k))` for a rate d, `d_k = (1 − 1/(k + 1))^{γ+1}` for a power γ
//!
//! Source: Karras et al. 2024, equation 7 for the power, whose t counts steps from 1. The warm-up
//! of a rate, as in the code of TensorFlow and of Ho et al., lets the average forget the initial
//! parameters.

use super::width::{WIDTHS, gamma_of_width};
use std::fmt;
use std::str::FromStr;

/// The decay law of a moving average: the share that it keeps of itself at each step.
///
/// `d_k = min(d, (1 + k)/(10 + k))` for a rate d, `d_k = (1 − 1/(k + 1))^{γ+1}` for a power γ
///
/// Source: Karras et al. 2024, equation 7.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Law {
    /// Exponential decay at a rate d in [0, 1), after a warm-up.
    Rate(f64),
    /// A power γ of the step, given by its relative width σ_rel in [`WIDTHS`].
    Power(f64),
}

impl Law {
    /// The decay d_k of step k, counted from 0.
    pub fn decay(self, k: u64) -> f64 {
        let k = k as f64;
        match self {
            Self::Rate(decay) => decay.min((1.0 + k) / (10.0 + k)),
            Self::Power(width) => (k / (k + 1.0)).powf(gamma_of_width(width) + 1.0),
        }
    }

    /// The name of its list of tensors in a checkpoint.
    pub(in crate::learn) fn list(self) -> String {
        format!("ema.{self}")
    }
}

/// Its name in files, such as `rate-0.9999` or `power-0.05`.
impl fmt::Display for Law {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rate(decay) => write!(f, "rate-{decay}"),
            Self::Power(width) => write!(f, "power-{width}"),
        }
    }
}

impl FromStr for Law {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let law = match name.split_once('-') {
            Some(("rate", decay)) => decay.parse().ok().map(Self::Rate),
            Some(("power", width)) => (width.parse().ok())
                .filter(|width| WIDTHS.contains(width))
                .map(Self::Power),
            _ => None,
        };
        law.ok_or_else(|| format!("there is no average `{name}`; give rate-D or power-WIDTH"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_to_the_last_bit() {
        for law in [
            Law::Rate(0.999_9),
            Law::Rate(1.0 - 1e-9),
            Law::Power(0.1 + 0.02),
        ] {
            assert_eq!(law.to_string().parse(), Ok(law));
        }
        for name in ["rate-", "rate-x", "power-0.4", "power-NaN", "ema", "mean-1"] {
            assert!(name.parse::<Law>().is_err(), "{name}");
        }
    }
}
