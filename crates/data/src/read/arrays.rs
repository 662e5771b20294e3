//! Pictures in arrays of bytes: numpy's files and safetensors.

use super::{Item, Payload, Source};
use crate::array::{Stored, picture_axes, read_npy, read_npz, read_safetensors};
use crate::decode::Picture;
use crate::error::DataError;
use crate::label::Label;
use crate::located::locate;
use crate::recognise::Layout;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

/// The array, and the labels that lie beside it: `x.npy`, `x-labels.npy`.
pub(super) fn files(path: &Path) -> Vec<PathBuf> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let labels = path.with_file_name(format!("{stem}-labels.npy"));
    let labels = labels.is_file().then_some(labels);
    [Some(path.to_owned()), labels]
        .into_iter()
        .flatten()
        .collect()
}

/// The samples in a file of arrays, and their labels: in the same file, or beside a `.npy` file
/// whose name is `x` as `x-labels.npy`.
///
/// # Errors
/// [`DataError`]: a file cannot be read, is damaged, or has no samples.
pub fn read_arrays(path: &Path, layout: Layout) -> Result<Stored, DataError> {
    stored(&files(path), layout)
}

/// The samples in these files, and their labels.
fn stored(files: &[PathBuf], layout: Layout) -> Result<Stored, DataError> {
    let path = files.first().map(PathBuf::as_path).unwrap_or(Path::new(""));
    match layout {
        Layout::Npz => read_npz(path),
        Layout::Safetensors => read_safetensors(path),
        Layout::Npy => Ok(Stored {
            samples: read_npy(path)?,
            labels: files.get(1).map(|labels| read_npy(labels)).transpose()?,
        }),
        _ => Err(DataError::Unknown { path: path.into() }),
    }
}

/// Where the bytes of pictures are.
enum Bytes {
    /// In a file that stands at the next of them.
    File(BufReader<File>),
    /// In memory, with those that were taken.
    Memory(Vec<u8>, usize),
}

impl Bytes {
    fn next(&mut self, size: usize) -> io::Result<Vec<u8>> {
        match self {
            Self::File(file) => {
                let mut bytes = vec![0; size];
                file.read_exact(&mut bytes)?;
                Ok(bytes)
            }
            Self::Memory(bytes, taken) => {
                *taken += size;
                Ok(bytes[*taken - size..*taken].to_vec())
            }
        }
    }
}

pub(super) fn open(files: &[PathBuf], layout: Layout) -> Result<Source<'_>, DataError> {
    let path = files.first().map(PathBuf::as_path).unwrap_or(Path::new(""));
    let wrong = || DataError::Array {
        path: path.into(),
        reason: "it holds no pictures of 8 bits, [n, height, width, channels]".to_owned(),
    };
    let (mut bytes, axes, labels) = match locate(path, layout)? {
        Some(found) => {
            let axes = picture_axes(&found.shape).ok_or_else(wrong)?;
            let beside = files.get(1).map(|labels| read_npy(labels)).transpose()?;
            (Bytes::File(found.file), axes, beside.or(found.labels))
        }
        None => {
            let Stored { samples, labels } = stored(files, layout)?;
            let (bytes, axes, is_last) = samples.into_pictures().ok_or_else(wrong)?;
            (Bytes::Memory(bytes, 0), (axes, is_last), labels)
        }
    };
    let ([n, channels, height, width], is_last) = axes;
    let size = channels * height * width;
    let labels = labels
        .map(|labels| labels.into_labels(n, path))
        .transpose()?;
    let mut picture = move || {
        let stored = bytes.next(size)?;
        let data = if is_last {
            stored
        } else {
            (0..size / channels)
                .flat_map(|at| (0..channels).map(move |c| c * height * width + at))
                .map(|at| stored[at])
                .collect()
        };
        Ok(Picture {
            width: width as u32,
            height: height as u32,
            channels,
            data,
        })
    };
    let items = (0..n).map(move |i| {
        let picture = picture().map_err(DataError::io(path))?;
        Ok(Item {
            name: format!("entry {i}"),
            label: labels.as_ref().map(|labels: &Vec<Label>| labels[i].clone()),
            payload: Payload::Pixels(picture),
        })
    });
    Ok(Source {
        items: Box::new(items),
        total: Some(n),
        held_out: 0,
        names: None,
    })
}
