//! Vectors and images from numpy's array files.
//!
//! `x[i, …] ↦ x1ᵢ`: `[n, d]`, `[n, height, width]` or `[n, channels, height, width]`
//!
//! Source: the NPY format, numpy enhancement proposal 1.

use super::{Dataset, DatasetError, precision};
use npyz::{DType, Deserialize, NpyFile, NpyHeader, Order, TypeChar};
use std::io;
use std::path::Path;

/// The dataset in an array file; `path` appears only in error messages.
pub(super) fn read(bytes: &[u8], path: &Path, name: &str) -> Result<Dataset, DatasetError> {
    check_header(bytes, path)?;
    let mut data = bytes;
    let header = NpyHeader::from_reader(&mut data).map_err(|source| DatasetError::NotNumpy {
        path: path.into(),
        source,
    })?;
    let shape = header.shape().to_vec();
    let sample = sample_shape(&shape, path)?;
    let order = header.order();
    let stored = numbers(header, data, path)?;
    let values = match order {
        Order::C => stored,
        Order::Fortran => row_major(&stored, &sample),
    };
    let dim: usize = sample.iter().product();
    if let Some(flat) = values.iter().position(|&value| !(value as f32).is_finite()) {
        let axes: Vec<usize> = shape[1..].iter().map(|&axis| axis as usize).collect();
        let mut index = unravel(flat % dim, &axes);
        index.insert(0, flat / dim);
        return Err(DatasetError::EntryNotFinite {
            path: path.into(),
            index,
            value: values[flat] as f32,
        });
    }
    let values = match sample.len() {
        1 => precision::single(&values, dim, path, &[])?,
        _ => values.into_iter().map(|x| x as f32).collect(),
    };
    Ok(Dataset::new(name, values, sample))
}

/// The longest header that is parsed: numpy's own bound.
const LONGEST_HEADER: usize = 10_000;
/// The deepest brackets: the type of a record within a record has fewer.
const DEEPEST_HEADER: usize = 8;

/// Refuses headers that would take the parser forever: its time doubles with every bracket.
fn check_header(bytes: &[u8], path: &Path) -> Result<(), DatasetError> {
    let refuse = |reason: &str| {
        Err(DatasetError::NotNumpy {
            path: path.into(),
            source: io::Error::new(io::ErrorKind::InvalidData, reason),
        })
    };
    // Magic, version, and the length of the header in two bytes, or in four from version 2 on.
    let (length, start) = match *bytes {
        [_, _, _, _, _, _, 1, _, a, b, ..] => (usize::from(u16::from_le_bytes([a, b])), 10),
        [_, _, _, _, _, _, 2 | 3, _, a, b, c, d, ..] => {
            (u32::from_le_bytes([a, b, c, d]) as usize, 12)
        }
        _ => return Ok(()),
    };
    if length > LONGEST_HEADER {
        return refuse("its header is longer than 10000 bytes");
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
        refuse("its header has too many brackets")
    } else {
        Ok(())
    }
}

/// The shape of one sample in an array of this shape.
fn sample_shape(shape: &[u64], path: &Path) -> Result<Vec<usize>, DatasetError> {
    let sample = match *shape {
        [_, d] => vec![d],
        [_, height, width] => vec![1, height, width],
        [_, channels, _, 1 | 3] if channels > 4 => {
            return Err(DatasetError::ChannelsLast {
                path: path.into(),
                shape: shape.to_vec(),
            });
        }
        [_, channels, height, width] => vec![channels, height, width],
        _ => {
            return Err(DatasetError::NumpyShape {
                path: path.into(),
                shape: shape.to_vec(),
            });
        }
    };
    if sample.contains(&0) {
        return Err(DatasetError::NoColumns { path: path.into() });
    }
    if shape[0] < 2 {
        return Err(DatasetError::TooFewRows {
            path: path.into(),
            rows: shape[0] as usize,
        });
    }
    Ok(sample.iter().map(|&axis| axis as usize).collect())
}

