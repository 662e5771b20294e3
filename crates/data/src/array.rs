//! Arrays of numbers: numpy's files and archives, and safetensors.
//!
//! Source: the NPY format, numpy enhancement proposal 1.

use crate::error::DataError;
use crate::inflate::bounded;
use crate::label::{Label, Labels, unite};
use crate::one_line::one_line;
use crate::recognise::Layout;
use npyz::half::f16;
use npyz::{DType, Deserialize, NpyFile, NpyHeader, Order, TypeChar};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use std::fs::{self, File};
use std::io::{BufReader, Read, Seek};
use std::path::Path;
use zip::ZipArchive;

/// The longest header of an array that is parsed: numpy's own bound.
pub(crate) const LONGEST_HEADER: usize = 10_000;
/// The deepest brackets in it: the type of a record within a record has fewer.
const DEEPEST_HEADER: usize = 8;
/// The most bytes of an array in an archive: 4 GiB.
const MOST: u64 = 1 << 32;
/// The most bytes of the description of tensors by name.
const LONGEST_JSON: u64 = 1 << 26;
/// The names of samples and of labels in an archive.
pub(crate) const NAMES: [(&str, &str); 3] = [("x", "y"), ("images", "labels"), ("arr_0", "arr_1")];

/// The entries of an array.
#[derive(Debug, Clone, PartialEq)]
pub enum Numbers {
    /// Bytes, as of pictures.
    Bytes(Vec<u8>),
    /// Any other numbers.
    Reals(Vec<f64>),
}

/// An array, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// Its axes.
    pub shape: Vec<usize>,
    /// Its entries.
    pub numbers: Numbers,
}

/// The samples in a file or an archive, and their labels if it has any.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// The samples, `[n, …]`.
    pub samples: Array,
    /// The labels, `[n]` classes or `[n, k]` vectors.
    pub labels: Option<Array>,
}

impl Stored {
    /// The label of each sample.
    ///
    /// # Errors
    /// [`DataError::Labels`]: there is not one for each, or one is no class.
    pub fn labels(&self, path: &Path) -> Result<Labels, DataError> {
        let n = self.samples.shape.first().copied().unwrap_or(0);
        let Some(labels) = &self.labels else {
            return Ok(Labels::Nothing);
        };
        let labels = labels.clone().into_labels(n, path)?;
        unite(labels.into_iter().map(Some).collect(), None, path)
    }
}

impl Array {
    /// The entries as real numbers.
    pub fn into_reals(self) -> Vec<f64> {
        match self.numbers {
            Numbers::Bytes(bytes) => bytes.into_iter().map(f64::from).collect(),
            Numbers::Reals(reals) => reals,
        }
    }

    /// Whether these are pictures of 8 bits, by [`picture_axes`].
    pub fn is_pictures(&self) -> bool {
        let axes = picture_axes(&self.shape);
        let has_colours = axes.is_some_and(|([_, channels, ..], _)| matches!(channels, 1 | 3 | 4));
        matches!(self.numbers, Numbers::Bytes(_)) && has_colours
    }

    /// The entries of a row-major array whose last axis holds channels, with the channels first.
    pub fn channels_first(self) -> Self {
        let Some((axes @ [_, channels, height, width], true)) = picture_axes(&self.shape) else {
            return self;
        };
        fn moved<T: Copy>(entries: &[T], channels: usize, pixels: usize) -> Vec<T> {
            let image = |image| {
                (0..channels).flat_map(move |c| (0..pixels).map(move |p| (image, p * channels + c)))
            };
            let images = (0..entries.len() / (channels * pixels)).flat_map(image);
            images
                .map(|(i, at)| entries[i * channels * pixels + at])
                .collect()
        }
        Self {
            numbers: match self.numbers {
                Numbers::Bytes(bytes) => Numbers::Bytes(moved(&bytes, channels, height * width)),
                Numbers::Reals(reals) => Numbers::Reals(moved(&reals, channels, height * width)),
            },
            shape: axes.to_vec(),
        }
    }

