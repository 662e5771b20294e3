//! Decoded pictures in a file: rows, labels, names, and their description at the end.
//!
//! `rows | labels | names | JSON | length of the JSON, 8 bytes | PYROROWS`
//!
//! The name of the file is a digest of the source's files (path, size, time of change) and of the
//! options, so a change of either makes another one. It is written beside and renamed.

use crate::build::{Built, Recipe, build};
use crate::error::DataError;
use crate::label::Labels;
use crate::picture_set::{Options, PictureSet, Skipped};
use crate::pixels::{Pixels, read_exact_at};
use crate::read::Listed;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::NamedTempFile;

const MAGIC: &[u8; 8] = b"PYROROWS";
/// Grows with every change of the layout, or of what the options mean.
const VERSION: u32 = 3;
/// The longest description: names of classes and of what was skipped.
const LONGEST: u64 = 1 << 26;

#[derive(Serialize, Deserialize)]
struct Description {
    n: usize,
    shape: [usize; 3],
    labels: StoredLabels,
    /// The bytes of the names; 0 for pictures of arrays.
    names: usize,
    held_out: usize,
    skipped: Vec<Skipped>,
    digest: String,
}

/// The kind of the labels, whose numbers are in the file: four bytes each.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum StoredLabels {
    Nothing,
    Classes(Vec<String>),
    Vectors(usize),
}

impl Description {
    /// The bytes of the rows and of the labels, if that many can be.
    fn sizes(&self) -> Option<(u64, u64)> {
        let width = self
            .shape
            .iter()
            .try_fold(1_u64, |size, &axis| size.checked_mul(axis as u64));
        let rows = width?.checked_mul(self.n as u64)?;
        let each: u64 = match &self.labels {
            StoredLabels::Nothing => 0,
            StoredLabels::Classes(_) => 1,
            StoredLabels::Vectors(width) => *width as u64,
        };
        Some((rows, each.checked_mul(4)?.checked_mul(self.n as u64)?))
    }
}

impl PictureSet {
    /// Opens the pictures of a folder, an archive or an array.
    ///
    /// They are decoded once, on all cores, into a file in the folder `cache`; later calls with the
    /// same files and options only open it. `progress` is told how many pictures are decoded, and
    /// of how many.
    ///
    /// # Errors
    /// [`DataError`]: nothing there can be read, pictures differ in size and no size is given, or
    /// some are broken and none may be skipped.
    pub fn open(
        path: impl AsRef<Path>,
        options: &Options,
        cache: impl AsRef<Path>,
        progress: &dyn Fn(usize, Option<usize>),
    ) -> Result<Self, DataError> {
        open_or_build(
            &Listed::at(path.as_ref())?,
            options,
            cache.as_ref(),
            progress,
        )
    }

    /// Opens the pictures of a zip that is part of the program, as [`PictureSet::open`] does those
    /// of a file.
    ///
    /// # Errors
    /// As [`PictureSet::open`].
    pub fn open_zip(
        name: &str,
        zip: &'static [u8],
        options: &Options,
        cache: impl AsRef<Path>,
        progress: &dyn Fn(usize, Option<usize>),
    ) -> Result<Self, DataError> {
        open_or_build(
            &Listed::in_memory(name, zip),
            options,
            cache.as_ref(),
            progress,
        )
    }
}

/// Opens the decoded pictures of a source, or decodes them first.
fn open_or_build(
    listed: &Listed,
    options: &Options,
    folder: &Path,
    progress: &dyn Fn(usize, Option<usize>),
) -> Result<PictureSet, DataError> {
    let path = listed.path();
    let cached = folder.join(format!("{}.rows", key(listed, options)?));
    // A file that was cut off or changed is made anew.
    if let Some(set) = open(&cached, path) {
        return Ok(set);
    }
    fs::create_dir_all(folder).map_err(DataError::io(folder))?;
    let io = DataError::io(folder);
    let mut file = NamedTempFile::with_prefix_in(".rows-", folder).map_err(&io)?;
    let recipe = Recipe {
        fit: options.fit,
        background: options.background,
        skip_broken: options.skip_broken,
    };
    let built = build(listed.open()?, &recipe, path, file.as_file_mut(), progress)?;
    write_end(file.as_file_mut(), built).map_err(&io)?;
    file.as_file().sync_all().map_err(&io)?;
    file.persist(&cached).map_err(|error| io(error.error))?;
    open(&cached, path)
        .ok_or_else(|| DataError::damaged(&cached, "it changed while it was written"))
}

