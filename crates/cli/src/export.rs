//! Writing samples to files, in the format that the extension gives.

use crate::Usage;
use crate::pair_plot::pair_plot;
use anyhow::{Context, Result, bail};
use npyz::{AutoSerialize, WriterBuilder};
use pyroclast_data::{Labels, Numbers, PictureFolder, PictureZip, write_npz};
use pyroclast_plot::{Cloud, Cloud3, Limits, RgbImage, scatter, scatter3, sheet, write_png};
use pyroclast_train::atomic_file::{self, Replacement, write_atomically};
use pyroclast_train::dataset::{Dataset, Scaling};
use pyroclast_train::task::Task;
use safetensors::tensor::{Dtype, TensorView};
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

/// The largest number of data points behind the samples of a scatter plot.
const BEHIND: usize = 4000;
/// The number of images per row.
pub(crate) const COLUMNS: usize = 10;

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
    /// An archive of 8-bit pictures, channels last, as guided-diffusion's evaluator reads it.
    Npz,
    /// A zip of PNG files, one per image.
    Zip,
    /// A new folder of PNG files, one per image.
    Folder,
}

impl Format {
    /// The format that the extension of a path gives.
    pub(crate) fn of(path: &Path) -> Result<Self> {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("png") => Ok(Self::Png),
            Some("npy") => Ok(Self::Npy),
            Some("csv") => Ok(Self::Csv),
            Some("safetensors") => Ok(Self::Safetensors),
            Some("npz") => Ok(Self::Npz),
            Some("zip") => Ok(Self::Zip),
            None => Ok(Self::Folder),
            _ if path.is_dir() => Ok(Self::Folder),
            _ => Err(Usage(format!(
                "the extension of {} is not a known format; use .png, .npy, .npz, .csv, \
                 .safetensors or .zip, or the name of a new folder for a .png per image",
                path.display()
            ))
            .into()),
        }
    }

    /// Whether samples are written as they are drawn, so that they need not fit into memory.
    pub(crate) fn streams(self) -> bool {
        matches!(self, Self::Npy | Self::Csv | Self::Zip | Self::Folder)
    }

    /// Whether each image is a file.
    pub(crate) fn is_images(self) -> bool {
        matches!(self, Self::Zip | Self::Folder)
    }

    /// Refuses what cannot be written in this format, before anything is computed for it.
    pub(crate) fn check(self, path: &Path, dataset: &Dataset, bytes: bool) -> Result<()> {
        if self == Self::Folder {
            check_parent(path)?;
            let is_free =
                !path.exists() || fs::read_dir(path).is_ok_and(|mut d| d.next().is_none());
            if !is_free {
                bail!(Usage(format!(
                    "{} is there already, and is not an empty folder; give a new one",
                    path.display()
                )));
            }
        } else {
            check_file(path)?;
        }
        if self.is_images() && !matches!(dataset.shape[..], [1 | 3 | 4, _, _]) {
            bail!(Usage(format!(
                "{} is for images of 1, 3 or 4 channels, and samples of {} have shape {:?}; write \
                 .npy, .csv or .safetensors",
                path.display(),
                dataset.name,
                dataset.shape
            )));
        }
        if self == Self::Npz && !(dataset.eight_bit && dataset.is_image()) {
            bail!(Usage(format!(
                "{} is for 8-bit pictures, and samples of {} are none; write .npy, .csv or \
                 .safetensors",
                path.display(),
                dataset.name
            )));
        }
        if bytes && (self != Self::Npy || !dataset.eight_bit) {
            bail!(Usage(format!(
                "--uint8 is for a .npy file of a model of 8-bit pictures; leave it out for {}",
                if self == Self::Npy {
                    &dataset.name as &str
                } else {
                    "other files"
                }
            )));
        }
        Ok(())
    }
}

/// Refuses a file that cannot be written, before anything is computed for it.
pub(crate) fn check_file(path: &Path) -> Result<()> {
    check_parent(path)?;
    if path.is_dir() {
        bail!(Usage(format!(
            "{} is a folder; give the name of a file",
            path.display()
        )));
    }
    Ok(())
}

