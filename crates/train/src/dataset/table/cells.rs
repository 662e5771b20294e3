//! The cells of a text, and the names of its columns.
//!
//! The separator is the first of tab, `;`, `|` and `,` that divides every line into equally many
//! parts, since a line divided by semicolons may have decimal commas.

use crate::dataset::DatasetError;
use crate::dataset::error::shown;
use csv::{ByteRecord, Reader, ReaderBuilder, Trim};
use std::io;
use std::path::Path;

/// The separators that are known, the first choice first.
const SEPARATORS: [u8; 4] = [b'\t', b';', b'|', b','];
/// The lines that decide on the separator.
const DECIDING: usize = 50;
/// A first row `0,1,…` of this length or longer is a header whatever follows.
const CERTAIN: usize = 4;

/// The cells of a table, all rows equally long.
pub(super) struct Cells<'a> {
    text: &'a [u8],
    pub(super) path: &'a Path,
    pub(super) separator: u8,
    /// The names in the header, if there is one.
    pub(super) names: Option<Vec<String>>,
    pub(super) columns: usize,
    bytes: Vec<u8>,
    /// The end of each cell in `bytes`.
    ends: Vec<usize>,
    /// The byte of `text` at which each row starts.
    starts: Vec<usize>,
}

impl<'a> Cells<'a> {
    /// Reads a text. A header is known by the names in it: `is_label` tells those of labels.
    pub(super) fn read(
        text: &'a [u8],
        path: &'a Path,
        separator: Option<u8>,
        is_label: impl Fn(&[u8]) -> bool,
    ) -> Result<Self, DatasetError> {
        let separator = separator.unwrap_or_else(|| sniff(text));
        let mut cells = Self {
            text,
            path,
            separator,
            names: None,
            columns: 0,
            bytes: Vec::new(),
            ends: Vec::new(),
            starts: Vec::new(),
        };
        let mut reader = reader(text, separator);
        let mut record = ByteRecord::new();
        while cells.next(&mut reader, &mut record)? {
            if cells.columns == 0 {
                cells.columns = record.len();
                if is_header(&record, &is_label) {
                    cells.names = Some(record.iter().map(name).collect());
                    continue;
                }
            }
            let start = record.position().map_or(0, |position| position.byte()) as usize;
            cells.starts.push(start);
            if record.len() != cells.columns {
                let row = cells.starts.len() - 1;
                return Err(DatasetError::Ragged {
                    path: path.into(),
                    line: cells.line(row),
                    row: row + 1,
                    columns: record.len(),
                    expected: cells.columns,
                    header: cells.names.is_some(),
                });
            }
            for cell in &record {
                cells.bytes.extend_from_slice(cell);
                cells.ends.push(cells.bytes.len());
            }
        }
        if cells.columns == 0 {
            return Err(DatasetError::Empty { path: path.into() });
        }
        cells.take_numbered_header();
        Ok(cells)
    }

    /// Reads the next record that is not a line of blanks.
    fn next(
        &self,
        reader: &mut Reader<&[u8]>,
        record: &mut ByteRecord,
    ) -> Result<bool, DatasetError> {
        loop {
            let more =
                reader
                    .read_byte_record(record)
                    .map_err(|error| DatasetError::Unreadable {
                        path: self.path.into(),
                        source: io::Error::from(error),
                    })?;
            if !more || !is_blank(record) {
                return Ok(more);
            }
        }
    }

    /// A first row 0, 1, 2, … names columns that have no names, as data frames do, if what follows
    /// cannot be more of the same: measurements, or too many columns for a coincidence.
    fn take_numbered_header(&mut self) {
        let counts = |columns: usize| {
            (0..columns).all(|column| self.cell(0, column) == column.to_string().as_bytes())
        };
        if self.names.is_some() || self.columns < 2 || self.rows() < 2 || !counts(self.columns) {
            return;
        }
        let is_whole = |cell: &[u8]| cell.iter().all(u8::is_ascii_digit);
        let measured = |column| (1..self.rows()).any(|row| !is_whole(self.cell(row, column)));
        if self.columns < CERTAIN && !(0..self.columns).all(measured) {
            return;
        }
        self.names = Some((0..self.columns).map(|column| column.to_string()).collect());
        let end = self.ends[self.columns - 1];
        self.bytes.drain(..end);
        self.ends.drain(..self.columns);
        self.ends.iter_mut().for_each(|at| *at -= end);
        self.starts.remove(0);
    }

    pub(super) fn rows(&self) -> usize {
        self.starts.len()
    }

