//! The numbers along an axis, and their notation.

/// One number along an axis.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tick {
    /// Its value.
    pub(crate) value: f64,
    /// Its text.
    pub(crate) label: String,
}

/// The step of the form 1, 2 or 5 × 10^k that cuts `span` into about `parts`.
pub(crate) fn round_step(span: f64, parts: usize) -> f64 {
    let rough = span / parts.max(1) as f64;
    if !rough.is_normal() || rough < 0.0 {
        return 1.0;
    }
    let power = 10f64.powf(rough.log10().floor());
    // Rounding at the geometric means keeps the number of parts closest to the request.
    let factor = match rough / power {
        share if share < 2f64.sqrt() => 1.0,
        share if share < 10f64.sqrt() => 2.0,
        share if share < 50f64.sqrt() => 5.0,
        _ => 10.0,
    };
    factor * power
}

/// The multiples of `step` from `low` to `high`, all with the same unit and decimals.
pub(crate) fn evenly(low: f64, high: f64, step: f64) -> Vec<Tick> {
    let first = (low / step - 1e-6).ceil();
    let last = (high / step + 1e-6).floor();
    let many = 1000.0;
    if !(first..first + many).contains(&last) {
        return Vec::new();
    }
    let largest = (first.abs().max(last.abs())) * step;
    let unit = Unit::of(largest, step);
    (0..=(last - first) as usize)
        .map(|index| (first + index as f64) * step)
        .map(|value| Tick {
            value,
            label: unit.write(value),
        })
        .collect()
}

/// Numbers for a logarithmic axis.
pub(crate) fn by_decades(low: f64, high: f64) -> Vec<Tick> {
    let (first, last) = (low.log10().floor() as i32, high.log10().ceil() as i32);
    let decades = high.log10() - low.log10();
    let within: &[u8] = match decades {
        few if few < 3.0 => &[1, 2, 5],
        _ => &[1],
    };
    let stride = ((decades / 8.0).ceil() as u32).max(1);
    let inside = low * (1.0 - 1e-9)..=high * (1.0 + 1e-9);
    (first..=last)
        .filter(|power| power.unsigned_abs().is_multiple_of(stride))
        .flat_map(|power| within.iter().map(move |&digit| (digit, power)))
        .map(|(digit, power)| Tick {
            value: f64::from(digit) * 10f64.powi(power),
            label: decimal(digit, power),
        })
        .filter(|tick| inside.contains(&tick.value))
        .collect()
}

/// A digit with zeros, or with a power of ten where the zeros would be many.
fn decimal(digit: u8, power: i32) -> String {
    match power {
        0..=3 => format!("{digit}{}", "0".repeat(power.unsigned_abs() as usize)),
        -3..0 => format!("0.{}{digit}", "0".repeat(power.unsigned_abs() as usize - 1)),
        _ => with_minus(format!("{digit}e{power}")),
    }
}

/// The unit that the numbers of one axis share.
enum Unit {
    Plain {
        decimals: usize,
    },
    Suffix {
        size: f64,
        decimals: usize,
        sign: char,
    },
    Power {
        decimals: usize,
    },
}

impl Unit {
    fn of(largest: f64, step: f64) -> Self {
        let decimals = |step: f64| (-(step * 1.001).log10().floor()).max(0.0) as usize;
        let suffix = |size: f64, sign| Self::Suffix {
            size,
            decimals: decimals(step / size),
            sign,
        };
        match largest {
            _ if step < 1e-4 || largest >= 1e12 => Self::Power {
                decimals: (largest / step).log10().ceil().clamp(0.0, 6.0) as usize,
            },
            huge if huge >= 1e9 => suffix(1e9, 'G'),
            huge if huge >= 1e6 => suffix(1e6, 'M'),
            large if large >= 1e4 => suffix(1e3, 'k'),
            _ => Self::Plain {
                decimals: decimals(step),
            },
        }
    }

    fn write(&self, value: f64) -> String {
        // A multiple of a step may be a negative zero.
        if value == 0.0 {
            return "0".to_owned();
        }
        with_minus(match *self {
            Self::Plain { decimals } => format!("{value:.decimals$}"),
            Self::Suffix {
                size,
                decimals,
                sign,
            } => format!("{:.decimals$}{sign}", value / size),
            Self::Power { decimals } => format!("{value:.decimals$e}"),
        })
    }
}

/// Replaces the hyphen by a true minus, which is as wide as a digit.
fn with_minus(number: String) -> String {
    number.replace('-', "−")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(ticks: &[Tick]) -> Vec<&str> {
        ticks.iter().map(|tick| tick.label.as_str()).collect()
    }

    #[test]
    fn steps_are_one_two_or_five() {
        assert_eq!(round_step(10.0, 5), 2.0);
        assert_eq!(round_step(2000.0, 6), 500.0);
        assert!((round_step(0.7, 6) - 0.1).abs() < 1e-12);
        assert_eq!(round_step(0.0, 6), 1.0);
        assert_eq!(round_step(f64::NAN, 6), 1.0);
    }

    #[test]
    fn ticks_share_their_decimals() {
        assert_eq!(
            labels(&evenly(-1.2, 1.1, 0.5)),
            ["−1.0", "−0.5", "0", "0.5", "1.0"]
        );
        assert_eq!(labels(&evenly(0.0, 3.0, 1.0)), ["0", "1", "2", "3"]);
    }

    #[test]
    fn large_steps_are_counted_in_thousands() {
        assert_eq!(
            labels(&evenly(0.0, 20_000.0, 5_000.0)),
            ["0", "5k", "10k", "15k", "20k"]
        );
        assert_eq!(
            labels(&evenly(10_000.0, 11_000.0, 500.0)),
            ["10.0k", "10.5k", "11.0k"]
        );
        assert_eq!(labels(&evenly(0.0, 2e6, 1e6)), ["0", "1M", "2M"]);
    }

    #[test]
    fn tiny_steps_are_written_as_powers() {
        assert_eq!(labels(&evenly(0.0, 4e-6, 2e-6)), ["0", "2.0e−6", "4.0e−6"]);
    }

    #[test]
    fn a_short_log_axis_has_ones_twos_and_fives() {
        assert_eq!(
            labels(&by_decades(0.01, 1.0)),
            ["0.01", "0.02", "0.05", "0.1", "0.2", "0.5", "1"]
        );
    }

    #[test]
    fn a_long_log_axis_has_powers_of_ten() {
        assert_eq!(
            labels(&by_decades(2e-5, 150.0)),
            ["1e−4", "0.001", "0.01", "0.1", "1", "10", "100"]
        );
        assert!(by_decades(1e-30, 1e30).len() <= 9);
    }

    #[test]
    fn limits_out_of_range_have_no_ticks() {
        assert!(evenly(0.0, 1e300, 1.0).is_empty());
        assert!(evenly(f64::NAN, 1.0, 0.1).is_empty());
    }
}
