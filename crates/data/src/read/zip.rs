//! A zip of pictures: in EDM's layout, with labels in `dataset.json`, or laid out as a folder.
//!
//! `{"labels": [["00000/img00000000.png", 6], …], "classes": ["cat", …], "held_out": 100}`, where a
//! label is a number or a vector, `labels` may be null, and the rest absent. So many pictures at the
//! end are held out.
//!
//! Source: Karras et al. 2022, "Elucidating the Design Space of Diffusion-Based Generative Models",
//! whose published code reads and writes this layout; the names of the classes and the pictures that
//! are held out are ours.

use super::place::{places, stays_inside};
use super::{Item, Payload, Source};
use crate::error::DataError;
use crate::inflate::bounded;
use crate::label::Label;
use crate::one_line::one_line;
use crate::recognise::is_picture;
use serde::Deserialize;
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::Path;
use zip::ZipArchive;

/// The most bytes of a picture, or of the labels.
const MOST: u64 = 1 << 28;
/// The file of labels.
const LABELS: &str = "dataset.json";

#[derive(Deserialize)]
struct Described {
    labels: Option<Vec<(String, Value)>>,
    classes: Option<Vec<String>>,
    held_out: Option<usize>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Value {
    Number(i64),
    Vector(Vec<f32>),
}

/// The pictures in a file.
pub(super) fn open(path: &Path) -> Result<Source<'_>, DataError> {
    let file = File::open(path).map_err(DataError::io(path))?;
    read(BufReader::new(file), path)
}

/// The pictures in an archive, anywhere; `path` appears only in error messages.
pub(super) fn read<'a>(
    reader: impl Read + Seek + 'a,
    path: &'a Path,
) -> Result<Source<'a>, DataError> {
    let damaged = |error: zip::result::ZipError| DataError::damaged(path, error);
    let mut archive = ZipArchive::new(reader).map_err(damaged)?;
    let mut found = Vec::new();
    for index in 0..archive.len() {
        let Some(name) = archive.name_for_index(index) else {
            continue;
        };
        if !stays_inside(name) {
            return Err(DataError::Escapes {
                path: path.into(),
                name: one_line(name),
            });
        }
        if is_picture(name) {
            found.push((name.to_owned(), index));
        }
    }
    let described = described(&mut archive, path)?;
    let mut places = places(found, path)?;
    let mut labels = HashMap::new();
    if let Some(described) = described {
        // It speaks of every picture, and folders are then but numbers of a thousand.
        let held_out = described.held_out.unwrap_or(0).min(places.pictures.len());
        (places.names, places.held_out) = (described.classes, held_out);
        places
            .pictures
            .iter_mut()
            .for_each(|placed| placed.class = None);
        places.pictures.sort_by(|a, b| a.name.cmp(&b.name));
        for (name, value) in described.labels.unwrap_or_default() {
            labels.insert(name, value);
        }
    }
    let (total, held_out, names) = (places.pictures.len(), places.held_out, places.names.clone());
    let items = places.pictures.into_iter().map(move |placed| {
        let mut entry = archive.by_index(placed.what).map_err(damaged)?;
        let bytes = bounded(&mut entry, MOST, path)?;
        let label = match labels.remove(&placed.name) {
            Some(Value::Number(number)) => Some(Label::Number(number)),
            Some(Value::Vector(vector)) => Some(Label::Vector(vector)),
            None => placed.class.map(|class| Label::Number(class.into())),
        };
        Ok(Item {
            name: placed.name,
            label,
            payload: Payload::Encoded(bytes),
        })
    });
    Ok(Source {
        items: Box::new(items),
        total: Some(total),
        held_out,
        names,
    })
}

/// What `dataset.json` says, if there is one.
fn described(
    archive: &mut ZipArchive<impl Read + Seek>,
    path: &Path,
) -> Result<Option<Described>, DataError> {
    let Some(index) = archive.index_for_name(LABELS) else {
        return Ok(None);
    };
    let entry = archive
        .by_index(index)
        .map_err(|error| DataError::damaged(path, error))?;
    let text = bounded(entry, MOST, path)?;
    let damaged = |error| DataError::damaged(path, format!("{LABELS}: {error}"));
    let text: serde_json::Value = serde_json::from_slice(&text).map_err(damaged)?;
    // A file of that name in somebody's folders may be about something else.
    if text.get("labels").is_none() && text.get("held_out").is_none() {
        return Ok(None);
    }
    Ok(Some(serde_json::from_value(text).map_err(damaged)?))
}
