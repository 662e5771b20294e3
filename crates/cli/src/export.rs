//! Writing samples to files, in the format that the extension gives.

use crate::Usage;
use anyhow::{Context, Result, bail};
use npyz::{AutoSerialize, WriterBuilder};
use pyroclast_plot::{Cloud, Limits, RgbImage, scatter, sheet, write_png};
use pyroclast_train::atomic_file::{self, write_atomically};
use pyroclast_train::dataset::Dataset;
use pyroclast_train::task::Task;
use safetensors::tensor::{Dtype, TensorView};
use std::fmt::Write;
use std::path::Path;

/// The largest number of data points behind the samples of a scatter plot.
const BEHIND: usize = 4000;
/// The number of images per row.
const COLUMNS: usize = 10;

/// The number of points in a picture.
const PICTURE_POINTS: usize = 4000;
/// The number of images per class in a picture, and of rows in a picture without classes.
const PICTURE_ROW: usize = 10;
/// The most rows of a picture.
const PICTURE_ROWS: usize = 20;

/// The labels of a picture: a row of ten per class, of classes spread over all if there are many;
/// `None` without classes.
pub(crate) fn picture_labels(classes: usize) -> Option<Vec<u32>> {
    let rows = classes.min(PICTURE_ROWS);
    let row = |row| std::iter::repeat_n((row * classes / rows) as u32, PICTURE_ROW);
    (classes > 0).then(|| (0..rows).flat_map(row).collect())
}

/// The number of samples in a picture.
pub(crate) fn picture_size(dataset: &Dataset) -> usize {
    match (dataset.is_image(), dataset.classes()) {
        (true, 0) => PICTURE_ROW * PICTURE_ROW,
        (true, classes) => PICTURE_ROW * classes.min(PICTURE_ROWS),
        (false, _) => PICTURE_POINTS,
    }
}

/// The format of a file of samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Png,
    Npy,
    Csv,
    Safetensors,
}

impl Format {
    /// The format that the extension of a path gives.
    pub(crate) fn of(path: &Path) -> Result<Self> {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("png") => Ok(Self::Png),
            Some("npy") => Ok(Self::Npy),
            Some("csv") => Ok(Self::Csv),
            Some("safetensors") => Ok(Self::Safetensors),
            _ => Err(Usage(format!(
                "the extension of {} is not a known format; use .png, .npy, .csv or .safetensors",
                path.display()
            ))
            .into()),
        }
    }
}

/// Refuses a file that cannot be written, before anything is computed for it.
pub(crate) fn check_file(path: &Path) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new(""));
    if !(folder.as_os_str().is_empty() || folder.is_dir()) {
        bail!(Usage(format!(
            "there is no folder {}; make it first",
            folder.display()
        )));
    }
    if path.is_dir() {
        bail!(Usage(format!(
            "{} is a folder; give the name of a file",
            path.display()
        )));
    }
    Ok(())
}

/// Samples in the units of the data, as rows that a table can hold.
///
/// # Errors
/// If they are too large for a number there.
pub(crate) fn in_units(samples: &[f32], task: &Task) -> Result<Vec<f64>> {
    let mut values = task.scaling.to_data(samples)?;
    if let Some(table) = &task.training.table {
        table.snap(&mut values);
    }
    Ok(values)
}

/// Writes samples of shape `[n, shape…]` in the data's units, with their labels if there are any.
///
/// Where all values of a sample share one scale, as pixels do, single precision holds them.
pub(crate) fn write(
    path: &Path,
    format: Format,
    values: &[f64],
    labels: Option<&[u32]>,
    task: &Task,
    picture: impl FnOnce() -> Result<RgbImage>,
) -> Result<()> {
    let dataset = &task.training;
    let n = values.len() / dataset.dim();
    let mut shape = vec![n];
    shape.extend(&dataset.shape);
    let is_single = task.scaling.is_shared();
    let single = || values.iter().map(|&x| x as f32);
    let written = match format {
        Format::Png => return save_png(path, &picture()?),
        Format::Npy if is_single => write_atomically(path, &npy(single(), &shape)?),
        Format::Npy => write_atomically(path, &npy(values.iter().copied(), &shape)?),
        Format::Csv => {
            let text = match &dataset.table {
                Some(table) => table.rows(values, labels, &dataset.class_names),
                None if is_single => csv(single(), labels, dataset),
                None => csv(values.iter(), labels, dataset),
            };
            write_atomically(path, text.as_bytes())
        }
        Format::Safetensors => {
            let (dtype, bytes): (_, Vec<u8>) = match is_single {
                true => (Dtype::F32, single().flat_map(f32::to_le_bytes).collect()),
                false => {
                    let bytes = values.iter().flat_map(|x| x.to_le_bytes());
                    (Dtype::F64, bytes.collect())
                }
            };
            let samples = TensorView::new(dtype, shape, &bytes)?;
            let label_bytes: Vec<u8> = labels
                .unwrap_or_default()
                .iter()
                .flat_map(|&label| i64::from(label).to_le_bytes())
                .collect();
            let mut views = vec![("samples", samples)];
            if labels.is_some() {
                views.push((
                    "labels",
                    TensorView::new(Dtype::I64, vec![n], &label_bytes)?,
                ));
            }
            write_atomically(path, &safetensors::serialize(views, None)?)
        }
    };
    written.with_context(|| format!("cannot write {}", path.display()))
}

