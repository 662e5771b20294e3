//! Vectors from comma-separated text.
//!
//! `row i ↦ x1ᵢ ∈ ℝᵈ`, and its class where a column is named `label` or `class`

use super::{Dataset, DatasetError, precision};
use csv::{ByteRecord, ReaderBuilder, Trim};
use std::io;
use std::path::Path;

/// The names of a column of labels, in upper or lower case.
const LABEL: [&str; 2] = ["label", "class"];

/// Labels are below 2²⁴: larger numbers are hardly classes, and single precision would merge them.
const CLASSES: f64 = 16_777_216.0;

/// The dataset in a text; `path` appears only in error messages.
pub(super) fn read(text: &[u8], path: &Path, name: &str) -> Result<Dataset, DatasetError> {
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(Trim::All)
        .from_reader(text);
    let mut record = ByteRecord::new();
    let mut table = Table::new(text, path);
    while reader
        .read_byte_record(&mut record)
        .map_err(|error| DatasetError::Unreadable {
            path: path.into(),
            source: io::Error::from(error),
        })?
    {
        // The parser skips empty lines, but not lines of blanks.
        if record.len() == 1 && record[0].is_empty() {
            continue;
        }
        table.add(&record)?;
    }
    table.finish(name)
}

/// A table that is being read.
struct Table<'a> {
    text: &'a [u8],
    path: &'a Path,
    /// The number of columns of the first record, once it has been read.
    columns: Option<usize>,
    header: bool,
    /// The names in the header, except the name of the label column.
    names: Vec<String>,
    /// The column of labels, if the header names one.
    label: Option<usize>,
    rows: usize,
    values: Vec<f64>,
    labels: Vec<u32>,
}

impl<'a> Table<'a> {
    fn new(text: &'a [u8], path: &'a Path) -> Self {
        Self {
            text,
            path,
            columns: None,
            header: false,
            names: Vec::new(),
            label: None,
            rows: 0,
            values: Vec::new(),
            labels: Vec::new(),
        }
    }

    /// Adds a record, which may be the header.
    fn add(&mut self, record: &ByteRecord) -> Result<(), DatasetError> {
        let Some(expected) = self.columns else {
            self.columns = Some(record.len());
            self.header = self.read_header(record)?;
            return if self.header {
                let columns = record.iter().enumerate();
                let values = columns.filter(|(column, _)| self.label != Some(*column));
                self.names = values.map(|(_, cell)| name(cell)).collect();
                Ok(())
            } else {
                self.add(record)
            };
        };
        self.rows += 1;
        if record.len() != expected {
            return Err(DatasetError::Ragged {
                path: self.path.into(),
                line: self.line(record),
                row: self.rows,
                columns: record.len(),
                expected,
                header: self.header,
            });
        }
        for (column, cell) in record.iter().enumerate() {
            if self.label == Some(column) {
                let label = class(cell).ok_or_else(|| DatasetError::NotALabel {
                    path: self.path.into(),
                    line: self.line(record),
                    row: self.rows,
                    value: shown(cell),
                })?;
                self.labels.push(label);
            } else {
                let value = self.value(record, column)?;
                self.values.push(value);
            }
        }
        Ok(())
    }

    /// Whether the first record is a header; if so, remembers its column of labels.
    ///
    /// A record with a number is data, so that a typing error in the first row is reported and not
    /// taken for a header. The exception is a record with a column named `label`: there, others may
    /// be named 0, 1, 2, as data frames do.
    fn read_header(&mut self, record: &ByteRecord) -> Result<bool, DatasetError> {
        let mut marked = (0..record.len()).filter(|&column| is_label(&record[column]));
        self.label = marked.next();
        if let (Some(first), Some(second)) = (self.label, marked.next()) {
            return Err(DatasetError::TwoLabels {
                path: self.path.into(),
                first: first + 1,
                second: second + 1,
            });
        }
        Ok(self.label.is_some() || record.iter().all(|cell| number(cell).is_none()))
    }

    fn value(&self, record: &ByteRecord, column: usize) -> Result<f64, DatasetError> {
        let cell = &record[column];
        let (path, row) = (self.path.into(), self.rows);
        match number(cell) {
            Some(value) if (value as f32).is_finite() => Ok(value),
            Some(_) => Err(DatasetError::NotFinite {
                path,
                line: self.line(record),
                row,
                column: column + 1,
                value: shown(cell),
            }),
            None if cell.is_empty() => Err(DatasetError::EmptyCell {
                path,
                line: self.line(record),
                row,
                column: column + 1,
            }),
            None => Err(DatasetError::NotANumber {
                path,
                line: self.line(record),
                row,
                column: column + 1,
                value: shown(cell),
            }),
        }
    }

    /// The line on which a record starts, from 1.
    ///
    /// The parser counts the empty lines before a record as part of it, so the line is counted
    /// here, and only for an error.
    fn line(&self, record: &ByteRecord) -> usize {
        let byte = record.position().map_or(0, |position| position.byte()) as usize;
        let blank = |byte: &&u8| matches!(byte, b'\n' | b'\r');
        let start = byte + self.text[byte..].iter().take_while(blank).count();
        let ends = self.text[..start].iter().filter(|&&byte| byte == b'\n');
        1 + ends.count()
    }

