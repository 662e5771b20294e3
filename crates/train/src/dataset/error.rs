//! Errors of data files: each message names the place, the value, and the remedy, on one line.

use std::io;
use std::path::PathBuf;

/// Why a dataset could not be read.
///
/// Rows count the samples of a file from 1, without its header; lines and columns are those that an
/// editor shows.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatasetError {
    /// It is a device, a pipe or a folder.
    #[error("{} is not a file of data; give a .csv, .csv.gz or .npy file", path.display())]
    NotAFile {
        /// What is there.
        path: PathBuf,
    },
    /// A compressed file holds more than any table that is learned here.
    #[error("{} inflates to more than {limit} bytes; give a smaller table", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The bound.
        limit: u64,
    },
    /// A column varies by too little for its size.
    #[error(
        "column {column} of {} varies by {std} about {mean}, which single precision cannot \
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
    /// The file does not exist.
    #[error("{} does not exist; check the path", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The operating system refused to read the file.
    #[error("{} cannot be read; check that it is a file and that you may read it", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The extension of the file is not one that is known.
    #[error("{} has an unknown format; use a .csv, .csv.gz or .npy file", path.display())]
    UnknownFormat {
        /// The file.
        path: PathBuf,
    },
    /// The compressed stream is cut off or damaged.
    #[error("{} is not a complete gzip file; compress it again", path.display())]
    NotGzip {
        /// The file.
        path: PathBuf,
        /// What the decompressor said.
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
        "{}:{line}: row {row}, column {column} is empty; fill it in or remove the row",
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
         like -1.5e3, separated by commas",
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
    /// A label is not the number of a class.
    #[error(
        "{}:{line}: row {row} has label `{value}`; number the classes 0, 1, 2 and so on",
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
    /// A class below the largest has no sample.
    #[error(
        "{} has labels up to {largest} but none is {class}; number the classes 0, 1, 2 and so on",
        path.display()
    )]
    EmptyClass {
        /// The file.
        path: PathBuf,
        /// The smallest class without samples.
        class: u32,
        /// The largest label.
        largest: u32,
    },
    /// The file is not a numpy array.
    #[error("{} is not a numpy array; write it with numpy.save", path.display())]
    NotNumpy {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        source: io::Error,
    },
    /// The array does not hold real numbers of a type that can be read.
    #[error("{} holds {kind}; save it as numpy.float32", path.display())]
    NumpyKind {
        /// The file.
        path: PathBuf,
        /// Numpy's name for the type of its entries.
        kind: String,
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
        shape: Vec<u64>,
    },
    /// The channels of the images seem to be the last axis.
    #[error(
        "{} has shape {shape:?}, channels last; save numpy.moveaxis(x, -1, 1)",
        path.display()
    )]
    ChannelsLast {
        /// The file.
        path: PathBuf,
        /// The shape of the whole array.
        shape: Vec<u64>,
    },
    /// The array is shorter than its header says.
    #[error(
        "{} ends after {found} of {expected} bytes of data; copy or save it again",
        path.display()
    )]
    CutShort {
        /// The file.
        path: PathBuf,
        /// The number of bytes after the header.
        found: u64,
        /// The number of bytes of an array of the header's shape and type.
        expected: u128,
    },
}
