//! Rows of bytes that are read by position: from memory, or from a file that may exceed it.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Rows of bytes, `[n, width]`, in memory or in a file. A clone shares them.
#[derive(Debug, Clone)]
pub struct Pixels {
    place: Place,
    width: usize,
    rows: usize,
}

#[derive(Debug, Clone)]
enum Place {
    Memory(Arc<[u8]>),
    /// A file, and the byte at which the rows begin.
    File(Arc<File>, u64),
}

impl Pixels {
    /// Rows in memory.
    ///
    /// # Panics
    /// If the width is 0, or the bytes are not a whole number of rows.
    pub fn in_memory(bytes: impl Into<Arc<[u8]>>, width: usize) -> Self {
        let bytes = bytes.into();
        assert!(width > 0, "a row holds at least one byte");
        assert!(bytes.len().is_multiple_of(width), "whole rows of {width}");
        Self {
            rows: bytes.len() / width,
            place: Place::Memory(bytes),
            width,
        }
    }

    /// The rows of a file from a byte on.
    pub(crate) fn in_file(file: Arc<File>, start: u64, width: usize, rows: usize) -> Self {
        Self {
            place: Place::File(file, start),
            width,
            rows,
        }
    }

    /// The rows of a file that holds these and nothing else; `None` if it does not.
    pub fn open(path: impl AsRef<Path>, width: usize, rows: usize) -> Option<Self> {
        let file = File::open(path).ok()?;
        let size = (width as u64).checked_mul(rows as u64)?;
        (width > 0 && file.metadata().ok()?.len() == size)
            .then(|| Self::in_file(Arc::new(file), 0, width, rows))
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The number of bytes in a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Copies a row.
    ///
    /// # Panics
    /// If there is no such row, or the buffer has another length than a row.
    ///
    /// # Errors
    /// If the file cannot be read any more.
    pub fn read(&self, row: usize, into: &mut [u8]) -> io::Result<()> {
        assert!(row < self.rows, "row {row} of {}", self.rows);
        assert_eq!(into.len(), self.width, "a buffer of one row");
        let start = row * self.width;
        match &self.place {
            Place::Memory(bytes) => into.copy_from_slice(&bytes[start..start + self.width]),
            Place::File(file, first) => read_exact_at(file, into, first + start as u64)?,
        }
        Ok(())
    }
}

/// Equal rows are equal, wherever they are. A file that cannot be read equals nothing.
impl PartialEq for Pixels {
    fn eq(&self, other: &Self) -> bool {
        let (mut a, mut b) = (vec![0; self.width], vec![0; other.width]);
        let mut same = |row| {
            let read = self.read(row, &mut a).and(other.read(row, &mut b));
            read.is_ok() && a == b
        };
        (self.width, self.rows) == (other.width, other.rows) && (0..self.rows).all(&mut same)
    }
}

#[cfg(unix)]
pub(crate) fn read_exact_at(file: &File, into: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, into, offset)
}

#[cfg(not(unix))]
pub(crate) fn read_exact_at(file: &File, into: &mut [u8], offset: u64) -> io::Result<()> {
    use std::io::{Read, Seek, SeekFrom};
    // A handle of its own keeps its own position, so threads do not disturb each other.
    static POSITION: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _one = POSITION
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    let mut file = file;
    file.seek(SeekFrom::Start(offset))?;
    file.read_exact(into)
}
