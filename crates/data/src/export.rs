//! Pictures written as PNG files: in a folder, or in a zip in EDM's layout.
//!
//! A folder holds `000000.png` and so on, in folders of classes if there are any. A zip holds
//! `00000/img00000000.png`, stored, a folder for every thousand, and `dataset.json` with labels.

use crate::error::DataError;
use crate::label::Labels;
use crate::picture_set::PictureSet;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use tempfile::{NamedTempFile, TempDir};
use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// A picture as a PNG file.
///
/// # Shapes
/// - planes: `[channels, height, width]`, row-major, from 0 to 255; 1 channel is grey, 3 are red,
///   green and blue, 4 with alpha
///
/// # Panics
/// If there are other numbers of channels or of pixels.
fn png(planes: &[u8], [channels, height, width]: [usize; 3]) -> io::Result<Vec<u8>> {
    let colour = match channels {
        1 => ExtendedColorType::L8,
        3 => ExtendedColorType::Rgb8,
        4 => ExtendedColorType::Rgba8,
        _ => panic!("a PNG file has 1, 3 or 4 channels, not {channels}"),
    };
    let pixels = height * width;
    let interleaved: Vec<u8> = (0..pixels)
        .flat_map(|at| (0..channels).map(move |channel| planes[channel * pixels + at]))
        .collect();
    let mut file = Vec::new();
    PngEncoder::new(&mut file)
        .write_image(&interleaved, width as u32, height as u32, colour)
        .map_err(io::Error::other)?;
    Ok(file)
}

/// A new folder of PNG files, which appears once it is complete.
pub struct PictureFolder {
    path: PathBuf,
    /// Beside the folder, so that it can be renamed.
    unfinished: TempDir,
    shape: [usize; 3],
    /// The folder of each class.
    classes: Vec<String>,
    written: usize,
}

impl PictureFolder {
    /// Begins a folder of pictures of one shape, in folders named after their classes if there are
    /// any.
    ///
    /// A name of a class that no folder can have is replaced by the number of the class.
    ///
    /// # Errors
    /// [`DataError`]: the folder beside cannot be written.
    pub fn begin(path: &Path, shape: [usize; 3], classes: &[String]) -> Result<Self, DataError> {
        let unfinished = unfinished(0o777).tempdir_in(beside(path));
        let unfinished = unfinished.map_err(DataError::io(path))?;
        Ok(Self {
            path: path.into(),
            unfinished,
            shape,
            classes: folder_names(classes),
            written: 0,
        })
    }

    /// Writes the next picture, `[channels, height, width]`.
    ///
    /// # Errors
    /// If the file cannot be written.
    ///
    /// # Panics
    /// If the picture has another shape, or there is no such class.
    pub fn push(&mut self, planes: &[u8], class: Option<u32>) -> io::Result<()> {
        let mut path = self.unfinished.path().to_owned();
        if let Some(class) = class {
            path.push(&self.classes[class as usize]);
            fs::create_dir_all(&path)?;
        }
        path.push(format!("{:06}.png", self.written));
        let mut file = File::create_new(path)?;
        file.write_all(&png(planes, self.shape)?)?;
        self.written += 1;
        Ok(())
    }

    /// Gives the folder its name.
    ///
    /// # Errors
    /// [`DataError`]: there is something of that name that is not an empty folder.
    pub fn finish(self) -> Result<(), DataError> {
        let io = DataError::io(&self.path);
        if self.path.is_dir() {
            fs::remove_dir(&self.path).map_err(&io)?;
        }
        fs::rename(self.unfinished.path(), &self.path).map_err(&io)?;
        // There is nothing left to remove.
        let _ = self.unfinished.keep();
        Ok(())
    }
}

/// A name for what is not finished. The umask decides who may read it, as for anything new.
fn unfinished(rights: u32) -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".pyroclast-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(rights));
    }
    #[cfg(not(unix))]
    let _ = rights;
    builder
}