fn npy<T: AutoSerialize>(values: impl Iterator<Item = T>, shape: &[usize]) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let shape: Vec<u64> = shape.iter().map(|&s| s as u64).collect();
    let mut writer = npyz::WriteOptions::new()
        .default_dtype()
        .shape(&shape)
        .writer(&mut bytes)
        .begin_nd()?;
    writer.extend(values)?;
    writer.finish()?;
    Ok(bytes)
}

/// The samples as a table, under the names of the data's columns or, without names, `x0,x1,…`.
fn csv(
    values: impl Iterator<Item = impl ToString>,
    labels: Option<&[u32]>,
    dataset: &Dataset,
) -> String {
    let dim = dataset.dim();
    let mut text = if labels.is_some() { "label," } else { "" }.to_owned();
    let names: Vec<String> = if dataset.columns.is_empty() {
        (0..dim).map(|i| format!("x{i}")).collect()
    } else {
        dataset.columns.iter().map(|name| quoted(name)).collect()
    };
    text += &names.join(",");
    text.push('\n');
    let values: Vec<String> = values.map(|value| value.to_string()).collect();
    for (i, row) in values.chunks_exact(dim).enumerate() {
        if let Some(labels) = labels {
            let _ = write!(text, "{},", labels[i]);
        }
        text += &row.join(",");
        text.push('\n');
    }
    text
}

/// A name as a cell of a table, quoted if necessary.
fn quoted(name: &str) -> String {
    if name.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", name.replace('"', "\"\""))
    } else {
        name.to_owned()
    }
}

/// Writes a picture as a PNG file.
pub(crate) fn save_png(path: &Path, picture: &RgbImage) -> Result<()> {
    atomic_file::replace(path, |file| write_png(file, picture))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// A picture of samples on the model's scale: images in a grid, or the first two coordinates of
/// points, drawn over those of the data.
pub(crate) fn picture(
    values: &[f32],
    labels: Option<&[u32]>,
    dataset: &Dataset,
    title: &str,
    limits: Option<Limits>,
) -> RgbImage {
    if let [channels, height, width] = dataset.shape[..] {
        let names = labels.map_or_else(Vec::new, |labels| row_names(labels, dataset));
        return sheet(values, [channels, height, width], COLUMNS, title, &names);
    }
    let data = points(&dataset.first(dataset.len().min(BEHIND)), dataset.dim());
    let samples = points(values, dataset.dim());
    let clouds = [
        Cloud::pale("data", &data),
        Cloud::bright("samples", &samples),
    ];
    scatter(&clouds, title, limits)
}

/// The name of the class of each row of images; none unless every row shows one class.
fn row_names(labels: &[u32], dataset: &Dataset) -> Vec<String> {
    let rows = || labels.chunks(COLUMNS);
    if rows().any(|row| row.iter().any(|label| *label != row[0])) {
        return Vec::new();
    }
    rows().map(|row| class_name(dataset, row[0])).collect()
}

/// The name of a class, or its number.
pub(crate) fn class_name(dataset: &Dataset, class: u32) -> String {
    let name = dataset.class_names.get(class as usize);
    name.map_or_else(|| class.to_string(), Clone::clone)
}

/// The first two coordinates of each point; the second is 0 for points of one coordinate.
pub(crate) fn points(values: &[f32], dim: usize) -> Vec<[f32; 2]> {
    values
        .chunks_exact(dim)
        .map(|p| [p[0], p.get(1).copied().unwrap_or(0.0)])
        .collect()
}
