//! What the command prints.
//!
//! Results go to the standard output, everything else to the standard error. A reader may leave at
//! any time, as `head` does, and a disk may be full: neither may cost a training.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};
use std::process::exit;

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

/// Writes a line of results. Ends the command where it cannot: quietly if the reader has left, and
/// with a line and code 1 otherwise.
pub(crate) fn line(text: Arguments<'_>) {
    let mut out = io::stdout().lock();
    let Err(error) = writeln!(out, "{text}").and_then(|()| out.flush()) else {
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
    let _ = writeln!(io::stderr(), "{text}");
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