    /// The bytes of pictures, `[n, channels, height, width]`, and whether the channels are the
    /// last axis.
    pub(crate) fn into_pictures(self) -> Option<(Vec<u8>, [usize; 4], bool)> {
        let (axes, is_last) = picture_axes(&self.shape)?;
        match self.numbers {
            Numbers::Bytes(bytes) => Some((bytes, axes, is_last)),
            Numbers::Reals(_) => None,
        }
    }

    /// The label of each of `n` samples.
    pub(crate) fn into_labels(self, n: usize, path: &Path) -> Result<Vec<Label>, DataError> {
        let wrong = |reason: String| DataError::Labels {
            path: path.into(),
            reason,
        };
        let (rows, width) = match *self.shape {
            [rows] | [rows, 1] => (rows, None),
            [rows, width] if width > 1 => (rows, Some(width)),
            _ => {
                return Err(wrong(format!(
                    "labels have shape {:?}; give [n] classes or [n, k] vectors",
                    self.shape
                )));
            }
        };
        if rows != n {
            return Err(wrong(format!("there are {rows} labels for {n} samples")));
        }
        let reals = self.into_reals();
        if let Some(width) = width {
            let vector = |row: &[f64]| Label::Vector(row.iter().map(|&x| x as f32).collect());
            return Ok(reals.chunks(width).map(vector).collect());
        }
        let is_class = |x: f64| x.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&x);
        if let Some(label) = reals.iter().find(|x| !is_class(**x)) {
            return Err(wrong(format!(
                "the label {label} is no class; number the classes 0, 1, 2 and so on"
            )));
        }
        Ok(reals.iter().map(|&x| Label::Number(x as i64)).collect())
    }
}

/// The axes `[n, channels, height, width]` of images, and whether the channels came last.
///
/// An image is `[height, width]`, `[channels, height, width]`, or `[height, width, channels]` with
/// 1, 3 or 4 channels. Where both ends could be channels, the first are.
pub fn picture_axes(shape: &[usize]) -> Option<([usize; 4], bool)> {
    let axes = match *shape {
        [n, height, width] => ([n, 1, height, width], false),
        // Four is a small size as well as a number of channels.
        [n, height, width, channels]
            if !matches!(height, 1 | 3 | 4)
                && (matches!(channels, 1 | 3)
                    || channels == 4 && (height == width || height.min(width) > 4)) =>
        {
            ([n, channels, height, width], true)
        }
        [n, channels, height, width] => ([n, channels, height, width], false),
        _ => return None,
    };
    (!axes.0[1..].contains(&0)).then_some(axes)
}

/// Whether a file of arrays holds pictures of 8 bits. Only its headers are read.
///
/// # Errors
/// [`DataError`]: the file cannot be read or is damaged.
pub fn holds_pictures(path: &Path, layout: Layout) -> Result<bool, DataError> {
    let io = DataError::io(path);
    let file = || File::open(path).map_err(&io);
    let head = |reader: &mut dyn Read| -> Result<bool, DataError> {
        let mut bytes = Vec::new();
        (reader
            .take(LONGEST_HEADER as u64 + 12)
            .read_to_end(&mut bytes))
        .map_err(&io)?;
        let header = parse_header(&mut bytes.as_slice(), path)?;
        let shape = axes(&header, path)?;
        let is_bytes = header.dtype().descr().contains("u1");
        let array = Array {
            shape,
            numbers: Numbers::Bytes(Vec::new()),
        };
        Ok(is_bytes && array.is_pictures())
    };
    match layout {
        Layout::Npy => head(&mut file()?),
        Layout::Npz => {
            let damaged = |error: zip::result::ZipError| DataError::damaged(path, error);
            let mut archive = ZipArchive::new(BufReader::new(file()?)).map_err(damaged)?;
            if let Some((samples, _)) = first_pair(&archive) {
                return head(&mut archive.by_name(&samples).map_err(damaged)?);
            }
            Ok(false)
        }
        Layout::Safetensors => {
            let Some((_, tensors)) = tensors_of(&mut file()?, path)? else {
                return Err(DataError::damaged(path, "its header cannot be read"));
            };
            let tensors = tensors.tensors();
            let samples = NAMES.iter().find_map(|(samples, _)| tensors.get(*samples));
            Ok(samples.is_some_and(|info| {
                let array = Array {
                    shape: info.shape.clone(),
                    numbers: Numbers::Bytes(Vec::new()),
                };
                info.dtype == Dtype::U8 && array.is_pictures()
            }))
        }
        layout => Ok(layout.is_pictures()),
    }
}

