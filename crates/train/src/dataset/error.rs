//! What can go wrong with data: the value, then the remedy, on one line.

use std::io;
use std::path::PathBuf;

/// Why a dataset could not be had.
///
/// Rows count the samples of a file from 1, without its header; lines and columns are those that an editor shows.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatasetError {
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
    /// The name ends in nothing that is known.
    #[error("{} has an unknown format; use a .csv, .csv.gz or .npy file", path.display())]
    UnknownFormat {
        /// The file.
        path: PathBuf,
    },
    /// The compressed stream is broken.
    #[error("{} is not a whole gzip file; compress it again", path.display())]
    NotGzip {
        /// The file.
        path: PathBuf,
        /// What the decompressor said.
        source: io::Error,
    },
    /// There is nothing in the file.
    #[error("{} is empty; write one sample a row, its numbers separated by commas", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// There is not enough to learn from.
    #[error("{} has {rows} row(s) of data; give at least 2", path.display())]
    TooFewRows {
        /// The file.
        path: PathBuf,
        /// The samples in it.
        rows: usize,
    },
    /// There is nothing but labels, or an axis of length 0.
    #[error("{} has 0 columns of data; give each sample at least one number", path.display())]
    NoColumns {
        /// The file.
        path: PathBuf,
    },
    /// A row is longer or shorter than those before it.
    #[error(
        "{}:{line}: row {row} has {columns} columns where the {} has {expected}; give every row the same columns",
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
        /// Whether it is the header that this row disagrees with.
        header: bool,
    },
    /// A cell holds nothing.
    #[error("{}:{line}: row {row}, column {column} is empty; fill it in or remove the row", path.display())]
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
    /// A cell holds something else than a number.
    #[error(
        "{}:{line}: row {row}, column {column} is `{value}`, which is not a number; write numbers like -1.5e3, \
         separated by commas",
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
    /// A cell holds NaN, an infinity, or more than single precision can.
    #[error(
        "{}:{line}: row {row}, column {column} is {value}, which is not a finite 32-bit number; replace it or remove \
         the row",
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
    /// An entry of an array is NaN, an infinity, or more than single precision can hold.
    #[error(
        "{}: the entry at {index:?} is {value}, which is not a finite 32-bit number; replace it, see numpy.nan_to_num",
        path.display()
    )]
    EntryNotFinite {
        /// The file.
        path: PathBuf,
        /// Where, as Python counts: `x[index]`.
        index: Vec<usize>,
        /// What stands there.
        value: f32,
    },
    /// Both of the names that mark labels are in the header.
    #[error("{} has label columns {first} and {second}; rename one of them", path.display())]
    TwoLabels {
        /// The file.
        path: PathBuf,
        /// A column, from 1.
        first: usize,
        /// Another column, from 1.
        second: usize,
    },
    /// A label is not a number of a class.
    #[error("{}:{line}: row {row} has label `{value}`; number the classes 0, 1, 2 and so on", path.display())]
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
    #[error("{} has labels up to {largest} but none is {class}; number the classes 0, 1, 2 and so on", path.display())]
    EmptyClass {
        /// The file.
        path: PathBuf,
        /// The smallest class without samples.
        class: u32,
        /// The largest label.
        largest: u32,
    },
    /// The file is no numpy array.
    #[error("{} is not a numpy array; write it with numpy.save", path.display())]
    NotNumpy {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        source: io::Error,
    },
    /// The array holds something else than real numbers that we read.
    #[error("{} holds {kind}; save it as numpy.float32", path.display())]
    NumpyKind {
        /// The file.
        path: PathBuf,
        /// Numpy's own name for the type of its entries.
        kind: String,
    },
    /// The array is neither vectors nor images.
    #[error(
        "{} has shape {shape:?}; save vectors as [n, d] or images as [n, height, width] or [n, channels, height, width]",
        path.display()
    )]
    NumpyShape {
        /// The file.
        path: PathBuf,
        /// The shape of the whole array.
        shape: Vec<u64>,
    },
    /// The images look as if their channels were the last axis.
    #[error("{} has shape {shape:?}, channels last; save numpy.moveaxis(x, -1, 1)", path.display())]
    ChannelsLast {
        /// The file.
        path: PathBuf,
        /// The shape of the whole array.
        shape: Vec<u64>,
    },
    /// The array ends before its header says so.
    #[error("{} ends after {found} of {expected} bytes of data; copy or save it again", path.display())]
    CutShort {
        /// The file.
        path: PathBuf,
        /// The bytes that are there.
        found: u64,
        /// The bytes that the header promises.
        expected: u128,
    },
}