/// The folder that a path lies in.
fn beside(path: &Path) -> &Path {
    let folder = path.parent();
    let folder = folder.filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

/// A name of a folder for each class: its own if that can be one everywhere.
fn folder_names(classes: &[String]) -> Vec<String> {
    let is_plain = |name: &String| {
        let allowed = |c: char| c.is_alphanumeric() || " -_+&,()".contains(c);
        !name.is_empty() && name.trim() == name && name.len() < 200 && name.chars().all(allowed)
    };
    let distinct: HashSet<String> = classes.iter().map(|name| name.to_lowercase()).collect();
    if distinct.len() == classes.len() && classes.iter().all(is_plain) {
        return classes.to_vec();
    }
    let width = classes.len().saturating_sub(1).to_string().len();
    (0..classes.len())
        .map(|class| format!("{class:0width$}"))
        .collect()
}

/// A zip of pictures in EDM's layout, which appears once it is complete.
pub struct PictureZip {
    path: PathBuf,
    archive: ZipWriter<BufWriter<NamedTempFile>>,
    options: SimpleFileOptions,
    shape: [usize; 3],
    written: usize,
}

impl PictureZip {
    /// Begins a zip of pictures of one shape.
    ///
    /// # Errors
    /// [`DataError`]: the folder cannot be written.
    pub fn begin(path: &Path, shape: [usize; 3]) -> Result<Self, DataError> {
        let file = unfinished(0o666).tempfile_in(beside(path));
        let file = file.map_err(DataError::io(path))?;
        Ok(Self {
            path: path.into(),
            archive: ZipWriter::new(BufWriter::new(file)),
            options: SimpleFileOptions::default().compression_method(CompressionMethod::Stored),
            shape,
            written: 0,
        })
    }

    /// Writes the next picture, `[channels, height, width]`.
    ///
    /// # Errors
    /// If the file cannot be written.
    ///
    /// # Panics
    /// If the picture has another shape.
    pub fn push(&mut self, planes: &[u8]) -> io::Result<()> {
        self.add(name(self.written), &png(planes, self.shape)?)?;
        self.written += 1;
        Ok(())
    }

    /// Writes the labels, as many as pictures, and gives the file its name. The names of classes
    /// stand beside the labels, as `classes`, and the number of pictures at the end that are held
    /// out, as `held_out`.
    ///
    /// # Errors
    /// [`DataError`]: the file cannot be written.
    pub fn finish(mut self, labels: &Labels, held_out: usize) -> Result<(), DataError> {
        let mut described = described(labels);
        if held_out > 0 {
            described["held_out"] = held_out.into();
        }
        let described = described.to_string();
        let added = self.add("dataset.json".to_owned(), described.as_bytes());
        let io = DataError::io(&self.path);
        added.map_err(&io)?;
        let file = self.archive.finish().map_err(|error| io(error.into()))?;
        let file = file.into_inner().map_err(|error| io(error.into_error()))?;
        file.as_file().sync_all().map_err(&io)?;
        file.persist(&self.path).map_err(|error| io(error.error))?;
        Ok(())
    }

    fn add(&mut self, name: String, bytes: &[u8]) -> io::Result<()> {
        (self.archive.start_file(name, self.options))
            .map_err(<ZipError as Into<io::Error>>::into)?;
        self.archive.write_all(bytes)
    }
}

/// Writes pictures and labels as a zip in EDM's layout, atomically.
///
/// # Errors
/// [`DataError`]: the pictures cannot be read, or the file cannot be written.
pub fn write_zip(
    set: &PictureSet,
    path: &Path,
    progress: &dyn Fn(usize, Option<usize>),
) -> Result<(), DataError> {
    let io = DataError::io(path);
    let mut archive = PictureZip::begin(path, set.shape)?;
    let mut planes = vec![0; set.pixels.width()];
    for row in 0..set.len() {
        set.pixels.read(row, &mut planes).map_err(&io)?;
        archive.push(&planes).map_err(&io)?;
        progress(row + 1, Some(set.len()));
    }
    archive.finish(&set.labels, set.held_out)
}

fn name(row: usize) -> String {
    format!("{:05}/img{row:08}.png", row / 1000)
}

fn described(labels: &Labels) -> Value {
    match labels {
        Labels::Nothing => json!({ "labels": null }),
        Labels::Classes { labels, names } => {
            let labels = labels
                .iter()
                .enumerate()
                .map(|(row, label)| json!([name(row), label]));
            json!({ "labels": labels.collect::<Vec<_>>(), "classes": names })
        }
        Labels::Vectors { values, width } => {
            let rows = values.chunks(*width).enumerate();
            let labels = rows.map(|(row, vector)| json!([name(row), vector]));
            json!({ "labels": labels.collect::<Vec<_>>() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_no_folder_can_have_become_numbers() {
        let named = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            folder_names(&names)
        };
        assert_eq!(named(&["Food & Drink", "café"]), ["Food & Drink", "café"]);
        assert_eq!(named(&["a", "../b"]), ["0", "1"]);
        // Some file systems do not tell these apart.
        assert_eq!(named(&["a", "A"]), ["0", "1"]);
        assert_eq!(named(&["a", ""]), ["0", "1"]);
        assert_eq!(named(&["/"; 11])[10], "10");
        assert_eq!(named(&["/"; 11])[9], "09");
    }
}
