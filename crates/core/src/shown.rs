//! Text from outside, as a message may show it.
//!
//! A file, a configuration or an option may hold anything: commands to the terminal, lines that
//! look like those of the program, megabytes.

/// The most characters of a text that a message shows.
const MOST: usize = 240;
/// Of a longer text, the characters that are shown of its end.
const END: usize = 40;

/// A text on one line: control characters are escaped, and of a long text the middle is left out.
///
/// Characters that change the direction of writing count as control characters: they would show a
/// text in another order than it has.
///
/// ```
/// use pyroclast_core::shown::shown;
///
/// assert_eq!(shown("plain text, μ ≥ 0"), "plain text, μ ≥ 0");
/// assert_eq!(shown("\u{1b}]0;owned\u{7}\n"), r"\u{1b}]0;owned\u{7}\n");
/// assert!(shown(&"x".repeat(1_000_000)).chars().count() < 250);
/// ```
pub fn shown(text: &str) -> String {
    cut(text, MOST, END)
}

/// As [`shown`], of at most this many characters before the escapes, of which some are those of the
/// end.
///
/// # Panics
/// If `end` is not below `most`.
pub fn cut(text: &str, most: usize, end: usize) -> String {
    assert!(end < most, "something of the beginning is shown");
    let escaped = |part: &str| part.chars().map(escape).collect::<String>();
    match text.char_indices().nth(most) {
        None => escaped(text),
        Some(_) => {
            let at = |n: usize| text.char_indices().nth(n).map_or(text.len(), |(i, _)| i);
            let (first, last) = (at(most - end), text.char_indices().nth_back(end.max(1) - 1));
            let last = last.map_or(text.len(), |(i, _)| i);
            format!("{} … {}", escaped(&text[..first]), escaped(&text[last..]))
        }
    }
}

fn escape(c: char) -> String {
    let turns = matches!(
        c,
        '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}'
    );
    match c {
        c if c.is_control() => c.escape_default().to_string(),
        c if turns => c.escape_unicode().to_string(),
        c => c.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_reaches_a_terminal_as_a_command() {
        let all: String = (0..0x3000).filter_map(char::from_u32).collect();
        let shown = cut(&all, 0x4000, 1);
        assert!(!shown.chars().any(char::is_control));
        assert!(!shown.contains(['\u{202e}', '\u{2066}', '\u{2028}']));
        assert!(shown.contains("abc") && shown.contains('é'));
    }

    #[test]
    fn a_long_text_keeps_its_beginning_and_its_end() {
        let text: String = ('a'..='z').cycle().take(1000).collect();
        let short = cut(&text, 20, 5);
        assert_eq!(short, "abcdefghijklmno … hijkl");
        assert_eq!(cut("abcde", 5, 2), "abcde");
        assert_eq!(cut("ééééééé", 4, 1), "ééé … é");
    }
}