/// The entries in the order of the file.
fn numbers(header: NpyHeader, data: &[u8], path: &Path) -> Result<Vec<f64>, DatasetError> {
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
        return Err(DatasetError::CutShort {
            path: path.into(),
            found: data.len() as u64,
            expected,
        });
    }
    let file = NpyFile::with_header(header, data);
    match (entry.type_char(), entry.size_field()) {
        (TypeChar::Float, 4) => collect(file, path, |x: f32| f64::from(x)),
        (TypeChar::Float, 8) => collect(file, path, |x: f64| x),
        (TypeChar::Uint, 1) => collect(file, path, |x: u8| f64::from(x)),
        (TypeChar::Uint, 2) => collect(file, path, |x: u16| f64::from(x)),
        (TypeChar::Uint, 4) => collect(file, path, |x: u32| f64::from(x)),
        (TypeChar::Uint, 8) => collect(file, path, |x: u64| x as f64),
        (TypeChar::Int, 1) => collect(file, path, |x: i8| f64::from(x)),
        (TypeChar::Int, 2) => collect(file, path, |x: i16| f64::from(x)),
        (TypeChar::Int, 4) => collect(file, path, |x: i32| f64::from(x)),
        (TypeChar::Int, 8) => collect(file, path, |x: i64| x as f64),
        (TypeChar::Bool, 1) => collect(file, path, |x: bool| f64::from(u8::from(x))),
        _ => Err(unreadable(&dtype, path)),
    }
}

fn collect<T: Deserialize>(
    file: NpyFile<&[u8]>,
    path: &Path,
    widened: impl Fn(T) -> f64,
) -> Result<Vec<f64>, DatasetError> {
    let dtype = file.dtype();
    let entries = file.data::<T>().map_err(|_| unreadable(&dtype, path))?;
    entries
        .map(|entry| entry.map(&widened))
        .collect::<Result<_, _>>()
        .map_err(|source| DatasetError::NotNumpy {
            path: path.into(),
            source,
        })
}

fn unreadable(dtype: &DType, path: &Path) -> DatasetError {
    DatasetError::NumpyKind {
        path: path.into(),
        kind: dtype.descr(),
    }
}

