//! MNIST's idx files: `magic, n, height, width, pixels` and `magic, n, labels`, big-endian.
//!
//! Source: LeCun, Cortes & Burges, "The MNIST database of handwritten digits".

use super::{Item, Payload, Source};
use crate::decode::Picture;
use crate::error::DataError;
use crate::inflate::inflate;
use crate::label::Label;
use crate::recognise::{is_idx, plain_name, sorted_entries};
use std::fs;
use std::path::{Path, PathBuf};

const IMAGES: u32 = 0x0803;
const LABELS: u32 = 0x0801;
/// What the name of a file of images has, and that of its labels in its place.
const NAMES: [(&str, &str); 2] = [("images", "labels"), ("idx3", "idx1")];

/// The files of images, each followed by its labels if it has any; those held out come last.
pub(super) fn files(path: &Path) -> Result<Vec<PathBuf>, DataError> {
    let folder = if path.is_dir() {
        path
    } else {
        path.parent().unwrap_or(Path::new(""))
    };
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    let beside = sorted_entries(folder)?;
    let is_images = |path: &&PathBuf| {
        let name = plain_name(path);
        is_idx(&name) && name.contains("idx3")
    };
    let is_test = |path: &Path| {
        ["t10k", "test"]
            .iter()
            .any(|s| plain_name(path).starts_with(s))
    };
    let labels_of = |images: &Path| {
        let wanted = NAMES
            .iter()
            .fold(plain_name(images), |name, (images, labels)| {
                name.replace(images, labels)
            });
        beside
            .iter()
            .find(|path| plain_name(path) == wanted)
            .cloned()
    };
    let own = plain_name(path);
    let mut images: Vec<PathBuf> = match path.is_dir() {
        true => beside.iter().filter(is_images).cloned().collect(),
        false if own.contains("idx3") => {
            let mut images = vec![path.to_owned()];
            // The set for testing lies beside the set for training.
            if own.starts_with("train") {
                let tests = beside.iter().filter(is_images).filter(|path| is_test(path));
                images.extend(tests.cloned());
            }
            images
        }
        false => {
            return Err(DataError::Labels {
                path: path.into(),
                reason: "these are labels; give the file of images, whose name has idx3".into(),
            });
        }
    };
    if images.is_empty() {
        return Err(DataError::NoPictures { path: path.into() });
    }
    images.sort_by_key(|path| is_test(path));
    if images.iter().all(|path| is_test(path)) {
        images.truncate(1);
    }
    Ok(images
        .into_iter()
        .flat_map(|images| [Some(images.clone()), labels_of(&images)])
        .flatten()
        .collect())
}

/// The images and labels of all files.
pub(super) fn open(files: &[PathBuf]) -> Result<Source<'static>, DataError> {
    let mut parts: Vec<(Set, Option<Vec<u8>>, PathBuf)> = Vec::new();
    for path in files {
        let bytes = read(path)?;
        match numbers(&bytes, 0, path)? {
            IMAGES => parts.push((Set::parse(bytes, path)?, None, path.clone())),
            LABELS => {
                let n = numbers(&bytes, 1, path)? as usize;
                let labels = exactly(&bytes, 8, n, path)?.to_vec();
                let Some((set, slot, _)) = parts.last_mut() else {
                    continue;
                };
                if set.n != n {
                    return Err(DataError::Labels {
                        path: path.clone(),
                        reason: format!("it has {n} labels for {} images", set.n),
                    });
                }
                *slot = Some(labels);
            }
            magic => {
                return Err(DataError::damaged(
                    path,
                    format!("it begins with {magic:#010x}"),
                ));
            }
        }
    }
    let total = parts.iter().map(|(set, ..)| set.n).sum();
    let held_out = parts.iter().skip(1).map(|(set, ..)| set.n).sum();
    let items = parts.into_iter().flat_map(|(set, labels, path)| {
        (0..set.n).map(move |i| {
            Ok(Item {
                name: format!("image {i} of {}", path.display()),
                label: labels
                    .as_ref()
                    .map(|labels| Label::Number(labels[i].into())),
                payload: Payload::Pixels(set.picture(i)),
            })
        })
    });
    Ok(Source {
        items: Box::new(items),
        total: Some(total),
        held_out,
        names: None,
    })
}

/// The pictures of one file.
struct Set {
    bytes: Vec<u8>,
    n: usize,
    width: u32,
    height: u32,
}

impl Set {
    fn parse(bytes: Vec<u8>, path: &Path) -> Result<Self, DataError> {
        let [n, height, width] = [1, 2, 3]
            .map(|i| numbers(&bytes, i, path))
            .map(|n| n.unwrap_or_default());
        let pixels = u64::from(height) * u64::from(width);
        let size = u64::from(n).saturating_mul(pixels);
        if size == 0 {
            return Err(DataError::damaged(
                path,
                format!("it has {n} images of {height}×{width}"),
            ));
        }
        exactly(
            &bytes,
            16,
            usize::try_from(size).unwrap_or(usize::MAX),
            path,
        )?;
        Ok(Self {
            bytes,
            n: n as usize,
            width,
            height,
        })
    }

    fn picture(&self, i: usize) -> Picture {
        let size = self.width as usize * self.height as usize;
        Picture {
            width: self.width,
            height: self.height,
            channels: 1,
            data: self.bytes[16 + i * size..16 + (i + 1) * size].to_vec(),
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, DataError> {
    let bytes = fs::read(path).map_err(DataError::io(path))?;
    let is_compressed = path
        .extension()
        .is_some_and(|end| end.eq_ignore_ascii_case("gz"));
    if is_compressed {
        inflate(&bytes, path)
    } else {
        Ok(bytes)
    }
}

/// The i-th big-endian number of the header.
fn numbers(bytes: &[u8], i: usize, path: &Path) -> Result<u32, DataError> {
    match bytes.get(4 * i..4 * i + 4) {
        Some(&[a, b, c, d]) => Ok(u32::from_be_bytes([a, b, c, d])),
        _ => Err(DataError::damaged(path, "it ends in its header")),
    }
}

/// The `length` bytes after the header, if there are exactly so many.
fn exactly<'a>(
    bytes: &'a [u8],
    header: usize,
    length: usize,
    path: &Path,
) -> Result<&'a [u8], DataError> {
    let rest = bytes.get(header..).unwrap_or_default();
    if rest.len() != length {
        return Err(DataError::damaged(
            path,
            format!(
                "it has {} bytes of data where its header says {length}",
                rest.len()
            ),
        ));
    }
    Ok(rest)
}