/// The array in a `.npy` file.
///
/// # Errors
/// [`DataError`]: the file cannot be read, is damaged, or holds no real numbers.
pub(crate) fn read_npy(path: &Path) -> Result<Array, DataError> {
    let bytes = fs::read(path).map_err(DataError::io(path))?;
    parse_npy(&bytes, path)
}

/// Where the tensors of a safetensors file begin, and what they are.
pub(crate) fn tensors_of(
    file: &mut impl Read,
    path: &Path,
) -> Result<Option<(u64, safetensors::tensor::Metadata)>, DataError> {
    let io = DataError::io(path);
    let mut bytes = vec![0; 8];
    if file.read_exact(&mut bytes).is_err() {
        return Ok(None);
    }
    let length = u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes"));
    bytes.clear();
    (file.take(length.min(LONGEST_JSON)).read_to_end(&mut bytes)).map_err(&io)?;
    // `SafeTensors::read_metadata` wants the tensors too.
    let tensors = serde_json::from_slice(&bytes).ok();
    Ok(tensors.map(|tensors| (length.saturating_add(8), tensors)))
}

/// The names of the samples and of their labels in an archive of numpy's, if it has samples.
pub(crate) fn first_pair<R: Read + Seek>(archive: &ZipArchive<R>) -> Option<(String, String)> {
    let pairs = NAMES
        .iter()
        .map(|(x, y)| (format!("{x}.npy"), format!("{y}.npy")));
    { pairs }.find(|(samples, _)| archive.index_for_name(samples).is_some())
}

/// The array of this name in an archive of numpy's, if there is one.
pub(crate) fn archived<R: Read + Seek>(
    archive: &mut ZipArchive<R>,
    name: &str,
    path: &Path,
) -> Result<Option<Array>, DataError> {
    let Some(index) = archive.index_for_name(name) else {
        return Ok(None);
    };
    let entry = archive.by_index(index);
    let entry = entry.map_err(|error| DataError::damaged(path, error))?;
    parse_npy(&bounded(entry, MOST, path)?, path).map(Some)
}

/// The samples and labels in an archive of numpy's: `x` and `y`, `images` and `labels`, or `arr_0`
/// and `arr_1`.
///
/// # Errors
/// [`DataError`]: the archive cannot be read, is damaged, or has no such array.
pub(crate) fn read_npz(path: &Path) -> Result<Stored, DataError> {
    let damaged = |error: zip::result::ZipError| DataError::damaged(path, error);
    let file = File::open(path).map_err(DataError::io(path))?;
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(damaged)?;
    let held: Vec<String> = archive.file_names().map(str::to_owned).collect();
    if let Some((samples, labels)) = first_pair(&archive)
        && let Some(samples) = archived(&mut archive, &samples, path)?
    {
        return Ok(Stored {
            samples,
            labels: archived(&mut archive, &labels, path)?,
        });
    }
    Err(without_samples(path, &held))
}

/// The samples and labels in a `.safetensors` file, by the names of [`read_npz`].
///
/// # Errors
/// As [`read_npz`].
pub(crate) fn read_safetensors(path: &Path) -> Result<Stored, DataError> {
    let bytes = fs::read(path).map_err(DataError::io(path))?;
    let tensors =
        SafeTensors::deserialize(&bytes).map_err(|error| DataError::damaged(path, error))?;
    let array = |name: &str| tensors.tensor(name).ok().map(|view| of_view(&view, path));
    for (samples, labels) in NAMES {
        if let Some(samples) = array(samples) {
            return Ok(Stored {
                samples: samples?,
                labels: array(labels).transpose()?,
            });
        }
    }
    let held: Vec<String> = tensors.names().into_iter().map(str::to_owned).collect();
    Err(without_samples(path, &held))
}

