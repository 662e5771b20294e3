//! Datasets from tables: the columns are told apart by what is in them.
//!
//! `row i ↦ x1ᵢ ∈ ℝᵈ`, and its class where a column holds labels

use super::cells::{Cells, is_missing, number};
use super::column::{self, Column, ColumnKind, Content};
use super::{LabelColumn, Table};
use crate::dataset::samples::Samples;
use crate::dataset::{DataSource, Dataset, DatasetError, precision};
use pyroclast_core::condition::Given;
use pyroclast_core::named;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

/// The names of a column of labels, in upper or lower case.
const LABEL: [&str; 2] = ["label", "class"];
/// The most words of a column: more are hardly categories, and each is a value of a sample.
const MOST_WORDS: usize = 256;
/// Labels beyond this are hardly classes, and double precision would merge them.
const LARGEST_LABEL: f64 = 9_007_199_254_740_992.0;

named! {
    /// What to do about cells without a value: empty ones, and NA, N/A, NaN and null.
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub enum Missing as "way with missing values" {
        /// Refuse the table.
        "refuse" => Refuse,
        /// Leave out the row.
        "drop" => Drop,
        /// Put in the mean of the column, and learn where it was.
        "mean" => Mean,
    }
}

/// The dataset in a text; `path` appears only in error messages.
pub(in crate::dataset) fn read(
    text: &[u8],
    path: &Path,
    name: &str,
    source: &DataSource,
) -> Result<Dataset, DatasetError> {
    let is_label = |cell: &[u8]| match source.label.as_bytes() {
        b"" => LABEL
            .iter()
            .any(|name| cell.eq_ignore_ascii_case(name.as_bytes())),
        wanted => cell == wanted,
    };
    let separator = match source.separator.as_str() {
        "auto" => None,
        "tab" => Some(b'\t'),
        other => other.bytes().next(),
    };
    let cells = Cells::read(text, path, separator, is_label)?;
    let decimal = match source.decimal.as_str() {
        "auto" => cells.decimal_mark(),
        other => other.bytes().next().unwrap_or(b'.'),
    };
    let names: Vec<String> = match &cells.names {
        Some(names) => names.clone(),
        None => (0..cells.columns)
            .map(|column| format!("x{column}"))
            .collect(),
    };
    Reader {
        source,
        cells,
        names,
        decimal,
        rows: Vec::new(),
        notes: Vec::new(),
    }
    .dataset(name, is_label)
}

/// A table that is being read.
struct Reader<'a> {
    source: &'a DataSource,
    cells: Cells<'a>,
    names: Vec<String>,
    decimal: u8,
    /// The rows that are kept.
    rows: Vec<usize>,
    notes: Vec<String>,
}

