//! Compressed files, with a bound on what they may inflate to.

use crate::error::DataError;
use flate2::read::MultiGzDecoder;
use std::io::Read;
use std::path::Path;

/// The most bytes that a file of arrays or tables may inflate to: 4 GiB.
const MOST: u64 = 1 << 32;

/// The bytes of a gzip file, of one or more members; `path` appears only in error messages.
///
/// # Errors
/// [`DataError::Damaged`] if it is cut off or no gzip file, [`DataError::TooLarge`] beyond 4 GiB.
pub fn inflate(bytes: &[u8], path: &Path) -> Result<Vec<u8>, DataError> {
    bounded(MultiGzDecoder::new(bytes), MOST, path)
}

/// Everything in a reader that holds at most `limit` bytes.
pub(crate) fn bounded(reader: impl Read, limit: u64, path: &Path) -> Result<Vec<u8>, DataError> {
    let mut out = Vec::new();
    let mut reader = reader.take(limit + 1);
    (reader.read_to_end(&mut out)).map_err(|error| DataError::damaged(path, error))?;
    if out.len() as u64 > limit {
        return Err(DataError::TooLarge {
            path: path.into(),
            limit,
        });
    }
    Ok(out)
}
