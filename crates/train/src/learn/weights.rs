//! The choice of a model's weights: an average of the parameters, or the parameters themselves.
//!
//! `ema · raw · rate:0.9999 · power:0.12`

use super::average::WIDTHS;
use pyroclast_core::shown::shown;
use std::fmt;
use std::str::FromStr;

/// The choice of a model's weights: an average of the parameters, or the parameters themselves.
///
/// ```
/// use pyroclast_train::learn::Weights;
///
/// assert_eq!("ema".parse(), Ok(Weights::default()));
/// assert_eq!("power:0.12".parse(), Ok(Weights::Power(0.12)));
/// assert_eq!(Weights::Rate(0.9999).to_string(), "rate:0.9999");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Weights {
    /// The moving average of `training.ema`.
    #[default]
    Ema,
    /// The parameters of the last step, without an average.
    Raw,
    /// The moving average of this rate, kept by `training.ema` or `training.ema-rates`.
    Rate(f64),
    /// The power-function average of this relative width in [`WIDTHS`], reconstructed from those of
    /// `training.ema-power`. Snapshots of widths 0.05 and 0.1 at every twentieth of the training
    /// give widths from 0.04 to 0.25 accurately; [`Latest`](super::Latest) refuses a width that
    /// they do not give.
    Power(f64),
}

impl fmt::Display for Weights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ema => write!(f, "ema"),
            Self::Raw => write!(f, "raw"),
            Self::Rate(rate) => write!(f, "rate:{rate}"),
            Self::Power(width) => write!(f, "power:{width}"),
        }
    }
}

impl FromStr for Weights {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let number = |text: &str, what: &str, holds: fn(f64) -> bool| {
            let value = text.trim().parse().ok().filter(|&value| holds(value));
            value.ok_or_else(|| {
                let (name, text) = (shown(name), shown(text));
                format!("`{name}` gives `{text}` where {what} is expected")
            })
        };
        match name.split_once(':') {
            None if name == "ema" => Ok(Self::Ema),
            None if name == "raw" => Ok(Self::Raw),
            Some(("rate", rate)) => {
                let what = "a rate in [0, 1), such as rate:0.9999,";
                number(rate, what, |rate| (0.0..1.0).contains(&rate)).map(Self::Rate)
            }
            Some(("power", width)) => {
                let what = "a relative width from 0.01 to 0.3, such as power:0.12,";
                number(width, what, |width| WIDTHS.contains(&width)).map(Self::Power)
            }
            _ => Err(format!(
                "there is no average `{}`; give ema, raw, rate:R such as rate:0.9999, or \
                 power:SIGMA such as power:0.12",
                shown(name)
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_read_back() {
        for text in ["ema", "raw", "rate:0.9999", "power:0.12", "power:0.3"] {
            let choice: Weights = text.parse().expect(text);
            assert_eq!(choice.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_choice_is_answered_with_what_is() {
        for (text, part) in [
            ("mean", "no average `mean`; give ema, raw, rate:R"),
            ("rate", "give ema, raw"),
            ("rate:1", "`1` where a rate in [0, 1)"),
            ("rate:x", "`x` where a rate"),
            ("power:0.4", "from 0.01 to 0.3"),
            ("power:NaN", "from 0.01 to 0.3"),
        ] {
            let message = text.parse::<Weights>().expect_err(text);
            assert!(message.contains(part), "{text}: {message}");
        }
    }
}
