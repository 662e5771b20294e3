//! A tar of pictures, compressed or not: with WebDataset's labels, or laid out as a folder.
//!
//! Files of one sample share their name up to its first dot: `000.png` and `000.cls`, whose text is
//! the number of the class.

use super::place::{is_picture, places, stays_inside};
use super::{Item, Payload, Source};
use crate::error::DataError;
use crate::inflate::bounded;
use crate::label::Label;
use crate::one_line::one_line;
use flate2::read::MultiGzDecoder;
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

/// The most bytes that the pictures of an archive may have: they are held while it is read.
const MOST: u64 = 1 << 32;

/// The reader of a tar, compressed if its name says so.
pub(super) fn reader(path: &Path) -> Result<Box<dyn Read>, DataError> {
    let file = BufReader::new(File::open(path).map_err(DataError::io(path))?);
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .to_lowercase();
    Ok(if name.ends_with("gz") {
        Box::new(MultiGzDecoder::new(file))
    } else {
        Box::new(file)
    })
}

/// The name up to the first dot of its last part: the sample that a file belongs to.
fn sample(name: &str) -> &str {
    let start = name.rfind('/').map_or(0, |at| at + 1);
    let end = name[start..].find('.').map_or(name.len(), |at| start + at);
    &name[..end]
}

pub(super) fn open(path: &Path) -> Result<Source<'_>, DataError> {
    let damaged = |error: std::io::Error| DataError::damaged(path, error);
    let mut archive = ::tar::Archive::new(reader(path)?);
    let (mut found, mut labels, mut size) = (Vec::new(), HashMap::new(), 0);
    for entry in archive.entries().map_err(damaged)? {
        let entry = entry.map_err(damaged)?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let name = name.strip_prefix("./").unwrap_or(&name).to_owned();
        if !stays_inside(&name) {
            return Err(DataError::Escapes {
                path: path.into(),
                name: one_line(&name),
            });
        }
        let is_class = name.ends_with(".cls");
        if is_class || is_picture(&name) {
            let bytes = bounded(entry, MOST - size, path)?;
            size += bytes.len() as u64;
            if is_class {
                let text = String::from_utf8_lossy(&bytes);
                let number = text.trim().parse::<i64>().map_err(|_| DataError::Labels {
                    path: path.into(),
                    reason: format!(
                        "{} holds `{}`, which is not the number of a class",
                        one_line(&name),
                        one_line(text.trim())
                    ),
                })?;
                labels.insert(sample(&name).to_owned(), number);
            } else {
                found.push((name, bytes));
            }
        }
    }
    let mut places = places(found, path)?;
    if !labels.is_empty() {
        places.names = None;
        places
            .pictures
            .iter_mut()
            .for_each(|placed| placed.class = None);
    }
    let (total, held_out, names) = (places.pictures.len(), places.held_out, places.names.clone());
    let items = places.pictures.into_iter().map(move |placed| {
        let class = placed.class.map(i64::from);
        let number = labels.get(sample(&placed.name)).copied().or(class);
        Ok(Item {
            label: number.map(Label::Number),
            name: placed.name,
            payload: Payload::Encoded(placed.what),
        })
    });
    Ok(Source {
        items: Box::new(items),
        total: Some(total),
        held_out,
        names,
    })
}