    /// A cell, without blanks around it.
    pub(super) fn cell(&self, row: usize, column: usize) -> &[u8] {
        let at = row * self.columns + column;
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[start..self.ends[at]]
    }

    /// The line on which a row starts, from 1.
    ///
    /// The parser counts the empty lines before a record as part of it, so the line is counted
    /// here, and only for an error.
    pub(super) fn line(&self, row: usize) -> usize {
        let start = self.starts[row];
        let blank = |byte: &&u8| matches!(byte, b'\n' | b'\r');
        let start = start + self.text[start..].iter().take_while(blank).count();
        let ends = self.text[..start].iter().filter(|&&byte| byte == b'\n');
        1 + ends.count()
    }

    /// The column without a name that counts the rows from 0 or 1, as data frames write it.
    pub(super) fn index(&self) -> Option<usize> {
        let name = self.names.as_ref()?.first()?;
        let counts = |from: usize| {
            (0..self.rows()).all(|row| self.cell(row, 0) == (row + from).to_string().as_bytes())
        };
        let is_unnamed = name.is_empty() || name == "Unnamed: 0";
        (is_unnamed && self.columns > 1 && (counts(0) || counts(1))).then_some(0)
    }

    /// The mark before decimals: a comma if it stands in numbers and a point in none.
    pub(super) fn decimal_mark(&self) -> u8 {
        if self.separator == b',' {
            return b'.';
        }
        let cells =
            || (0..self.ends.len()).map(|at| self.cell(at / self.columns, at % self.columns));
        let has =
            |mark: u8| cells().any(|cell| cell.contains(&mark) && number(cell, mark).is_some());
        if has(b',') && !has(b'.') { b',' } else { b'.' }
    }

    /// What a cell holds, as messages show it.
    pub(super) fn shown(&self, row: usize, column: usize) -> String {
        shown(self.cell(row, column))
    }
}

fn reader(text: &[u8], separator: u8) -> Reader<&[u8]> {
    ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(separator)
        .trim(Trim::All)
        .from_reader(text)
}

/// The parser skips empty lines, but not lines of blanks.
fn is_blank(record: &ByteRecord) -> bool {
    record.len() == 1 && record[0].is_empty()
}

fn sniff(text: &[u8]) -> u8 {
    let divides = |&separator: &u8| {
        let records = reader(text, separator).into_byte_records();
        let lengths: Vec<usize> = (records.take(DECIDING).filter_map(Result::ok))
            .filter(|record| !is_blank(record))
            .map(|record| record.len())
            .collect();
        lengths.first().is_some_and(|&first| first > 1)
            && lengths.iter().all(|&length| length == lengths[0])
    };
    SEPARATORS.into_iter().find(divides).unwrap_or(b',')
}

/// Whether the first record is a header.
///
/// A record with a number is data, so that a typing error in the first row is reported and not
/// taken for a header. The exceptions are a record with the name of the label column, and one
/// without a first name that counts from there on: data frames name columns 0, 1, 2.
fn is_header(record: &ByteRecord, is_label: impl Fn(&[u8]) -> bool) -> bool {
    let counts = record.len() > 1
        && record[0].is_empty()
        && (record.iter().skip(1).enumerate())
            .all(|(column, cell)| cell == column.to_string().as_bytes());
    let is_number = |cell: &[u8]| number(cell, b'.').or_else(|| number(cell, b',')).is_some();
    counts || record.iter().any(|cell| is_label(plain(cell))) || !record.iter().any(is_number)
}

/// A cell of the header without the `#` that numpy starts it with.
fn plain(cell: &[u8]) -> &[u8] {
    cell.strip_prefix(b"#").unwrap_or(cell).trim_ascii()
}

fn name(cell: &[u8]) -> String {
    String::from_utf8_lossy(plain(cell)).into_owned()
}

/// The number in a cell, in double precision; NaN and the infinities are numbers too.
pub(super) fn number(cell: &[u8], decimal: u8) -> Option<f64> {
    let text = str::from_utf8(cell).ok()?;
    if decimal == b'.' {
        return text.parse().ok();
    }
    if text.contains('.') {
        return None;
    }
    text.replacen(char::from(decimal), ".", 1).parse().ok()
}

/// Whether a cell says that there is no value.
pub(super) fn is_missing(cell: &[u8]) -> bool {
    ["", "na", "n/a", "nan", "null"]
        .iter()
        .any(|word| cell.eq_ignore_ascii_case(word.as_bytes()))
}
