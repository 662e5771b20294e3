//! Errors of data files: each message names the place, the value, and the remedy, on one line.

use pyroclast_data::DataError;
use std::io;
use std::path::PathBuf;

/// Why a dataset could not be read.
///
/// Rows count the samples of a file from 1, without its header; lines and columns are those that an
/// editor shows.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatasetError {
    /// The file cannot be read, or holds nothing that is known.
    #[error(transparent)]
    Data(#[from] DataError),
    /// It holds pictures, where numbers in memory are needed.
    #[error("{} holds pictures; give a .csv, .npy, .npz or .safetensors file", path.display())]
    Pictures {
        /// The file or folder.
        path: PathBuf,
    },
    /// A file gives no condition of each sample.
    #[error("{} gives no conditions: {reason}", path.display())]
    Condition {
        /// The file.
        path: PathBuf,
        /// Why not, and the remedy.
        reason: String,
    },
    /// A column varies by too little for its size.
    #[error(
        "column {column} of {} varies by {std} about {mean}, which double precision cannot \
         resolve; subtract {mean:.0} from it, and add it to the samples",
        path.display()
    )]
    LostDigits {
        /// The file.
        path: PathBuf,
        /// The column, by name or number.
        column: String,
        /// Its mean.
        mean: f64,
        /// Its standard deviation.
        std: f64,
    },
    /// The operating system refused to read the file.
    #[error("{} cannot be read; check that it is a file and that you may read it", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The file is empty.
    #[error(
        "{} is empty; write one sample per row, its numbers separated by commas",
        path.display()
    )]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The file holds fewer than two samples.
    #[error("{} has {rows} row(s) of data; give at least 2", path.display())]
    TooFewRows {
        /// The file.
        path: PathBuf,
        /// The number of samples in it.
        rows: usize,
    },
    /// The file holds only labels, or an array with an axis of length 0.
    #[error("{} has 0 columns of data; give each sample at least one number", path.display())]
    NoColumns {
        /// The file.
        path: PathBuf,
    },
    /// A row is longer or shorter than those before it.
    #[error(
        "{}:{line}: row {row} has {columns} columns, but the {} has {expected}; give every row \
         the same columns",
        path.display(),
        if *header { "header" } else { "first" }
    )]
    Ragged {
        /// The file.
        path: PathBuf,
        /// The line in it.
        line: usize,
        /// The sample, from 1.
        row: usize,
        /// The columns of this row.
        columns: usize,
        /// The columns of the first row, or of the header.
        expected: usize,
        /// Whether `expected` is the number of columns of the header.
        header: bool,
    },
    /// A cell is empty.
    #[error(
        "{}:{line}: row {row}, column {column} is empty; fill it in, or choose what to do about \
         all such cells by data.missing = drop or mean",
        path.display()
    )]
    EmptyCell {
        /// The file.
        path: PathBuf,
        /// The line in it.
        line: usize,
        /// The sample, from 1.
        row: usize,
        /// The column, from 1.
        column: usize,
    },
    /// A cell does not hold a number.
    #[error(
        "{}:{line}: row {row}, column {column} is `{value}`, which is not a number; write numbers \
         like -1.5e3",
        path.display()
    )]
    NotANumber {
        /// The file.
        path: PathBuf,
        /// The line in it.
        line: usize,
        /// The sample, from 1.
        row: usize,
        /// The column, from 1.
        column: usize,
        /// What the cell holds, shortened.
        value: String,
    },
    /// A cell holds NaN, an infinity, or a number too large for single precision.
    #[error(
        "{}:{line}: row {row}, column {column} is {value}, which is not a finite 32-bit number; \
         replace it or remove the row",
        path.display()
    )]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// The line in it.
        line: usize,
        /// The sample, from 1.
        row: usize,
        /// The column, from 1.
        column: usize,
        /// What the cell holds, shortened.
        value: String,
    },
    /// An entry of an array is NaN, an infinity, or too large for single precision.
    #[error(
        "{}: the entry at {index:?} is {value}, which is not a finite 32-bit number; replace it, \
         see numpy.nan_to_num",
        path.display()
    )]
    EntryNotFinite {
        /// The file.
        path: PathBuf,
        /// The index of the entry, from 0, as in Python's `x[index]`.
        index: Vec<usize>,
        /// The entry.
        value: f32,
    },
    /// The header names two columns of labels.
    #[error("{} has label columns {first} and {second}; rename one of them", path.display())]
    TwoLabels {
        /// The file.
        path: PathBuf,
        /// The first column of labels, from 1.
        first: usize,
        /// The second column of labels, from 1.
        second: usize,
    },
    /// A label is not the name of a class.
    #[error(
        "{}:{line}: row {row} has label `{value}`; give every row a whole number or a word",
        path.display()
    )]
    NotALabel {
        /// The file.
        path: PathBuf,
        /// The line in it.
        line: usize,
        /// The sample, from 1.
        row: usize,
        /// What the label column holds, shortened.
        value: String,
    },
    /// No column has this name.
    #[error(
        "{} has no column `{}`; it has {}",
        path.display(),
        shown(name.as_bytes()),
        shown_names(known)
    )]
    NoSuchColumn {
        /// The file.
        path: PathBuf,
        /// The name that was asked for.
        name: String,
        /// The names that there are, separated by commas.
        known: String,
    },
    /// A column has too many different words.
    #[error(
        "column `{}` of {} has {words} different words, and at most {most} can be learned; leave \
         it out by data.columns",
        shown(column.as_bytes()),
        path.display()
    )]
    TooManyWords {
        /// The file.
        path: PathBuf,
        /// The name of the column.
        column: String,
        /// The number of words in it.
        words: usize,
        /// The largest number of words.
        most: usize,
    },
    /// The array is neither vectors nor images.
    #[error(
        "{} has shape {shape:?}; save vectors as [n, d] or images as [n, height, width] or \
         [n, channels, height, width]",
        path.display()
    )]
    NumpyShape {
        /// The file.
        path: PathBuf,
        /// The shape of the whole array.
        shape: Vec<usize>,
    },
}

/// A cell as messages show it: on one line and shortened, since an unclosed quote makes the rest of
/// the file one cell.
pub(super) fn shown(cell: &[u8]) -> String {
    cut(cell, 32)
}

/// Names separated by commas, as messages show them.
fn shown_names(names: &str) -> String {
    cut(names.as_bytes(), 200)
}

fn cut(cell: &[u8], length: usize) -> String {
    let text = String::from_utf8_lossy(cell);
    let line = text.lines().next().unwrap_or_default();
    let mut short: String = line
        .chars()
        .take(length)
        .flat_map(char::escape_debug)
        .collect();
    if short.is_empty() || line.chars().count() > length || line.len() < text.len() {
        short.push('…');
    }
    short
}
