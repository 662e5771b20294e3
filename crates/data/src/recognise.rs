//! What a path holds, told by its name and, for folders, by what lies in it.

use crate::error::DataError;
use std::fs;
use std::path::{Path, PathBuf};

/// The ends of the names of pictures.
const PICTURES: [&str; 6] = ["png", "jpg", "jpeg", "webp", "bmp", "gif"];

/// The layouts of data that are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Layout {
    /// A folder of pictures, in folders of classes or not.
    Folder,
    /// A zip of pictures, in EDM's layout or as a folder would be.
    Zip,
    /// A tar of pictures, with WebDataset's labels or as a folder would be, or a folder of tars.
    Tar,
    /// CIFAR-10 or CIFAR-100 in its binary version: a folder, a file, or the archive.
    Cifar,
    /// MNIST's idx files: a folder of them, or the file of images.
    Idx,
    /// Numpy's array file.
    Npy,
    /// Numpy's archive of arrays.
    Npz,
    /// Tensors by name.
    Safetensors,
    /// A table of text: .csv or .tsv.
    Table,
}

impl Layout {
    /// Whether it holds pictures and nothing else.
    pub fn is_pictures(self) -> bool {
        matches!(
            self,
            Self::Folder | Self::Zip | Self::Tar | Self::Cifar | Self::Idx
        )
    }
}

/// The name of a file in lower case, without `.gz`.
pub(crate) fn plain_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = name.to_lowercase();
    name.strip_suffix(".gz").map(str::to_owned).unwrap_or(name)
}

/// What this path holds.
///
/// # Errors
/// [`DataError`]: there is nothing, or nothing that is known.
pub fn recognise(path: &Path) -> Result<Layout, DataError> {
    let found = fs::metadata(path).map_err(DataError::io(path))?;
    if found.is_dir() {
        return of_folder(path);
    }
    if !found.is_file() {
        return Err(DataError::NotAFile { path: path.into() });
    }
    let name = plain_name(path);
    let is_compressed = path
        .extension()
        .is_some_and(|end| end.eq_ignore_ascii_case("gz"));
    let layout = match name.rsplit_once('.').map_or("", |(_, end)| end) {
        "zip" => Layout::Zip,
        "tar" | "tgz" if name.starts_with("cifar") => Layout::Cifar,
        "tar" | "tgz" => Layout::Tar,
        "npy" if !is_compressed => Layout::Npy,
        "npz" => Layout::Npz,
        "safetensors" => Layout::Safetensors,
        "csv" | "tsv" => Layout::Table,
        "bin" => Layout::Cifar,
        _ if is_idx(&name) => Layout::Idx,
        _ => return Err(DataError::Unknown { path: path.into() }),
    };
    Ok(layout)
}

/// Whether this is the name of an idx file, such as `train-images-idx3-ubyte`.
pub(crate) fn is_idx(name: &str) -> bool {
    ["idx3-ubyte", "idx3.ubyte", "idx1-ubyte", "idx1.ubyte"]
        .iter()
        .any(|end| name.contains(end))
}

/// Whether this name is that of a picture that is read.
///
/// Hidden files are not.
pub(crate) fn is_picture(name: &str) -> bool {
    let end = name.rsplit_once('.').map_or("", |(_, end)| end);
    PICTURES.iter().any(|known| end.eq_ignore_ascii_case(known)) && !is_hidden(name)
}

/// Whether this is the name of a hidden file, or of what macOS puts into archives.
pub(crate) fn is_hidden(name: &str) -> bool {
    let is_hidden = |part: &str| part.starts_with('.') || part == "__MACOSX";
    name.split('/').any(is_hidden)
}

/// Whether this is the name of a tar of pictures, without `.gz`.
pub(crate) fn is_tar(name: &str) -> bool {
    let is_cifar = name.starts_with("cifar");
    !is_cifar && [".tar", ".tgz"].iter().any(|end| name.ends_with(end))
}

fn of_folder(path: &Path) -> Result<Layout, DataError> {
    let mut entries = sorted_entries(path)?;
    entries.retain(|entry| !is_hidden(&plain_name(entry)));
    let names: Vec<String> = entries.iter().map(|entry| plain_name(entry)).collect();
    let is_cifar = |name: &String| {
        let batch = name.starts_with("data_batch_") && name.ends_with(".bin");
        batch || name == "test_batch.bin" || name == "train.bin"
    };
    Ok(if names.iter().any(|name| is_idx(name)) {
        Layout::Idx
    } else if names.iter().any(is_cifar) {
        Layout::Cifar
    } else if names.iter().any(|name| is_tar(name))
        && !(entries.iter().zip(&names)).any(|(entry, name)| entry.is_dir() || is_picture(name))
    {
        Layout::Tar
    } else {
        Layout::Folder
    })
}

/// The paths in a folder, sorted by name: the order of a listing is not an order.
pub(crate) fn sorted_entries(path: &Path) -> Result<Vec<PathBuf>, DataError> {
    let entries = fs::read_dir(path).map_err(DataError::io(path))?;
    let mut paths = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(DataError::io(path))?;
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::is_picture;

    #[test]
    fn hidden_files_are_no_pictures() {
        assert!(is_picture("a/b.JPG") && !is_picture("a/.b.jpg") && !is_picture("__MACOSX/b.jpg"));
    }
}