impl Reader<'_> {
    fn dataset(
        mut self,
        name: &str,
        is_label: impl Fn(&[u8]) -> bool,
    ) -> Result<Dataset, DatasetError> {
        let path = self.cells.path;
        let label = self.label(is_label)?;
        for known in self.source.columns.0.keys() {
            self.find(known)?;
        }
        let index = self.cells.index();
        if index.is_some() {
            self.notes
                .push("the first column counts the rows, and is left out".to_owned());
        }
        let kind = |name: &String| self.source.columns.0.get(name).copied();
        let used: Vec<usize> = (0..self.cells.columns)
            .filter(|&column| label != Some(column) && index != Some(column))
            .filter(|&column| kind(&self.names[column]) != Some(ColumnKind::Drop))
            .collect();
        if used.is_empty() {
            return Err(DatasetError::NoColumns { path: path.into() });
        }
        self.keep_rows(&used, label);
        if self.rows.len() < 2 {
            return Err(DatasetError::TooFewRows {
                path: path.into(),
                rows: self.rows.len(),
            });
        }
        let (mut columns, mut parts) = (Vec::new(), Vec::new());
        for &at in &used {
            let (column, values) = self.column(at, kind(&self.names[at]))?;
            parts.push((column.width(), values));
            columns.push(column);
        }
        let dim = parts.iter().map(|(width, _)| width).sum();
        let mut values = Vec::with_capacity(self.rows.len() * dim);
        for row in 0..self.rows.len() {
            for (width, part) in &parts {
                values.extend_from_slice(&part[row * width..(row + 1) * width]);
            }
        }
        let named: Vec<String> = columns.iter().flat_map(Column::names).collect();
        precision::check(&values, dim, path, &named)?;
        let mut data = Dataset::new(name, Vec::new(), vec![dim]);
        data.samples = Samples::Reals(values);
        if let Some(at) = label {
            let (labels, names) = self.labels(at)?;
            data = data.with(Given::labels(&labels, names.len()));
            data.class_names = names;
        }
        // Numbers without a header have no names.
        if self.cells.names.is_some() || dim > columns.len() {
            data.columns = named;
        }
        data.table = Some(Arc::new(Table {
            columns,
            label: label.map(|at| LabelColumn {
                name: self.names[at].clone(),
                at: used.iter().filter(|&&column| column < at).count(),
            }),
            separator: char::from(self.cells.separator),
            decimal: char::from(self.decimal),
            notes: self.notes,
        }));
        Ok(data)
    }

    /// The place of the column with this name.
    fn find(&self, name: &str) -> Result<usize, DatasetError> {
        let place = self.names.iter().position(|known| known == name);
        place.ok_or_else(|| DatasetError::NoSuchColumn {
            path: self.cells.path.into(),
            name: name.to_owned(),
            known: self.names.join(", "),
        })
    }

    /// The place of the column of labels, if there is one.
    fn label(&self, is_label: impl Fn(&[u8]) -> bool) -> Result<Option<usize>, DatasetError> {
        if !self.source.label.is_empty() {
            return self.find(&self.source.label).map(Some);
        }
        if self.cells.names.is_none() {
            return Ok(None);
        }
        let mut marked = (0..self.names.len()).filter(|&at| is_label(self.names[at].as_bytes()));
        match (marked.next(), marked.next()) {
            (Some(first), Some(second)) => Err(DatasetError::TwoLabels {
                path: self.cells.path.into(),
                first: first + 1,
                second: second + 1,
            }),
            (first, _) => Ok(first),
        }
    }

    /// Decides which rows are kept.
    fn keep_rows(&mut self, used: &[usize], label: Option<usize>) {
        let n = self.cells.rows();
        let is_whole = |&row: &usize| {
            let columns = used.iter().copied().chain(label);
            self.source.missing != Missing::Drop
                || !columns
                    .into_iter()
                    .any(|at| is_missing(self.cells.cell(row, at)))
        };
        self.rows = (0..n).filter(is_whole).collect();
        let dropped = n - self.rows.len();
        if dropped > 0 {
            self.notes.push(format!(
                "{dropped} of {n} rows have a missing value, and are left out"
            ));
        }
    }

    /// What a column holds, and its values, `[rows, width]`.
    fn column(
        &self,
        at: usize,
        kind: Option<ColumnKind>,
    ) -> Result<(Column, Vec<f64>), DatasetError> {
        let texts = || self.rows.iter().map(|&row| self.cells.cell(row, at));
        // A number with the other mark is a mistake, and no word.
        let is_number = |cell: &&[u8]| b".,".iter().any(|&mark| number(cell, mark).is_some());
        let present = texts().filter(|cell| !is_missing(cell));
        let are_words = match kind {
            Some(kind) => kind == ColumnKind::Category,
            None => 2 * present.clone().filter(is_number).count() < present.count(),
        };
        let name = self.names[at].clone();
        let (content, may_be_empty, values) = if are_words {
            let (content, values) = self.words(at)?;
            (content, false, values)
        } else {
            self.numbers(at, kind)?
        };
        let column = Column {
            name,
            content,
            may_be_empty,
        };
        Ok((column, values))
    }

    fn words(&self, at: usize) -> Result<(Content, Vec<f64>), DatasetError> {
        let fills = self.source.missing == Missing::Mean;
        let mut texts = Vec::with_capacity(self.rows.len());
        for &row in &self.rows {
            let cell = self.cells.cell(row, at);
            if cell.is_empty() && !fills {
                return Err(self.empty(row, at));
            }
            texts.push(if fills && is_missing(cell) {
                String::new()
            } else {
                String::from_utf8_lossy(cell).into_owned()
            });
        }
        let words = self.distinct(&texts);
        if words.len() > MOST_WORDS {
            return Err(DatasetError::TooManyWords {
                path: self.cells.path.into(),
                column: self.names[at].clone(),
                words: words.len(),
                most: MOST_WORDS,
            });
        }
        if let [word] = &words[..] {
            return Ok((Content::Constant(word.clone(), 0.0), vec![0.0; texts.len()]));
        }
        let values = (texts.iter()).flat_map(|text| {
            words
                .iter()
                .map(move |word| f64::from(u8::from(word == text)))
        });
        let values = values.collect();
        Ok((Content::Words(words), values))
    }

    /// The different texts in order: of their numbers if all are numbers.
    fn distinct(&self, texts: &[String]) -> Vec<String> {
        let words: BTreeSet<&String> = texts.iter().collect();
        let mut words: Vec<String> = words.into_iter().cloned().collect();
        let value = |word: &String| number(word.as_bytes(), self.decimal);
        if words.iter().all(|word| value(word).is_some()) {
            let key = |word: &String| value(word).unwrap_or_default();
            words.sort_by(|a, b| key(a).total_cmp(&key(b)));
        }
        words
    }

    fn numbers(
        &self,
        at: usize,
        kind: Option<ColumnKind>,
    ) -> Result<(Content, bool, Vec<f64>), DatasetError> {
        let fills = self.source.missing == Missing::Mean;
        let mut values = Vec::with_capacity(self.rows.len());
        for &row in &self.rows {
            let is_gap = fills && is_missing(self.cells.cell(row, at));
            values.push(if is_gap {
                None
            } else {
                Some(self.value(row, at)?)
            });
        }
        let present: Vec<f64> = values.iter().flatten().copied().collect();
        let first = (self.rows.iter().zip(&values)).find(|(_, value)| value.is_some());
        let text = first.map_or(&b""[..], |(&row, _)| self.cells.cell(row, at));
        let is_digits = |text: &[u8]| !text.iter().any(|byte| b".,eE".contains(byte));
        let are_whole = (self.rows.iter().zip(&values))
            .filter(|(_, value)| value.is_some())
            .all(|(&row, _)| is_digits(self.cells.cell(row, at)));
        let content = column::numbers(&present, &String::from_utf8_lossy(text), are_whole, kind);
        if present.len() == values.len() {
            return Ok((content, false, present));
        }
        let mean = present.iter().sum::<f64>() / present.len().max(1) as f64;
        let pair = |value: &Option<f64>| match value {
            Some(value) => [*value, 0.0],
            None => [mean, 1.0],
        };
        let filled = values.iter().flat_map(pair).collect();
        Ok((content, true, filled))
    }

    fn value(&self, row: usize, at: usize) -> Result<f64, DatasetError> {
        let cell = self.cells.cell(row, at);
        match number(cell, self.decimal) {
            Some(value) if (value as f32).is_finite() => Ok(value),
            None if is_missing(cell) => Err(self.empty(row, at)),
            found => Err(self.no_number(row, at, found.is_some())),
        }
    }

    /// The error for a cell that is no number, or none that is finite. Its line is looked for only
    /// then: that takes a walk through the text.
    fn no_number(&self, row: usize, at: usize, is_number: bool) -> DatasetError {
        let (path, line) = (self.cells.path.into(), self.cells.line(row));
        let (value, row, column) = (self.cells.shown(row, at), row + 1, at + 1);
        if is_number {
            DatasetError::NotFinite {
                path,
                line,
                row,
                column,
                value,
            }
        } else {
            DatasetError::NotANumber {
                path,
                line,
                row,
                column,
                value,
            }
        }
    }

    fn empty(&self, row: usize, at: usize) -> DatasetError {
        DatasetError::EmptyCell {
            path: self.cells.path.into(),
            line: self.cells.line(row),
            row: row + 1,
            column: at + 1,
        }
    }

    /// The class of each row, and the names of the classes: whole numbers in rising order, or words
    /// in the order of the alphabet.
    fn labels(&self, at: usize) -> Result<(Vec<u32>, Vec<String>), DatasetError> {
        let value = |row: usize| number(self.cells.cell(row, at), self.decimal);
        let are_numbers = self
            .rows
            .iter()
            .all(|&row| value(row).is_some() || is_missing(self.cells.cell(row, at)));
        let mut texts = Vec::with_capacity(self.rows.len());
        for &row in &self.rows {
            let is_class = |x: f64| x.fract() == 0.0 && x.abs() < LARGEST_LABEL;
            let text = match value(row) {
                Some(x) if are_numbers => is_class(x).then(|| (x + 0.0).to_string()),
                _ => {
                    let cell = self.cells.cell(row, at);
                    (!is_missing(cell)).then(|| String::from_utf8_lossy(cell).into_owned())
                }
            };
            texts.push(text.ok_or_else(|| DatasetError::NotALabel {
                path: self.cells.path.into(),
                line: self.cells.line(row),
                row: row + 1,
                value: self.cells.shown(row, at),
            })?);
        }
        let names = self.distinct(&texts);
        let class = |text: &String| names.iter().position(|name| name == text);
        // Each text is one of the names.
        let labels = texts.iter().map(|text| class(text).unwrap_or(0) as u32);
        Ok((labels.collect(), names))
    }
}