/// Refuses a file that cannot be written, or whose name is that of no PNG.
pub(crate) fn check_picture(path: &Path) -> Result<()> {
    check_file(path)?;
    let is_png = path
        .extension()
        .is_some_and(|end| end.eq_ignore_ascii_case("png"));
    if !is_png {
        bail!(Usage(format!(
            "--out {} does not end in .png, the format of this picture",
            path.display()
        )));
    }
    Ok(())
}

/// Refuses to write the file that is read, by the option that names it.
pub(crate) fn check_other(option: &str, out: &Path, source: &Path) -> Result<()> {
    if source.exists() && same_place(out, source) {
        bail!(Usage(format!(
            "--{option} {} is the file that is read; give another name",
            out.display()
        )));
    }
    Ok(())
}

/// Whether two paths are those of one file, which need not exist.
pub(crate) fn same_place(a: &Path, b: &Path) -> bool {
    let place = |path: &Path| {
        path.canonicalize().ok().or_else(|| {
            let folder = path
                .parent()
                .filter(|folder| !folder.as_os_str().is_empty());
            let folder = folder.unwrap_or(Path::new(".")).canonicalize().ok()?;
            Some(folder.join(path.file_name()?))
        })
    };
    place(a).is_some_and(|a| place(b) == Some(a))
}

fn check_parent(path: &Path) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new(""));
    if !(folder.as_os_str().is_empty() || folder.is_dir()) {
        bail!(Usage(format!(
            "there is no folder {}; make it first",
            folder.display()
        )));
    }
    Ok(())
}

/// What takes rows of samples on the model's scale, with their labels if there are any.
pub(crate) type Sink<'a> = &'a mut dyn FnMut(&[f32], Option<&[u32]>) -> Result<()>;

/// What is written: how many samples, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Writing<'a> {
    pub(crate) path: &'a Path,
    pub(crate) format: Format,
    pub(crate) n: usize,
    pub(crate) labelled: bool,
    /// Whether a .npy file holds 8-bit numbers.
    pub(crate) bytes: bool,
}

