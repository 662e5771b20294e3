//! Pictures in arrays of bytes: numpy's files and safetensors.

use super::{Item, Payload, Source};
use crate::array::{Stored, read_npy, read_npz, read_safetensors};
use crate::decode::Picture;
use crate::error::DataError;
use crate::label::Label;
use crate::recognise::Layout;
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

pub(super) fn open(files: &[PathBuf], layout: Layout) -> Result<Source<'static>, DataError> {
    let path = files.first().map(PathBuf::as_path).unwrap_or(Path::new(""));
    let wrong = |reason: &str| DataError::Array {
        path: path.into(),
        reason: reason.to_owned(),
    };
    let Stored { samples, labels } = stored(files, layout)?;
    let (bytes, [n, channels, height, width], is_last) = match samples.into_pictures() {
        Some(found) => found,
        None => {
            return Err(wrong(
                "it holds no pictures of 8 bits, [n, height, width, channels]",
            ));
        }
    };
    let size = channels * height * width;
    let labels = labels
        .map(|labels| labels.into_labels(n, path))
        .transpose()?;
    let picture = move |i: usize| {
        let planes = &bytes[i * size..(i + 1) * size];
        let data = if is_last {
            planes.to_vec()
        } else {
            (0..size / channels)
                .flat_map(|at| (0..channels).map(move |c| planes[c * height * width + at]))
                .collect()
        };
        Picture {
            width: width as u32,
            height: height as u32,
            channels,
            data,
        }
    };
    let items = (0..n).map(move |i| {
        let data = picture(i);
        Ok(Item {
            name: format!("entry {i}"),
            label: labels.as_ref().map(|labels: &Vec<Label>| labels[i].clone()),
            payload: Payload::Pixels(data),
        })
    });
    Ok(Source {
        items: Box::new(items),
        total: Some(n),
        held_out: 0,
        names: None,
    })
}