fn without_samples(path: &Path, held: &[String]) -> DataError {
    let held = one_line(&held.join(", "));
    DataError::Array {
        path: path.into(),
        reason: format!("holds {held}; name the samples x, images or arr_0"),
    }
}

pub(crate) fn of_view(view: &TensorView<'_>, path: &Path) -> Result<Array, DataError> {
    macro_rules! reals {
        ($kind:ty) => {
            Numbers::Reals(
                (view.data().chunks_exact(size_of::<$kind>()))
                    .map(|bytes| {
                        let bytes = bytes.try_into().expect("chunks have this size");
                        <$kind>::from_le_bytes(bytes) as f64
                    })
                    .collect(),
            )
        };
    }
    let numbers = match view.dtype() {
        Dtype::U8 => Numbers::Bytes(view.data().to_vec()),
        Dtype::F32 => reals!(f32),
        Dtype::F64 => reals!(f64),
        Dtype::I8 => reals!(i8),
        Dtype::I16 => reals!(i16),
        Dtype::I32 => reals!(i32),
        Dtype::I64 => reals!(i64),
        Dtype::U16 => reals!(u16),
        Dtype::U32 => reals!(u32),
        Dtype::U64 => reals!(u64),
        Dtype::F16 => Numbers::Reals(
            (view.data().chunks_exact(2))
                .map(|bytes| f16::from_le_bytes([bytes[0], bytes[1]]).to_f64())
                .collect(),
        ),
        other => {
            return Err(DataError::Array {
                path: path.into(),
                reason: format!("holds {other:?}; save it as float32"),
            });
        }
    };
    Ok(Array {
        shape: view.shape().to_vec(),
        numbers,
    })
}

/// The array in the bytes of a `.npy` file; `path` appears only in error messages.
fn parse_npy(bytes: &[u8], path: &Path) -> Result<Array, DataError> {
    let mut data = bytes;
    let header = parse_header(&mut data, path)?;
    let shape = axes(&header, path)?;
    let order = header.order();
    let numbers = numbers(header, data, path)?;
    let numbers = match (order, numbers) {
        (Order::C, numbers) => numbers,
        (Order::Fortran, Numbers::Bytes(stored)) => Numbers::Bytes(row_major(&stored, &shape)),
        (Order::Fortran, Numbers::Reals(stored)) => Numbers::Reals(row_major(&stored, &shape)),
    };
    Ok(Array { shape, numbers })
}

pub(crate) fn parse_header(data: &mut &[u8], path: &Path) -> Result<NpyHeader, DataError> {
    check_header(data).map_err(|reason| not_numpy(path, reason))?;
    NpyHeader::from_reader(data).map_err(|_| not_numpy(path, "its header cannot be parsed"))
}

pub(crate) fn axes(header: &NpyHeader, path: &Path) -> Result<Vec<usize>, DataError> {
    let axis =
        |&axis: &u64| usize::try_from(axis).map_err(|_| not_numpy(path, "its axes are too long"));
    header.shape().iter().map(axis).collect()
}

fn not_numpy(path: &Path, reason: &str) -> DataError {
    DataError::Array {
        path: path.into(),
        reason: format!("is not a numpy array ({reason}); write it with numpy.save"),
    }
}

/// Refuses headers that would take the parser forever: its time doubles with every bracket.
fn check_header(bytes: &[u8]) -> Result<(), &'static str> {
    // Magic, version, and the length of the header in two bytes, or in four from version 2 on.
    let (length, start) = match *bytes {
        [0x93, b'N', b'U', b'M', b'P', b'Y', 1, _, a, b, ..] => {
            (usize::from(u16::from_le_bytes([a, b])), 10)
        }
        [0x93, b'N', b'U', b'M', b'P', b'Y', 2 | 3, _, a, b, c, d, ..] => {
            (u32::from_le_bytes([a, b, c, d]) as usize, 12)
        }
        _ => return Err("it does not begin as one"),
    };
    if length > LONGEST_HEADER {
        return Err("its header is longer than 10000 bytes");
    }
    let header = &bytes[start.min(bytes.len())..bytes.len().min(start + length)];
    let (mut depth, mut deepest) = (0_usize, 0);
    for byte in header {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    if deepest > DEEPEST_HEADER {
        Err("its header has too many brackets")
    } else {
        Ok(())
    }
}