fn key(listed: &Listed, options: &Options) -> Result<String, DataError> {
    let mut sha = Sha256::new();
    sha.update(format!("{VERSION} {options:?}\n"));
    for (path, size, changed) in listed.stamps()? {
        let path = std::path::absolute(&path).unwrap_or(path);
        sha.update(path.as_os_str().as_encoded_bytes());
        sha.update(format!("\n{size} {changed}\n"));
    }
    let bytes = sha.finalize();
    Ok(bytes[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

fn write_end(file: &mut File, built: Built) -> std::io::Result<()> {
    let (labels, bytes): (StoredLabels, Vec<u8>) = match built.labels {
        Labels::Nothing => (StoredLabels::Nothing, Vec::new()),
        Labels::Classes { labels, names } => (
            StoredLabels::Classes(names),
            labels
                .iter()
                .flat_map(|label| label.to_le_bytes())
                .collect(),
        ),
        Labels::Vectors { values, width } => (
            StoredLabels::Vectors(width),
            values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect(),
        ),
    };
    let mut names = Vec::new();
    for name in &built.names {
        names.extend(name.bytes().map(|byte| byte.max(1)));
        names.push(0);
    }
    let skipped = built.refused.into_iter().map(|(name, why)| Skipped {
        name,
        reason: why.to_string(),
    });
    let description = Description {
        n: built.n,
        shape: built.shape,
        labels,
        names: names.len(),
        held_out: built.held_out,
        skipped: skipped.collect(),
        digest: built.digest,
    };
    let json = serde_json::to_vec(&description)?;
    file.write_all(&bytes)?;
    file.write_all(&names)?;
    file.write_all(&json)?;
    file.write_all(&(json.len() as u64).to_le_bytes())?;
    file.write_all(MAGIC)
}

/// The set in a file of decoded pictures; none if there is no whole one.
fn open(cached: &PathBuf, path: &Path) -> Option<PictureSet> {
    let file = File::open(cached).ok()?;
    let size = file.metadata().ok()?.len();
    let mut end = [0; 16];
    read_exact_at(&file, &mut end, size.checked_sub(16)?).ok()?;
    let (length, magic) = end.split_at(8);
    let length = u64::from_le_bytes(length.try_into().ok()?);
    if magic != MAGIC || length > LONGEST {
        return None;
    }
    let start = size.checked_sub(16 + length)?;
    let mut json = vec![0; length as usize];
    read_exact_at(&file, &mut json, start).ok()?;
    let description: Description = serde_json::from_slice(&json).ok()?;
    let (rows, labelled) = description.sizes()?;
    let named = rows.checked_add(labelled)?;
    let end = named.checked_add(description.names as u64)?;
    if rows == 0 || end != start || description.held_out > description.n {
        return None;
    }
    let mut labels = vec![0; labelled as usize];
    read_exact_at(&file, &mut labels, rows).ok()?;
    let words = || labels.chunks_exact(4).map(|b| [b[0], b[1], b[2], b[3]]);
    let labels = match description.labels {
        StoredLabels::Nothing => Labels::Nothing,
        StoredLabels::Vectors(width) => Labels::Vectors {
            values: words().map(f32::from_le_bytes).collect(),
            width,
        },
        StoredLabels::Classes(names) => {
            let labels: Vec<u32> = words().map(u32::from_le_bytes).collect();
            if labels.iter().any(|&label| label as usize >= names.len()) {
                return None;
            }
            Labels::Classes { labels, names }
        }
    };
    let width = description.shape.iter().product();
    let file = Arc::new(file);
    let names = description.names;
    let name = path.file_stem().unwrap_or(path.as_os_str());
    Some(PictureSet {
        name: name.to_string_lossy().into_owned(),
        shape: description.shape,
        pixels: Pixels::in_file(file.clone(), 0, width, description.n),
        labels,
        held_out: description.held_out,
        skipped: description.skipped,
        digest: description.digest,
        names: (names > 0).then(|| Pixels::in_file(file, named, names, 1)),
    })
}