    fn finish(self, name: &str) -> Result<Dataset, DatasetError> {
        let path = || self.path.into();
        let Some(columns) = self.columns else {
            return Err(DatasetError::Empty { path: path() });
        };
        let dim = columns - usize::from(self.label.is_some());
        if dim == 0 {
            return Err(DatasetError::NoColumns { path: path() });
        }
        if self.rows < 2 {
            return Err(DatasetError::TooFewRows {
                path: path(),
                rows: self.rows,
            });
        }
        let values = precision::single(&self.values, dim, self.path, &self.names)?;
        let mut data = Dataset::new(name, values, vec![dim]);
        data.columns = self.names;
        if self.label.is_none() {
            return Ok(data);
        }
        let mut present = self.labels.clone();
        present.sort_unstable();
        present.dedup();
        // Without gaps, the k-th class in the file is class k.
        if let Some(class) = (0..)
            .zip(&present)
            .find_map(|(k, &class)| (k < class).then_some(k))
        {
            let largest = present.last().copied().unwrap_or(class);
            return Err(DatasetError::EmptyClass {
                path: path(),
                class,
                largest,
            });
        }
        Ok(data.with_labels(&self.labels, present.len()))
    }
}

/// Whether a cell of the header names the column of labels. Numpy starts a header with `#`.
fn is_label(cell: &[u8]) -> bool {
    let cell = cell.strip_prefix(b"#").unwrap_or(cell).trim_ascii();
    LABEL
        .iter()
        .any(|name| cell.eq_ignore_ascii_case(name.as_bytes()))
}

/// The name in a cell of the header. Numpy starts a header with `#`.
fn name(cell: &[u8]) -> String {
    let cell = cell.strip_prefix(b"#").unwrap_or(cell).trim_ascii();
    String::from_utf8_lossy(cell).into_owned()
}

/// The number in a cell, in double precision; NaN and the infinities are numbers too.
fn number(cell: &[u8]) -> Option<f64> {
    str::from_utf8(cell).ok()?.parse().ok()
}

/// The class in a cell: a non-negative integer, which data frames may write as `3.0`.
fn class(cell: &[u8]) -> Option<u32> {
    let label = number(cell)?;
    ((0.0..CLASSES).contains(&label) && label.fract() == 0.0).then_some(label as u32)
}

