//! A report as one HTML file: text, tables, charts as SVG, and pictures inside it.
//!
//! The page needs no server and no other file.

use std::fmt::Write;

use crate::curve::Series;
use crate::escaped::escaped;
use crate::svg;

/// The look of a page, which follows the system's light or dark mode.
const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#26292e;--pale:#ecedef;--paper:#fff}\
@media(prefers-color-scheme:dark){:root{--ink:#e4e6e9;--pale:#34373c;--paper:#1b1d20}}\
body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);\
max-width:60rem;margin:2rem auto;padding:0 1rem}\
h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2.5rem}\
table{border-collapse:collapse}td,th{text-align:left;padding:.2rem 1.2rem .2rem 0;\
border-bottom:1px solid var(--pale);font-variant-numeric:tabular-nums}\
pre{background:var(--pale);padding:1rem;overflow:auto;border-radius:.3rem}\
figure{margin:1rem 0}figcaption{font-size:.9rem}img,svg{max-width:100%;height:auto}\
img{background:#fff}";

/// A page in the making.
///
/// ```
/// use pyroclast_plot::{Page, Series};
///
/// let mut page = Page::new("a training");
/// page.heading("Loss");
/// page.chart(&[Series::measured("training", [(0.0, 1.0), (10.0, 0.5)])], ["step", "loss"]);
/// let html = page.finish();
/// assert!(html.starts_with("<!doctype html>") && html.contains("<svg"));
/// ```
#[derive(Debug, Clone)]
pub struct Page {
    html: String,
}

impl Page {
    /// An empty page with a title.
    pub fn new(title: &str) -> Self {
        let title = escaped(title);
        Self {
            html: format!(
                "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
                 <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n\
                 <style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
            ),
        }
    }

    /// Begins a section.
    pub fn heading(&mut self, text: &str) {
        let _ = writeln!(self.html, "<h2>{}</h2>", escaped(text));
    }

    /// A paragraph.
    pub fn paragraph(&mut self, text: &str) {
        let _ = writeln!(self.html, "<p>{}</p>", escaped(text));
    }

    /// A table; each row begins with its name.
    pub fn table<'a>(&mut self, rows: impl IntoIterator<Item = (&'a str, String)>) {
        self.html.push_str("<table>\n");
        for (name, value) in rows {
            let (name, value) = (escaped(name), escaped(&value));
            let _ = writeln!(
                self.html,
                "<tr><th scope=\"row\">{name}</th><td>{value}</td></tr>"
            );
        }
        self.html.push_str("</table>\n");
    }

    /// Text as it is, such as a configuration.
    pub fn verbatim(&mut self, text: &str) {
        let _ = writeln!(self.html, "<pre>{}</pre>", escaped(text));
    }

    /// A chart of curves, as [`line_chart`](crate::line_chart) draws it; `names` are those of the
    /// axes.
    pub fn chart(&mut self, series: &[Series], names: [&str; 2]) {
        let _ = writeln!(self.html, "<figure>{}</figure>", svg::chart(series, names));
    }

    /// A picture, from the bytes of a PNG file.
    pub fn picture(&mut self, png: &[u8], caption: &str) {
        let caption = escaped(caption);
        let _ = writeln!(
            self.html,
            "<figure><img alt=\"{caption}\" src=\"data:image/png;base64,{}\">\
             <figcaption>{caption}</figcaption></figure>",
            base64(png)
        );
    }

    /// The page as HTML.
    pub fn finish(mut self) -> String {
        self.html.push_str("</body>\n</html>\n");
        self.html
    }
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |i: usize| u32::from(chunk.get(i).copied().unwrap_or(0));
        let word = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            out.push(if digit > chunk.len() {
                '='
            } else {
                char::from(DIGITS[(word >> (18 - 6 * digit) & 63) as usize])
            });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_written_as_the_standard_says() {
        // RFC 4648, section 10.
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn text_cannot_leave_its_place() {
        let mut page = Page::new("<script>alert(1)</script>");
        page.table([("a & b", "\"quoted\"".to_owned())]);
        page.verbatim("</pre><b>");
        let html = page.finish();
        assert!(!html.contains("<script>") && !html.contains("</pre><b>"));
        assert!(html.contains("a &amp; b") && html.contains("&quot;quoted&quot;"));
    }
}
