//! Files that appear whole: written aside, flushed to the disk, and renamed into place.

use std::io::Write;
use std::path::{Path, PathBuf};

/// Writes a file so that a crash leaves either the old one or the new one.
///
/// # Errors
/// Where the folder cannot be written or the disk is full; what stood at `path` before is untouched
/// then.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder: PathBuf = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.into(),
        _ => ".".into(),
    };
    let mut file = tempfile::Builder::new()
        .prefix(".part-")
        .tempfile_in(&folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    // The rename itself is durable once the folder is.
    #[cfg(unix)]
    std::fs::File::open(&folder)?.sync_all()?;
    Ok(())
}
