//! Errors of pictures and arrays on disk: each names the place, the value and the remedy.

use crate::decode::Refusal;
use crate::one_line::one_line;
use std::io;
use std::path::{Path, PathBuf};

/// Why data cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// There is nothing at this path.
    #[error("{} does not exist; check the path", path.display())]
    Missing {
        /// The path.
        path: PathBuf,
    },
    /// The operating system refused to read or to write.
    #[error("{} cannot be used: {source}; check that you may read and write there", path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// It is neither a file nor a folder.
    #[error("{} is neither a file nor a folder", path.display())]
    NotAFile {
        /// What is there.
        path: PathBuf,
    },
    /// Nothing tells what it holds.
    #[error(
        "{} is no data that is known; give a folder of pictures, or a .zip, .tar, .npy, .npz, \
         .safetensors, idx, CIFAR .bin or .csv file",
        path.display()
    )]
    Unknown {
        /// The path.
        path: PathBuf,
    },
    /// Several paths that are not the parts of one set.
    #[error(
        "{} is not a part of one set of data with the others{reason}; only the batches of CIFAR \
         come in several files: give all of one folder, or the folder",
        path.display()
    )]
    NotOneSet {
        /// The path.
        path: PathBuf,
        /// What else is wrong.
        reason: String,
    },
    /// A folder or an archive without pictures.
    #[error("{} holds no picture (.png, .jpg, .webp, .bmp, .gif)", path.display())]
    NoPictures {
        /// The folder or archive.
        path: PathBuf,
    },
    /// Fewer than two pictures.
    #[error("{} holds {n} picture(s) that can be used; give at least 2", path.display())]
    TooFew {
        /// The folder or archive.
        path: PathBuf,
        /// The number of pictures.
        n: usize,
    },
    /// Pictures lie both beside the folders of classes and in them.
    #[error(
        "{} holds pictures beside its folders, such as {name}, so that they have no class; move \
         them into a folder",
        path.display()
    )]
    Unclassed {
        /// The folder or archive.
        path: PathBuf,
        /// A picture without a class.
        name: String,
    },
    /// Pictures of two sizes, and no size to bring them to.
    #[error(
        "{} holds pictures of {}×{} ({first}) and of {}×{} ({other}); give one size for all",
        path.display(), first_size.0, first_size.1, other_size.0, other_size.1
    )]
    MixedSizes {
        /// The folder or archive.
        path: PathBuf,
        /// A picture.
        first: String,
        /// Its width and height.
        first_size: (u32, u32),
        /// A picture of another size.
        other: String,
        /// Its width and height.
        other_size: (u32, u32),
    },
    /// Some pictures cannot be used.
    #[error(
        "{} of the {total} pictures of {} cannot be used: {}; mend or remove them, or skip \
         broken pictures",
        refused.len(), path.display(), first_few(refused)
    )]
    Refused {
        /// The folder or archive.
        path: PathBuf,
        /// The number of all pictures.
        total: usize,
        /// Those that cannot be used, by name.
        refused: Vec<(String, Refusal)>,
    },
    /// An archive holds a name that leads out of it.
    #[error("{} holds the name `{name}`, which leads out of it; make the archive anew", path.display())]
    Escapes {
        /// The archive.
        path: PathBuf,
        /// The name.
        name: String,
    },
    /// A file is damaged or cut off.
    #[error("{} is damaged: {reason}; copy or make it again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Something inflates to more than is ever read.
    #[error("{} inflates to more than {limit} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The bound.
        limit: u64,
    },
    /// A label that is no class, or not one for every picture.
    #[error("{}: {reason}", path.display())]
    Labels {
        /// The file.
        path: PathBuf,
        /// What is wrong, and the remedy.
        reason: String,
    },
    /// An array of a type or shape that holds no samples.
    #[error("{} {reason}", path.display())]
    Array {
        /// The file.
        path: PathBuf,
        /// What is wrong, and the remedy.
        reason: String,
    },
}

impl DataError {
    pub(crate) fn damaged(path: &Path, reason: impl ToString) -> Self {
        Self::Damaged {
            path: path.into(),
            reason: one_line(&reason.to_string()),
        }
    }

    pub(crate) fn io(path: &Path) -> impl Fn(io::Error) -> Self + '_ {
        |source| match source.kind() {
            io::ErrorKind::NotFound => Self::Missing { path: path.into() },
            _ => Self::Unreadable {
                path: path.into(),
                source,
            },
        }
    }
}

/// The first few refused pictures, and how many more there are.
fn first_few(refused: &[(String, Refusal)]) -> String {
    const SHOWN: usize = 3;
    let shown = refused.iter().take(SHOWN);
    let shown = shown.map(|(name, why)| format!("{} ({why})", one_line(name)));
    let mut text = shown.collect::<Vec<_>>().join(", ");
    if refused.len() > SHOWN {
        text += &format!(", and {} more", refused.len() - SHOWN);
    }
    text
}
