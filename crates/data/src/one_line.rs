//! Text from outside as part of a message.

/// A message of another library as part of one line, without control characters.
pub(crate) fn one_line(text: &str) -> String {
    const LONGEST: usize = 120;
    let printable = |c: char| if c.is_control() { ' ' } else { c };
    let mut line: String = text.chars().map(printable).take(LONGEST).collect();
    if text.chars().nth(LONGEST).is_some() {
        line.push('…');
    }
    line
}
