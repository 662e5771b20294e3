//! CIFAR-10 and CIFAR-100 in their binary version.
//!
//! A record is one label (CIFAR-10) or two, coarse and fine (CIFAR-100), and 3072 bytes: the planes
//! R, G and B of 32×32 pixels, row by row.
//!
//! Source: Krizhevsky 2009, "Learning Multiple Layers of Features from Tiny Images".

use super::tar::reader;
use super::{Item, Payload, Source};
use crate::decode::Picture;
use crate::error::DataError;
use crate::inflate::bounded;
use crate::label::Label;
use crate::recognise::{plain_name, sorted_entries};
use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

const SIDE: u32 = 32;
const PIXELS: usize = 3 * 32 * 32;
/// The most bytes of one file of records.
const MOST: u64 = 1 << 30;
/// The classes of CIFAR-10.
const NAMES: [&str; 10] = [
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
];

/// Whether a file holds records, and whether it is held out.
fn part(name: &str) -> Option<bool> {
    let is_test = name == "test_batch.bin" || name == "test.bin";
    let is_training = name == "train.bin" || name.starts_with("data_batch");
    (name.ends_with(".bin") && (is_test || is_training)).then_some(is_test)
}

/// Whether this is a file of records, and not an archive of them.
fn is_records(path: &Path) -> bool {
    path.extension()
        .is_some_and(|end| end.eq_ignore_ascii_case("bin"))
}

pub(super) fn files(path: &Path) -> Result<Vec<PathBuf>, DataError> {
    if !path.is_dir() {
        return Ok(vec![path.into()]);
    }
    let mut files = sorted_entries(path)?;
    files.retain(|file| part(&plain_name(file)).is_some());
    Ok(files)
}

/// The folder of these batches, such as a shell makes of `data_batch_*.bin`.
///
/// # Errors
/// [`DataError::NotOneSet`]: a path is no batch, lies elsewhere, or a batch to train on is left out.
pub fn folder_of_batches(paths: &[&Path]) -> Result<PathBuf, DataError> {
    let not_one = |path: &Path, reason: String| DataError::NotOneSet {
        path: path.into(),
        reason,
    };
    let folder = |path: &Path| path.parent().map(Path::to_owned).unwrap_or_default();
    let first = paths.first().map(|path| folder(path)).unwrap_or_default();
    for path in paths {
        if part(&plain_name(path)).is_none() || folder(path) != first {
            return Err(not_one(path, String::new()));
        }
    }
    let first = if first.as_os_str().is_empty() {
        PathBuf::from(".")
    } else {
        first
    };
    let given: HashSet<String> = paths.iter().map(|path| plain_name(path)).collect();
    let left_out = files(&first)?.into_iter().find(|file| {
        let name = plain_name(file);
        part(&name) == Some(false) && !given.contains(&name)
    });
    match left_out {
        Some(other) => Err(not_one(
            paths.first().copied().unwrap_or(&first),
            format!(", without {}", other.display()),
        )),
        None => Ok(first),
    }
}

pub(super) fn open(files: &[PathBuf]) -> Result<Source<'static>, DataError> {
    let mut parts: Vec<(bool, String, Vec<u8>)> = Vec::new();
    let mut is_fine = false;
    for path in files {
        if is_records(path) {
            let name = plain_name(path);
            let bytes = fs::read(path).map_err(DataError::io(path))?;
            is_fine |= matches!(name.as_str(), "train.bin" | "test.bin");
            parts.push((part(&name).unwrap_or(false) && files.len() > 1, name, bytes));
        } else {
            let damaged = |error: std::io::Error| DataError::damaged(path, error);
            for entry in ::tar::Archive::new(reader(path)?)
                .entries()
                .map_err(damaged)?
            {
                let entry = entry.map_err(damaged)?;
                let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
                let name = name.rsplit('/').next().unwrap_or_default().to_lowercase();
                if let Some(is_test) = part(&name) {
                    is_fine |= matches!(name.as_str(), "train.bin" | "test.bin");
                    parts.push((is_test, name, bounded(entry, MOST, path)?));
                }
            }
        }
    }
    let path = files.first().map(PathBuf::as_path).unwrap_or(Path::new(""));
    parts.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
    if parts.is_empty() {
        return Err(DataError::NoPictures { path: path.into() });
    }
    let labels = if is_fine { 2 } else { 1 };
    let record = labels + PIXELS;
    for (_, name, bytes) in &parts {
        if bytes.is_empty() || !bytes.len().is_multiple_of(record) {
            return Err(DataError::damaged(
                path,
                format!(
                    "{name} has {} bytes, no whole records of {record}",
                    bytes.len()
                ),
            ));
        }
    }
    let count = move |bytes: &Vec<u8>| bytes.len() / record;
    let total = parts.iter().map(|(.., bytes)| count(bytes)).sum();
    let held = parts.iter().filter(|(is_test, ..)| *is_test);
    let held_out = held.map(|(.., bytes)| count(bytes)).sum();
    let items = parts.into_iter().flat_map(move |(_, name, bytes)| {
        (0..count(&bytes)).map(move |i| {
            let record = &bytes[i * record..(i + 1) * record];
            let (label, planes) = (record[labels - 1], &record[labels..]);
            let pixel = |at: usize| [0, 1, 2].map(|c| planes[c * PIXELS / 3 + at]);
            Ok(Item {
                name: format!("record {i} of {name}"),
                label: Some(Label::Number(label.into())),
                payload: Payload::Pixels(Picture {
                    width: SIDE,
                    height: SIDE,
                    channels: 3,
                    data: (0..PIXELS / 3).flat_map(pixel).collect(),
                }),
            })
        })
    });
    let names = if is_fine {
        (0..100).map(|class: u32| class.to_string()).collect()
    } else {
        NAMES.map(str::to_owned).to_vec()
    };
    Ok(Source {
        items: Box::new(items),
        total: Some(total),
        held_out,
        names: Some(names),
    })
}
