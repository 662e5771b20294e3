//! Sources of pictures: a layout each, read in one pass and in a fixed order.

mod arrays;
mod cifar;
mod folder;
mod idx;
mod place;
mod tar;
mod zip;

pub use arrays::read_arrays;

use crate::decode::Picture;
use crate::error::DataError;
use crate::label::Label;
use crate::recognise::{Layout, recognise};
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// A picture before it is decoded.
pub(crate) struct Item {
    /// Its name in the source, for messages.
    pub(crate) name: String,
    pub(crate) label: Option<Label>,
    pub(crate) payload: Payload,
}

/// Where the pixels of a picture are.
pub(crate) enum Payload {
    /// In a file that holds a picture.
    File(PathBuf),
    /// In bytes as of such a file.
    Encoded(Vec<u8>),
    /// Here.
    Pixels(Picture),
}

/// Everything in a source, with the pictures that are held out last.
pub(crate) struct Source<'a> {
    /// The pictures, in order.
    pub(crate) items: Box<dyn Iterator<Item = Result<Item, DataError>> + 'a>,
    /// How many there are, if that is known before they are read.
    pub(crate) total: Option<usize>,
    /// How many of the last ones the source itself holds out.
    pub(crate) held_out: usize,
    /// The names of the classes, if labels index them.
    pub(crate) names: Option<Vec<String>>,
}

/// A file that a source reads, as a cache remembers it: its path, size, and time of change.
pub(crate) type Stamp = (PathBuf, u64, u128);

fn stamp(path: PathBuf) -> Result<Stamp, DataError> {
    let found = fs::metadata(&path).map_err(DataError::io(&path))?;
    let changed = found.modified().ok();
    let changed = changed.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let nanoseconds = changed.map_or(0, |time| time.as_nanos());
    Ok((path, found.len(), nanoseconds))
}

/// A source that is listed but not read.
pub(crate) struct Listed {
    path: PathBuf,
    layout: Layout,
    listing: Listing,
}

enum Listing {
    Folder(folder::Listing),
    Files(Vec<PathBuf>),
    /// A zip in the memory of the program.
    Memory(&'static [u8]),
}

impl Listed {
    /// A zip that is part of the program.
    pub(crate) fn in_memory(name: &str, zip: &'static [u8]) -> Self {
        Self {
            path: name.into(),
            layout: Layout::Zip,
            listing: Listing::Memory(zip),
        }
    }

    /// Where it is, for messages.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Lists what a path holds.
    pub(crate) fn at(path: &Path) -> Result<Self, DataError> {
        let layout = recognise(path)?;
        let listing = match layout {
            Layout::Folder => Listing::Folder(folder::list(path)?),
            Layout::Idx => Listing::Files(idx::files(path)?),
            Layout::Cifar => Listing::Files(cifar::files(path)?),
            Layout::Npy => Listing::Files(arrays::files(path)),
            _ => Listing::Files(vec![path.into()]),
        };
        Ok(Self {
            path: path.into(),
            layout,
            listing,
        })
    }

    /// The files that will be read.
    pub(crate) fn stamps(&self) -> Result<Vec<Stamp>, DataError> {
        match &self.listing {
            Listing::Folder(listing) => listing.files().map(stamp).collect(),
            Listing::Files(files) => files.iter().cloned().map(stamp).collect(),
            // A version of the program may bring other pictures.
            Listing::Memory(zip) => {
                let digest = zip.iter().fold(0_u128, |sum, &byte| {
                    sum.wrapping_mul(0x0100_0000_01b3)
                        .wrapping_add(u128::from(byte) + 1)
                });
                Ok(vec![(self.path.clone(), zip.len() as u64, digest)])
            }
        }
    }

    /// Opens the source, to be read once.
    pub(crate) fn open(&self) -> Result<Source<'_>, DataError> {
        match (&self.listing, self.layout) {
            (Listing::Folder(listing), _) => listing.open(&self.path),
            (Listing::Memory(zip), _) => zip::read(Cursor::new(*zip), &self.path),
            (Listing::Files(files), Layout::Idx) => idx::open(files),
            (Listing::Files(files), Layout::Cifar) => cifar::open(files),
            (Listing::Files(_), Layout::Zip) => zip::open(&self.path),
            (Listing::Files(_), Layout::Tar) => tar::open(&self.path),
            (Listing::Files(files), layout) => arrays::open(files, layout),
        }
    }
}
