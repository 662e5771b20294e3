//! Numpy's archives of arrays by name.

use crate::array::{Array, Numbers, archived};
use crate::error::DataError;
use npyz::{AutoSerialize, WriterBuilder};
use std::fs::File;
use std::io::{self, BufReader, Seek, Write};
use std::path::Path;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

/// The arrays of these names in an archive of numpy's; `None` for a name that it does not have.
///
/// # Errors
/// [`DataError`]: the file cannot be read, is damaged, or an array holds no real numbers.
pub fn read_npz_arrays<const N: usize>(
    path: &Path,
    names: [&str; N],
) -> Result<[Option<Array>; N], DataError> {
    let file = File::open(path).map_err(DataError::io(path))?;
    let archive = ZipArchive::new(BufReader::new(file));
    let mut archive = archive.map_err(|error| DataError::damaged(path, error))?;
    let mut found = [const { None }; N];
    for (array, name) in found.iter_mut().zip(names) {
        *array = archived(&mut archive, &format!("{name}.npy"), path)?;
    }
    Ok(found)
}

/// Writes an archive of arrays as `numpy.savez` does: bytes as `uint8`, real numbers as `float64`.
///
/// # Errors
/// If the file cannot be written.
pub fn write_npz(file: impl Write + Seek, arrays: &[(&str, &Array)]) -> io::Result<()> {
    let mut archive = ZipWriter::new(file);
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .large_file(true);
    for (name, array) in arrays {
        archive.start_file(format!("{name}.npy"), options)?;
        let shape: Vec<u64> = array.shape.iter().map(|&axis| axis as u64).collect();
        match &array.numbers {
            Numbers::Bytes(bytes) => write_array(&mut archive, &shape, bytes)?,
            Numbers::Reals(reals) => write_array(&mut archive, &shape, reals)?,
        }
    }
    archive.finish()?;
    Ok(())
}

fn write_array<T: AutoSerialize>(
    file: &mut impl Write,
    shape: &[u64],
    entries: &[T],
) -> io::Result<()> {
    let writing = npyz::WriteOptions::new().default_dtype().shape(shape);
    let mut writer = writing.writer(file).begin_nd()?;
    writer.extend(entries)?;
    writer.finish()
}
