//! What the command prints.
//!
//! Results go to the standard output, everything else to the standard error. A reader may leave at
//! any time, as `head` does, and a disk may be full: neither may cost a training.
//!
//! Names, paths and values come from outside, and reach the terminal only as text: control
//! characters are escaped here, whatever the message.

use pyroclast_core::shown::cut;
use pyroclast_metrics::Interval;
use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};
use std::process::exit;
use std::sync::atomic::{AtomicBool, Ordering};

/// Prints a line of results.
macro_rules! say {
    () => { $crate::say::line(format_args!("")) };
    ($($part:tt)*) => { $crate::say::line(format_args!($($part)*)) };
}

/// Prints a line beside the results. One that cannot be printed is dropped.
macro_rules! note {
    ($($part:tt)*) => { $crate::say::aside(format_args!($($part)*)) };
}

pub(crate) use {note, say};

/// The most characters of a line beside the results, and those of its end where the middle is left
/// out.
const LINE: (usize, usize) = (2000, 800);

/// Whether this process prints: of several that work together only one does.
static PRINTS: AtomicBool = AtomicBool::new(true);

/// Prints nothing from now on, but what is said [`aloud`].
pub(crate) fn hush() {
    PRINTS.store(false, Ordering::Relaxed);
}

/// Whether this process prints.
pub(crate) fn prints() -> bool {
    PRINTS.load(Ordering::Relaxed)
}

/// Writes lines of results. Ends the command where it cannot: quietly if the reader has left, and
/// with a line and code 1 otherwise.
pub(crate) fn line(text: Arguments<'_>) {
    let text = text.to_string();
    let lines = text.split('\n').map(|line| cut(line, usize::MAX, 0) + "\n");
    raw(lines.collect::<String>().as_bytes());
}

/// Writes results as they are, for what only the program itself has written. Ends the command where
/// it cannot, as [`line`].
pub(crate) fn raw(bytes: &[u8]) {
    if !prints() {
        return;
    }
    let mut out = io::stdout().lock();
    let Err(error) = out.write_all(bytes).and_then(|()| out.flush()) else {
        return;
    };
    if error.kind() == ErrorKind::BrokenPipe {
        exit(0);
    }
    aside(format_args!("error: cannot write the results: {error}"));
    exit(1);
}

/// Writes a line beside the results, or drops it.
pub(crate) fn aside(text: Arguments<'_>) {
    if prints() {
        aloud(text);
    }
}

/// The same from a process that prints nothing else.
pub(crate) fn aloud(text: Arguments<'_>) {
    let (most, end) = LINE;
    let _ = writeln!(io::stderr(), "{}", cut(&text.to_string(), most, end));
}

/// A number with this many digits after the point; what rounds to zero has no sign.
pub(crate) fn fixed(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    match text.strip_prefix('-') {
        Some(zero) if zero.chars().all(|c| matches!(c, '0' | '.')) => zero.to_owned(),
        _ => text,
    }
}

/// An interval around a value: `± 0.01` if it is in the middle, and `from 0.87 to 0.91` otherwise.
pub(crate) fn around(value: f64, interval: Interval, digits: usize) -> String {
    let Interval { low, high } = interval;
    let [below, above] = [value - low, high - value].map(|part| fixed(part, digits));
    match below == above {
        true => format!("± {above}"),
        false => format!("from {} to {}", fixed(low, digits), fixed(high, digits)),
    }
}

/// A word of a command line as a shell has to be given it.
pub(crate) fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "_-./=,:+@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_has_no_sign() {
        for (value, expected) in [
            (-0.00004, "0.0000"),
            (-0.0, "0.0000"),
            (-0.00006, "-0.0001"),
            (2.5, "2.5000"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(fixed(value, 4), expected);
        }
    }

    #[test]
    fn an_interval_is_told_by_its_half_if_it_has_one() {
        let shown = |low, high| around(0.9, Interval { low, high }, 2);
        assert_eq!(shown(0.85, 0.95), "± 0.05");
        assert_eq!(shown(0.87, 0.91), "from 0.87 to 0.91");
    }

    #[test]
    fn only_words_that_a_shell_would_change_are_quoted() {
        for (word, expected) in [
            ("runs/moons-2", "runs/moons-2"),
            ("training.steps=5", "training.steps=5"),
            ("my run", "'my run'"),
            ("it's", r"'it'\''s'"),
            ("a;b", "'a;b'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(word), expected);
        }
    }
}
