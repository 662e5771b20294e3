//! A folder of pictures, at any depth.

use super::place::{Places, places};
use super::{Item, Payload, Source};
use crate::error::DataError;
use crate::label::Label;
use crate::recognise::is_picture;
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

/// The pictures in a folder.
pub(super) struct Listing(Places<PathBuf>);

/// Lists the pictures in a folder.
pub(super) fn list(path: &Path) -> Result<Listing, DataError> {
    let mut found = Vec::new();
    for entry in WalkDir::new(path).follow_links(true) {
        let entry = entry.map_err(|error| {
            let at = error.path().unwrap_or(path).to_owned();
            match error.io_error().map(std::io::Error::kind) {
                Some(kind) => DataError::Unreadable {
                    path: at,
                    source: kind.into(),
                },
                None => DataError::damaged(&at, "its links lead in a circle"),
            }
        })?;
        let Ok(inside) = entry.path().strip_prefix(path) else {
            continue;
        };
        let parts: Vec<_> = inside.iter().map(|part| part.to_string_lossy()).collect();
        let name = parts.join("/");
        if entry.file_type().is_file() && is_picture(&name) {
            found.push((name, entry.into_path()));
        }
    }
    places(found, path).map(Listing)
}

impl Listing {
    pub(super) fn files(&self) -> impl Iterator<Item = PathBuf> + '_ {
        self.0.pictures.iter().map(|placed| placed.what.clone())
    }

    pub(super) fn open(&self, _path: &Path) -> Result<Source<'_>, DataError> {
        let pictures = &self.0.pictures;
        let items = pictures.iter().map(|placed| {
            Ok(Item {
                name: placed.name.clone(),
                label: placed.class.map(|class| Label::Number(class.into())),
                payload: Payload::File(placed.what.clone()),
            })
        });
        Ok(Source {
            items: Box::new(items),
            total: Some(pictures.len()),
            held_out: self.0.held_out,
            names: self.0.names.clone(),
        })
    }
}