/// From Fortran's order, in which the first axis varies fastest, to row-major order.
fn row_major(stored: &[f64], sample: &[usize]) -> Vec<f64> {
    let dim: usize = sample.iter().product();
    let n = stored.len() / dim;
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
fn unravel(mut flat: usize, shape: &[usize]) -> Vec<usize> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use npyz::{AutoSerialize, Serialize, WriterBuilder};

    fn save<T: Serialize>(dtype: &str, order: Order, shape: &[u64], entries: &[T]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let kind = dtype.parse().expect("a type of numpy's");
        let mut writer = npyz::WriteOptions::new()
            .dtype(DType::new_scalar(kind))
            .shape(shape)
            .order(order)
            .writer(&mut bytes)
            .begin_nd()
            .expect("memory takes all bytes");
        writer.extend(entries).expect("memory takes all bytes");
        writer.finish().expect("the entries fill the shape");
        bytes
    }

    fn save_default<T: AutoSerialize>(shape: &[u64], entries: &[T]) -> Vec<u8> {
        let DType::Plain(kind) = T::default_dtype() else {
            unreachable!("tests write numbers")
        };
        save(&kind.to_string(), Order::C, shape, entries)
    }

    fn parse(bytes: &[u8]) -> Result<Dataset, DatasetError> {
        read(bytes, Path::new("x.npy"), "x")
    }

    fn message(bytes: &[u8]) -> String {
        parse(bytes).expect_err("the file is broken").to_string()
    }

    #[test]
    fn a_header_that_would_take_forever_is_refused_at_once() {
        let of = |version: u8, length: &[u8], text: &str| {
            [b"\x93NUMPY", &[version, 0][..], length, text.as_bytes()].concat()
        };
        let nested = format!(
            "{{'descr': '<f4', 'fortran_order': False, 'shape': {}2{}}}",
            "[".repeat(60),
            "]".repeat(60)
        );
        let length = (nested.len() as u16).to_le_bytes();
        let why = |bytes: &[u8]| match parse(bytes) {
            Err(DatasetError::NotNumpy { source, .. }) => source.to_string(),
            other => format!("{other:?}"),
        };
        assert!(why(&of(1, &length, &nested)).contains("too many brackets"));
        assert!(why(&of(2, &u32::MAX.to_le_bytes(), "{}")).contains("longer than 10000"));
    }

    #[test]
    fn columns_that_single_precision_cannot_hold_are_named() {
        // Time stamps in seconds: 1.7e9 ± 5, between two numbers of single precision.
        let stamps: Vec<f64> = (0..20)
            .flat_map(|i| [1.7e9 + f64::from(i % 7), 0.5])
            .collect();
        let text = message(&save_default(&[20, 2], &stamps));
        assert!(
            text.contains("column 1") && text.contains("subtract 1700000003"),
            "{text}"
        );
        // Years are exact, and a constant loses nothing.
        let years: Vec<f64> = (0..20)
            .flat_map(|i| [2020.0 + f64::from(i % 3), 1.7e9])
            .collect();
        assert_eq!(
            parse(&save_default(&[20, 2], &years))
                .expect("years")
                .row(1)[0],
            2021.0
        );
    }

    #[test]
    fn every_type_of_number_reads_the_same() {
        let expected = Dataset::new("x", vec![0.0, 1.0, 1.0, 0.0], vec![2]);
        for bytes in [
            save_default(&[2, 2], &[0.0_f32, 1.0, 1.0, 0.0]),
            save_default(&[2, 2], &[0.0_f64, 1.0, 1.0, 0.0]),
            save_default(&[2, 2], &[0_u8, 1, 1, 0]),
            save_default(&[2, 2], &[0_u16, 1, 1, 0]),
            save_default(&[2, 2], &[0_u32, 1, 1, 0]),
            save_default(&[2, 2], &[0_u64, 1, 1, 0]),
            save_default(&[2, 2], &[0_i8, 1, 1, 0]),
            save_default(&[2, 2], &[0_i16, 1, 1, 0]),
            save_default(&[2, 2], &[0_i32, 1, 1, 0]),
            save_default(&[2, 2], &[0_i64, 1, 1, 0]),
            save_default(&[2, 2], &[false, true, true, false]),
            save(">f8", Order::C, &[2, 2], &[0.0_f64, 1.0, 1.0, 0.0]),
            save(">i2", Order::C, &[2, 2], &[0_i16, 1, 1, 0]),
        ] {
            assert_eq!(parse(&bytes).expect("a small array"), expected);
        }
    }

    #[test]
    fn axes_are_vectors_or_images() {
        let entries: Vec<f32> = (0..48).map(|i| i as f32).collect();
        for (shape, sample) in [
            ([12, 4].as_slice(), [4].as_slice()),
            (&[4, 3, 4], &[1, 3, 4]),
            (&[2, 2, 3, 4], &[2, 3, 4]),
            (&[2, 1, 24, 1], &[1, 24, 1]),
        ] {
            let data = parse(&save_default(shape, &entries)).expect("a small array");
            assert_eq!((data.shape.as_slice(), &data.values), (sample, &entries));
        }
    }

    #[test]
    fn fortran_order_is_turned_into_rows() {
        // The entry at [i, j, k, l] is the number ijkl.
        let shape = [3, 2, 4, 5];
        let mut stored = Vec::new();
        for l in 0..5 {
            for k in 0..4 {
                for j in 0..2 {
                    stored.extend((0..3).map(|i| 1000 * i + 100 * j + 10 * k + l));
                }
            }
        }
        let data = parse(&save("<i4", Order::Fortran, &shape, &stored)).expect("a small array");
        assert_eq!(data.shape, [2, 4, 5]);
        for i in 0..3 {
            for (flat, &value) in data.row(i).iter().enumerate() {
                let index = unravel(flat, &data.shape);
                let expected = 1000 * i + 100 * index[0] + 10 * index[1] + index[2];
                assert_eq!(value, expected as f32);
            }
        }
    }

    #[test]
    fn every_broken_array_is_refused_with_a_remedy() {
        let ones = [1.0_f32; 64];
        let whole = save_default(&[4, 2], &ones[..8]);
        for (bytes, expected) in [
            (
                save_default(&[4], &ones[..4]),
                "x.npy has shape [4]; save vectors as [n, d] or images as [n, height, width] or \
                 [n, channels, height, width]",
            ),
            (
                save_default(&[2, 8, 4, 1], &ones),
                "x.npy has shape [2, 8, 4, 1], channels last; save numpy.moveaxis(x, -1, 1)",
            ),
            (
                save_default(&[4, 0], &ones[..0]),
                "x.npy has 0 columns of data; give each sample at least one number",
            ),
            (
                save_default(&[1, 4], &ones[..4]),
                "x.npy has 1 row(s) of data; give at least 2",
            ),
            (
                save_default(&[0, 4], &ones[..0]),
                "x.npy has 0 row(s) of data; give at least 2",
            ),
            (
                whole[..whole.len() - 3].to_vec(),
                "x.npy ends after 29 of 32 bytes of data; copy or save it again",
            ),
            (
                whole[..20].to_vec(),
                "x.npy is not a numpy array; write it with numpy.save",
            ),
            (
                save("<M8[s]", Order::C, &[2, 1], &[1_i64, 2]),
                "x.npy holds '<M8[s]'; save it as numpy.float32",
            ),
            (
                save_default(&[2, 2], &[1.0, f32::NAN, 1.0, 1.0]),
                "x.npy: the entry at [0, 1] is NaN, which is not a finite 32-bit number; replace \
                 it, see numpy.nan_to_num",
            ),
            (
                save_default(&[2, 2], &[1.0, 1.0, -1e300, 1.0]),
                "x.npy: the entry at [1, 0] is -inf, which is not a finite 32-bit number; replace \
                 it, see numpy.nan_to_num",
            ),
            (
                save(
                    "<f4",
                    Order::Fortran,
                    &[2, 3],
                    &[1.0, 1.0, 1.0, 1.0, 1.0, f32::NAN],
                ),
                "x.npy: the entry at [1, 2] is NaN, which is not a finite 32-bit number; replace \
                 it, see numpy.nan_to_num",
            ),
        ] {
            assert_eq!(message(&bytes), expected);
        }
    }

    #[test]
    fn half_precision_is_refused_by_name() {
        let mut bytes = save_default(&[2, 1], &[1_u16, 2]);
        let at = bytes
            .windows(3)
            .position(|part| part == b"<u2")
            .expect("its type");
        bytes[at + 1] = b'f';
        assert_eq!(
            message(&bytes),
            "x.npy holds '<f2'; save it as numpy.float32"
        );
    }

    #[test]
    fn a_header_that_promises_too_much_allocates_nothing() {
        let mut bytes = save_default(&[10, 10], &[0.0_f32; 100]);
        let shape = b"(10, 10, )";
        let at = bytes
            .windows(shape.len())
            .position(|part| part == shape)
            .expect("its shape");
        let huge = b"(99999999999, 9)";
        bytes.splice(at..at + shape.len(), *huge);
        // The header's length is written before it.
        bytes[8] += (huge.len() - shape.len()) as u8;
        assert_eq!(
            message(&bytes),
            "x.npy ends after 400 of 3599999999964 bytes of data; copy or save it again"
        );
    }
}