/// The entries in the order of the file.
fn numbers(header: NpyHeader, data: &[u8], path: &Path) -> Result<Numbers, DataError> {
    let dtype = header.dtype();
    let DType::Plain(entry) = &dtype else {
        return Err(unreadable(&dtype, path));
    };
    // Axes have 64 bits, so the product of three can overflow even 128 bits. The saturated size is
    // still larger than any file.
    let expected = header
        .shape()
        .iter()
        .fold(u128::from(entry.size_field()), |size, &axis| {
            size.saturating_mul(u128::from(axis))
        });
    if expected > data.len() as u128 {
        return Err(DataError::Array {
            path: path.into(),
            reason: format!(
                "ends after {} of {expected} bytes of data; copy or save it again",
                data.len()
            ),
        });
    }
    let file = NpyFile::with_header(header, data);
    match (entry.type_char(), entry.size_field()) {
        (TypeChar::Uint, 1) => {
            let bytes = file.into_vec::<u8>();
            Ok(Numbers::Bytes(bytes.map_err(|_| unreadable(&dtype, path))?))
        }
        (TypeChar::Float, 2) => reals(file, path, f16::to_f64),
        (TypeChar::Float, 4) => reals(file, path, |x: f32| f64::from(x)),
        (TypeChar::Float, 8) => reals(file, path, |x: f64| x),
        (TypeChar::Uint, 2) => reals(file, path, |x: u16| f64::from(x)),
        (TypeChar::Uint, 4) => reals(file, path, |x: u32| f64::from(x)),
        (TypeChar::Uint, 8) => reals(file, path, |x: u64| x as f64),
        (TypeChar::Int, 1) => reals(file, path, |x: i8| f64::from(x)),
        (TypeChar::Int, 2) => reals(file, path, |x: i16| f64::from(x)),
        (TypeChar::Int, 4) => reals(file, path, |x: i32| f64::from(x)),
        (TypeChar::Int, 8) => reals(file, path, |x: i64| x as f64),
        (TypeChar::Bool, 1) => reals(file, path, |x: bool| f64::from(u8::from(x))),
        _ => Err(unreadable(&dtype, path)),
    }
}

fn reals<T: Deserialize>(
    file: NpyFile<&[u8]>,
    path: &Path,
    widened: impl Fn(T) -> f64,
) -> Result<Numbers, DataError> {
    let dtype = file.dtype();
    let entries = file.data::<T>().map_err(|_| unreadable(&dtype, path))?;
    let entries = entries
        .map(|entry| entry.map(&widened))
        .collect::<Result<_, _>>();
    entries
        .map(Numbers::Reals)
        .map_err(|error| DataError::damaged(path, error))
}

fn unreadable(dtype: &DType, path: &Path) -> DataError {
    DataError::Array {
        path: path.into(),
        reason: format!(
            "holds {}; save it as numpy.float32",
            one_line(&dtype.descr())
        ),
    }
}

/// From Fortran's order, in which the first axis varies fastest, to row-major order.
fn row_major<T: Copy>(stored: &[T], shape: &[usize]) -> Vec<T> {
    let Some((&n, sample)) = shape.split_first() else {
        return stored.to_vec();
    };
    let dim: usize = sample.iter().product();
    let offsets: Vec<usize> = (0..dim)
        .map(|flat| {
            let index = unravel(flat, sample);
            let fortran = |sum, (&i, &axis)| sum * axis + i;
            n * index.iter().zip(sample).rev().fold(0, fortran)
        })
        .collect();
    (0..n)
        .flat_map(|row| offsets.iter().map(move |offset| stored[row + offset]))
        .collect()
}

/// The index along each axis of the `flat`-th entry of a row-major array.
pub fn unravel(mut flat: usize, shape: &[usize]) -> Vec<usize> {
    let mut index: Vec<usize> = shape
        .iter()
        .rev()
        .map(|&axis| {
            let i = flat % axis;
            flat /= axis;
            i
        })
        .collect();
    index.reverse();
    index
}
