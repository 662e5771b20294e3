//! Pictures written as a zip in EDM's layout.
//!
//! `00000/img00000000.png`, stored, a folder for every thousand, and `dataset.json` with labels.

use crate::error::DataError;
use crate::label::Labels;
use crate::picture_set::PictureSet;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};
use serde_json::{Value, json};
use std::io::{BufWriter, Write};
use std::path::Path;
use tempfile::NamedTempFile;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// Writes pictures and labels as a zip in EDM's layout, atomically.
///
/// The names of the classes stand beside the labels, as `classes`.
///
/// # Errors
/// [`DataError`]: the pictures cannot be read, or the file cannot be written.
pub fn write_zip(
    set: &PictureSet,
    path: &Path,
    progress: &dyn Fn(usize, Option<usize>),
) -> Result<(), DataError> {
    let io = DataError::io(path);
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let file = NamedTempFile::new_in(folder.unwrap_or(Path::new("."))).map_err(&io)?;
    let mut archive = ZipWriter::new(BufWriter::new(file));
    let written = |error: zip::result::ZipError| io(error.into());
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let [channels, height, width] = set.shape;
    let colour = match channels {
        1 => ExtendedColorType::L8,
        _ => ExtendedColorType::Rgb8,
    };
    let mut planes = vec![0; set.pixels.width()];
    let mut pixels = Vec::with_capacity(planes.len());
    for row in 0..set.len() {
        set.pixels.read(row, &mut planes).map_err(&io)?;
        pixels.clear();
        for at in 0..height * width {
            pixels.extend((0..channels).map(|channel| planes[channel * height * width + at]));
        }
        let mut png = Vec::new();
        PngEncoder::new(&mut png)
            .write_image(&pixels, width as u32, height as u32, colour)
            .map_err(|error| io(std::io::Error::other(error)))?;
        archive.start_file(name(row), options).map_err(written)?;
        archive.write_all(&png).map_err(&io)?;
        progress(row + 1, Some(set.len()));
    }
    archive
        .start_file("dataset.json", options)
        .map_err(written)?;
    archive
        .write_all(labels(set).to_string().as_bytes())
        .map_err(&io)?;
    let file = archive.finish().map_err(written)?;
    let file = file.into_inner().map_err(|error| io(error.into_error()))?;
    file.as_file().sync_all().map_err(&io)?;
    file.persist(path).map_err(|error| io(error.error))?;
    Ok(())
}

fn name(row: usize) -> String {
    format!("{:05}/img{row:08}.png", row / 1000)
}

fn labels(set: &PictureSet) -> Value {
    match &set.labels {
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
