//! Pictures that lie in a file of arrays as they are, and are read in parts.

use crate::array::{
    Array, LONGEST_HEADER, NAMES, archived, axes, first_pair, of_view, parse_header, tensors_of,
};
use crate::error::DataError;
use crate::recognise::Layout;
use npyz::{DType, Order, TypeChar};
use safetensors::Dtype;
use safetensors::tensor::{TensorInfo, TensorView};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use zip::{CompressionMethod, ZipArchive};

/// Pictures that lie in a file byte by byte, to be read without the rest of it.
pub(crate) struct Located {
    /// Stands at the first byte.
    pub(crate) file: BufReader<File>,
    /// The axes of the array.
    pub(crate) shape: Vec<usize>,
    /// The labels in the same file.
    pub(crate) labels: Option<Array>,
}

/// The pictures in a file of arrays, if they lie there as they are: 8-bit numbers, row-major and
/// not compressed.
///
/// `None` for anything else, and for a file that is damaged: reading it whole says how.
///
/// # Errors
/// [`DataError`]: the file or its labels cannot be read.
pub(crate) fn locate(path: &Path, layout: Layout) -> Result<Option<Located>, DataError> {
    let failed = DataError::io(path);
    let mut file = BufReader::with_capacity(1 << 20, File::open(path).map_err(&failed)?);
    let length = file.get_ref().metadata().map_err(&failed)?.len();
    let (start, shape, labels) = match layout {
        Layout::Npy => match header_at(&mut file, 0, path)? {
            Some((start, shape)) => (start, shape, None),
            None => return Ok(None),
        },
        Layout::Npz => {
            let Ok(mut archive) = ZipArchive::new(&mut file) else {
                return Ok(None);
            };
            let Some((samples, labels)) = first_pair(&archive) else {
                return Ok(None);
            };
            let place = match archive.by_name(&samples) {
                Ok(mut entry) if entry.compression() == CompressionMethod::Stored => {
                    // The archive checks its sum over an entry that is read to its end.
                    let is_whole = io::copy(&mut entry, &mut io::sink()).is_ok();
                    entry.data_start().filter(|_| is_whole)
                }
                _ => None,
            };
            let Some(place) = place else {
                return Ok(None);
            };
            let labels = archived(&mut archive, &labels, path)?;
            match header_at(&mut file, place, path)? {
                Some((start, shape)) => (start, shape, labels),
                None => return Ok(None),
            }
        }
        Layout::Safetensors => {
            let Some((start, tensors)) = tensors_of(&mut file, path)? else {
                return Ok(None);
            };
            let Some((samples, labels)) = (NAMES.iter())
                .find_map(|(samples, labels)| Some((tensors.info(samples)?, tensors.info(labels))))
            else {
                return Ok(None);
            };
            let is_whole = start.checked_add(tensors.data_len() as u64) == Some(length);
            if samples.dtype != Dtype::U8 || !is_whole {
                return Ok(None);
            }
            let place = |info: &TensorInfo| start.saturating_add(info.data_offsets.0 as u64);
            let labels = match labels {
                Some(info) => {
                    let size = info.data_offsets.1.saturating_sub(info.data_offsets.0);
                    let mut bytes = Vec::new();
                    file.seek(SeekFrom::Start(place(info))).map_err(&failed)?;
                    (file.by_ref().take(size as u64).read_to_end(&mut bytes)).map_err(&failed)?;
                    let view = TensorView::new(info.dtype, info.shape.clone(), &bytes);
                    let view = view.map_err(|error| DataError::damaged(path, error))?;
                    Some(of_view(&view, path)?)
                }
                None => None,
            };
            (place(samples), samples.shape.clone(), labels)
        }
        _ => return Ok(None),
    };
    let size = (shape.iter()).try_fold(1_u64, |size, &axis| size.checked_mul(axis as u64));
    let is_whole =
        size.is_some_and(|size| start.checked_add(size).is_some_and(|end| end <= length));
    if !is_whole {
        return Ok(None);
    }
    file.seek(SeekFrom::Start(start)).map_err(&failed)?;
    Ok(Some(Located {
        file,
        shape,
        labels,
    }))
}

/// The first byte and the axes of numpy's array that begins here, if it is row-major and of bytes.
fn header_at(
    file: &mut BufReader<File>,
    place: u64,
    path: &Path,
) -> Result<Option<(u64, Vec<usize>)>, DataError> {
    let failed = DataError::io(path);
    file.seek(SeekFrom::Start(place)).map_err(&failed)?;
    let mut head = Vec::new();
    (file.by_ref().take(LONGEST_HEADER as u64 + 12))
        .read_to_end(&mut head)
        .map_err(&failed)?;
    let mut rest = head.as_slice();
    let Ok(header) = parse_header(&mut rest, path) else {
        return Ok(None);
    };
    let is_bytes = matches!(
        header.dtype(),
        DType::Plain(entry) if (entry.type_char(), entry.size_field()) == (TypeChar::Uint, 1)
    );
    if !is_bytes || header.order() != Order::C {
        return Ok(None);
    }
    let start = place + (head.len() - rest.len()) as u64;
    Ok(axes(&header, path).ok().map(|shape| (start, shape)))
}