/// A cell as error messages show it: on one line and shortened, since an unclosed quote makes the
/// rest of the file one cell.
fn shown(cell: &[u8]) -> String {
    const LENGTH: usize = 32;
    let text = String::from_utf8_lossy(cell);
    let line = text.lines().next().unwrap_or_default();
    let mut short: String = line
        .chars()
        .take(LENGTH)
        .flat_map(char::escape_debug)
        .collect();
    if short.is_empty() || line.chars().count() > LENGTH || line.len() < text.len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Dataset, DatasetError> {
        read(text.as_bytes(), Path::new("x.csv"), "x")
    }

    fn values(text: &str) -> Vec<f32> {
        parse(text).expect(text).values().into_owned()
    }

    #[test]
    fn a_header_is_optional() {
        let expected = [1.0, 2.0, 3.0, 4.0];
        for text in [
            "1,2\n3,4\n",
            "x,y\n1,2\n3,4\n",
            "# x,y\n1,2\n3,4",
            "\"x\",\"y, in cm\"\n1,2\n3,4",
            "\u{feff}x,y\n1,2\n3,4",
            "\u{feff}1,2\n3,4",
            "1,2\r\n3,4\r\n",
            " 1 ,\t2\n\n\n3,  4\n  \n",
            "+1.0,2e0\n0.3E1,\"4\"\n",
        ] {
            assert_eq!(values(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_named_column_holds_labels_wherever_it_stands() {
        for text in [
            "x,label,y\n1,0,2\n3,2,4\n5,1,6\n",
            "Class,x,y\n0,1,2\n2,3,4\n1,5,6\n",
            "x,y, LABEL \n1,2,0.0\n3,4,2.0\n5,6,1.0\n",
            "label,0,1\n0,1,2\n2,3,4\n1,5,6\n",
            "# label,x,y\n0,1,2\n2,3,4\n1,5,6\n",
        ] {
            let data = parse(text).expect(text);
            assert_eq!(
                data.values().as_ref(),
                [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
                "{text:?}"
            );
            assert_eq!(data.labels(), Some([0, 2, 1].as_slice()));
            assert_eq!((data.classes(), data.shape), (3, vec![2]));
        }
    }

    #[test]
    fn without_a_header_every_column_is_data() {
        let data = parse("1,2,0\n3,4,1\n").expect("a plain table");
        assert_eq!((data.dim(), data.labels(), data.classes()), (3, None, 0));
    }

    #[test]
    fn numbers_round_trip_through_text() {
        use pyroclast_core::noise::{Noise, Stream};
        use std::fmt::Write;
        let numbers = Noise::new(6).draws(Stream::Data, 0).normals(3 * 500);
        let mut text = String::new();
        for row in numbers.chunks_exact(3) {
            writeln!(text, "{},{:e},{}", row[0], row[1], row[2]).expect("memory takes all text");
        }
        assert_eq!(values(&text), numbers);
    }

    #[test]
    fn every_broken_table_is_refused_with_the_line_and_a_remedy() {
        let number = "which is not a number; write numbers like -1.5e3, separated by commas";
        let finite = "which is not a finite 32-bit number; replace it or remove the row";
        let label = "number the classes 0, 1, 2 and so on";
        let columns = "give every row the same columns";
        let long = format!("1\n{}\n", "y".repeat(100));
        for (text, expected) in [
            (
                "\n\n",
                "x.csv is empty; write one sample per row, its numbers separated by commas".into(),
            ),
            (
                "1,2\n",
                "x.csv has 1 row(s) of data; give at least 2".into(),
            ),
            (
                "x,y\n",
                "x.csv has 0 row(s) of data; give at least 2".into(),
            ),
            (
                "label\n0\n1\n",
                "x.csv has 0 columns of data; give each sample at least one number".into(),
            ),
            (
                "1,2\n3,4\n5,6,7\n",
                format!("x.csv:3: row 3 has 3 columns, but the first has 2; {columns}"),
            ),
            (
                "x,y\n\n1,2\n\n\n3\n",
                format!("x.csv:6: row 2 has 1 columns, but the header has 2; {columns}"),
            ),
            (
                "x,y\r\n\r\n1,2\r\n\r\n3\r\n",
                format!("x.csv:5: row 2 has 1 columns, but the header has 2; {columns}"),
            ),
            (
                "1,2\n3,four\n",
                format!("x.csv:2: row 2, column 2 is `four`, {number}"),
            ),
            (
                "1,two\n3,4\n",
                format!("x.csv:1: row 1, column 2 is `two`, {number}"),
            ),
            (
                "1;2\n3;4\n",
                format!("x.csv:2: row 1, column 1 is `3;4`, {number}"),
            ),
            (
                "1\n\"2\n3\n4\n",
                format!("x.csv:2: row 2, column 1 is `2…`, {number}"),
            ),
            (
                "1\na\tb\n",
                format!("x.csv:2: row 2, column 1 is `a\\tb`, {number}"),
            ),
            (
                &long,
                format!(
                    "x.csv:2: row 2, column 1 is `{}…`, {number}",
                    "y".repeat(32)
                ),
            ),
            (
                "1,2\n3,\n",
                "x.csv:2: row 2, column 2 is empty; fill it in or remove the row".into(),
            ),
            (
                "x,y\n1,2\nNaN,4\n",
                format!("x.csv:3: row 2, column 1 is NaN, {finite}"),
            ),
            (
                "1,2\n3,-inf\n",
                format!("x.csv:2: row 2, column 2 is -inf, {finite}"),
            ),
            (
                "nan,nan\n3,4\n",
                format!("x.csv:1: row 1, column 1 is nan, {finite}"),
            ),
            (
                "1,2\n1e39,4\n",
                format!("x.csv:2: row 2, column 1 is 1e39, {finite}"),
            ),
            (
                "label,x,class\n0,1,0\n1,2,1\n",
                "x.csv has label columns 1 and 3; rename one of them".into(),
            ),
            (
                "x,label\n1,0\n2,cat\n",
                format!("x.csv:3: row 2 has label `cat`; {label}"),
            ),
            (
                "x,label\n1,0\n2,\n",
                format!("x.csv:3: row 2 has label `…`; {label}"),
            ),
            (
                "x,label\n1,-1\n2,0\n",
                format!("x.csv:2: row 1 has label `-1`; {label}"),
            ),
            (
                "x,label\n1,0\n2,0.5\n",
                format!("x.csv:3: row 2 has label `0.5`; {label}"),
            ),
            (
                "x,label\n1,0\n2,NaN\n",
                format!("x.csv:3: row 2 has label `NaN`; {label}"),
            ),
            (
                "x,label\n1,0\n2,1e9\n",
                format!("x.csv:3: row 2 has label `1e9`; {label}"),
            ),
            (
                "x,label\n1,1\n2,2\n",
                format!("x.csv has labels up to 2 but none is 0; {label}"),
            ),
            (
                "x,label\n1,0\n2,1\n3,4\n",
                format!("x.csv has labels up to 4 but none is 2; {label}"),
            ),
        ] {
            let error = parse(text).expect_err(text).to_string();
            assert_eq!(error, expected, "{text:?}");
            assert!(!error.contains('\n'));
        }
    }

    #[test]
    fn text_that_is_not_unicode_is_no_number() {
        let error = read(b"1\n\xff\xfe\n", Path::new("x.csv"), "x").expect_err("two odd bytes");
        assert!(
            error
                .to_string()
                .starts_with("x.csv:2: row 2, column 1 is `\u{fffd}\u{fffd}`")
        );
    }
}