/// Writes samples as `draw` hands them over, so that they need not fit into memory. The file or
/// folder appears once it is complete.
///
/// Where all values of a sample share one scale, as pixels do, single precision holds them.
pub(crate) fn stream<T>(
    writing: Writing<'_>,
    task: &Task,
    draw: impl FnOnce(Sink<'_>) -> Result<T>,
) -> Result<T> {
    let Writing { path, format, .. } = writing;
    let refused = || format!("cannot write {}", path.display());
    match (format, &task.training.shape[..]) {
        (Format::Folder, &[channels, height, width]) => {
            let shape = [channels, height, width];
            let mut folder = PictureFolder::begin(path, shape, &class_names(&task.training))?;
            let drawn = draw(&mut |samples, labels| {
                for (i, image) in samples.chunks_exact(task.training.dim()).enumerate() {
                    let class = labels.map(|labels| labels[i]);
                    folder.push(&levels(image), class).with_context(refused)?;
                }
                Ok(())
            })?;
            folder.finish()?;
            Ok(drawn)
        }
        (Format::Zip, &[channels, height, width]) => {
            let mut archive = PictureZip::begin(path, [channels, height, width])?;
            let mut all = Vec::new();
            let drawn = draw(&mut |samples, labels| {
                all.extend(labels.unwrap_or_default());
                for image in samples.chunks_exact(task.training.dim()) {
                    archive.push(&levels(image)).with_context(refused)?;
                }
                Ok(())
            })?;
            let labels = if writing.labelled {
                Labels::Classes {
                    labels: all,
                    names: class_names(&task.training),
                }
            } else {
                Labels::Nothing
            };
            archive.finish(&labels, 0)?;
            Ok(drawn)
        }
        _ => stream_numbers(writing, task, draw),
    }
}

/// Pixels on the model's scale as levels from 0 to 255.
fn levels(image: &[f32]) -> Vec<u8> {
    let level = |value: &f32| {
        (127.5 + 127.5 * f64::from(*value))
            .round()
            .clamp(0.0, 255.0) as u8
    };
    image.iter().map(level).collect()
}

/// The names of all classes.
fn class_names(dataset: &Dataset) -> Vec<String> {
    let classes = 0..dataset.classes() as u32;
    classes.map(|class| class_name(dataset, class)).collect()
}

fn stream_numbers<T>(
    Writing {
        path,
        format,
        n,
        labelled,
        bytes,
    }: Writing<'_>,
    task: &Task,
    draw: impl FnOnce(Sink<'_>) -> Result<T>,
) -> Result<T> {
    let refused = || format!("cannot write {}", path.display());
    let mut file = Replacement::begin(path).with_context(refused)?;
    let dataset = &task.training;
    let is_single = task.scaling.is_shared();
    let drawn = match format {
        Format::Npy => {
            let mut shape = vec![n as u64];
            shape.extend(dataset.shape.iter().map(|&side| side as u64));
            let to = Array {
                file: &mut file,
                shape: &shape,
                task,
            };
            if bytes {
                to.stream(|x| x as u8, draw)
            } else if is_single {
                to.stream(|x| x as f32, draw)
            } else {
                to.stream(|x| x, draw)
            }
            .with_context(refused)?
        }
        _ => {
            let heading = heading(labelled, dataset);
            file.write_all(heading.as_bytes()).with_context(refused)?;
            draw(&mut |samples, labels| {
                let values = dataset.in_units(samples, &task.scaling)?;
                let lines = match &dataset.table {
                    Some(table) => table.lines(&values, labels, &dataset.class_names),
                    None if is_single => {
                        lines(values.iter().map(|&x| x as f32), labels, dataset.dim())
                    }
                    None => lines(values.iter(), labels, dataset.dim()),
                };
                file.write_all(lines.as_bytes()).with_context(refused)
            })?
        }
    };
    file.finish().with_context(refused)?;
    Ok(drawn)
}

/// An array file of samples in the units of the data.
struct Array<'a, W> {
    file: W,
    shape: &'a [u64],
    task: &'a Task,
}

impl<W: io::Write> Array<'_, W> {
    /// Writes samples as numbers of one type.
    fn stream<N: AutoSerialize, T>(
        self,
        number: impl Fn(f64) -> N,
        draw: impl FnOnce(Sink<'_>) -> Result<T>,
    ) -> Result<T> {
        let (dataset, scaling) = (&self.task.training, &self.task.scaling);
        let writer = npyz::WriteOptions::new().default_dtype().shape(self.shape);
        let mut writer = writer.writer(self.file).begin_nd()?;
        let drawn = draw(&mut |samples, _| {
            let values = dataset.in_units(samples, scaling)?;
            Ok(writer.extend(values.into_iter().map(&number))?)
        })?;
        writer.finish()?;
        Ok(drawn)
    }
}

/// Writes samples of shape `[n, shape…]` on the model's scale, with their labels if there are any,
/// to a .safetensors file in the units of the data.
pub(crate) fn write_tensors(
    path: &Path,
    samples: &[f32],
    labels: Option<&[u32]>,
    task: &Task,
) -> Result<()> {
    let dataset = &task.training;
    let values = dataset.in_units(samples, &task.scaling)?;
    let n = values.len() / dataset.dim();
    let mut shape = vec![n];
    shape.extend(&dataset.shape);
    let (dtype, bytes): (_, Vec<u8>) = if task.scaling.is_shared() {
        let bytes = values.iter().flat_map(|&x| (x as f32).to_le_bytes());
        (Dtype::F32, bytes.collect())
    } else {
        (
            Dtype::F64,
            values.iter().flat_map(|x| x.to_le_bytes()).collect(),
        )
    };
    let samples = TensorView::new(dtype, shape, &bytes)?;
    let label_bytes: Vec<u8> = labels
        .unwrap_or_default()
        .iter()
        .flat_map(|&label| i64::from(label).to_le_bytes())
        .collect();
    let mut views = vec![("samples", samples)];
    if labels.is_some() {
        let labels = TensorView::new(Dtype::I64, vec![n], &label_bytes)?;
        views.push(("labels", labels));
    }
    write_atomically(path, &safetensors::serialize(views, None)?)
        .with_context(|| format!("cannot write {}", path.display()))
}

/// Writes pictures on the model's scale to a .npz file: `arr_0`, `[n, height, width, channels]`,
/// and their classes in `arr_1` if there are any.
pub(crate) fn write_archive(
    path: &Path,
    samples: &[f32],
    labels: Option<&[u32]>,
    dataset: &Dataset,
) -> Result<()> {
    let &[channels, height, width] = &dataset.shape[..] else {
        unreachable!("checked before drawing");
    };
    let pixels = height * width;
    let last = |image: &[f32]| {
        let planes = levels(image);
        let places = (0..pixels).flat_map(|at| (0..channels).map(move |c| c * pixels + at));
        places.map(|place| planes[place]).collect::<Vec<u8>>()
    };
    let pictures = pyroclast_data::Array {
        shape: vec![samples.len() / dataset.dim(), height, width, channels],
        numbers: Numbers::Bytes(samples.chunks_exact(dataset.dim()).flat_map(last).collect()),
    };
    let classes = labels.map(|labels| pyroclast_data::Array {
        shape: vec![labels.len()],
        numbers: Numbers::Reals(labels.iter().map(|&label| f64::from(label)).collect()),
    });
    let mut arrays = vec![("arr_0", &pictures)];
    arrays.extend(classes.as_ref().map(|classes| ("arr_1", classes)));
    atomic_file::replace(path, |file| write_npz(file, &arrays))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// The first line of a table: that of the data or, without names, `x0,x1,…`.
fn heading(labelled: bool, dataset: &Dataset) -> String {
    if let Some(table) = &dataset.table {
        return table.heading(labelled);
    }
    let mut text = if labelled { "label," } else { "" }.to_owned();
    let names: Vec<String> = if dataset.columns.is_empty() {
        (0..dataset.dim()).map(|i| format!("x{i}")).collect()
    } else {
        dataset.columns.iter().map(|name| quoted(name)).collect()
    };
    text += &names.join(",");
    text.push('\n');
    text
}

/// Samples as lines of a table.
fn lines(
    values: impl Iterator<Item = impl ToString>,
    labels: Option<&[u32]>,
    dim: usize,
) -> String {
    let values: Vec<String> = values.map(|value| value.to_string()).collect();
    let mut text = String::new();
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

/// A picture of samples on the model's scale: images in a grid, or points above those of the data,
/// all columns against each other if there are more than can be seen at once.
///
/// With limits it shows the first two coordinates within them.
pub(crate) fn picture(
    values: &[f32],
    labels: Option<&[u32]>,
    dataset: &Dataset,
    scaling: &Scaling,
    title: &str,
    limits: Option<Limits>,
) -> RgbImage {
    if let [channels, height, width] = dataset.shape[..] {
        let names = labels.map_or_else(Vec::new, |labels| row_names(labels, dataset));
        return sheet(values, [channels, height, width], COLUMNS, title, &names);
    }
    let behind = dataset.first(dataset.len().min(BEHIND));
    if limits.is_none()
        && let Some(picture) = pair_plot(values, &behind, dataset, scaling, title)
    {
        return picture;
    }
    if dataset.dim() == 3 && limits.is_none() {
        let names: [String; 3] = std::array::from_fn(|i| column_name(dataset, i));
        let in_space = |values: &[f32]| -> Vec<[f32; 3]> {
            values.chunks_exact(3).map(|p| [p[0], p[1], p[2]]).collect()
        };
        let (data, samples) = (in_space(&behind), in_space(values));
        let clouds = [
            Cloud3::pale("data", &data),
            Cloud3::bright("samples", &samples),
        ];
        return scatter3(&clouds, names.each_ref().map(String::as_str), title);
    }
    let data = points(&behind, dataset.dim());
    let samples = points(values, dataset.dim());
    let clouds = [
        Cloud::pale("data", &data),
        Cloud::bright("samples", &samples),
    ];
    scatter(&clouds, title, limits)
}

/// The name of a value of a sample.
fn column_name(dataset: &Dataset, column: usize) -> String {
    let name = dataset.columns.get(column);
    name.map_or_else(|| format!("x{column}"), Clone::clone)
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
