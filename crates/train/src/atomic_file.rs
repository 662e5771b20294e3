//! Atomic replacement of files: written under another name, flushed to the disk, then renamed.
//!
//! A reader sees the old file or the new one, never a part of either. A crash leaves the old file
//! as it was, and at most a file named `.pyroclast-*` beside it, which the next writer in the same
//! folder removes.

use std::fs::{self, File};
use std::io::{self, BufWriter, IntoInnerError, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// The prefix of the names of incomplete files.
const PREFIX: &str = ".pyroclast-";

/// Replaces the contents of a file by these bytes, atomically.
///
/// # Errors
/// If the folder cannot be written or the disk is full. The old file is untouched then.
///
/// ```
/// use pyroclast_train::atomic_file::write_atomically;
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("notes.txt");
/// write_atomically(&path, b"first")?;
/// write_atomically(&path, b"second")?;
/// assert_eq!(std::fs::read(&path)?, b"second");
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace(path, |file| file.write_all(bytes))
}

/// Replaces the contents of a file by the output of `write`, atomically.
///
/// # Errors
/// The error of `write`, or if the folder cannot be written or the disk is full. The old file is
/// untouched then.
pub fn replace(
    path: &Path,
    write: impl FnOnce(&mut Replacement) -> io::Result<()>,
) -> io::Result<()> {
    let mut replacement = Replacement::begin(path)?;
    write(&mut replacement)?;
    replacement.finish()
}

/// A file that is written part by part, and takes the place of another once it is complete. Dropped
/// before, it leaves nothing.
///
/// ```
/// use pyroclast_train::atomic_file::Replacement;
/// use std::io::Write;
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("long.csv");
/// let mut file = Replacement::begin(&path)?;
/// writeln!(file, "x0,x1")?;
/// assert!(!path.exists());
/// file.finish()?;
/// assert_eq!(std::fs::read(&path)?, b"x0,x1\n");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Replacement {
    file: BufWriter<NamedTempFile>,
    path: PathBuf,
}

impl Replacement {
    /// Begins a new file beside the one that it will replace, and removes what killed writers have
    /// left there.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub fn begin(path: &Path) -> io::Result<Self> {
        let folder = folder_of(path);
        remove_leftovers(folder);
        Ok(Self {
            // A rename is atomic only within a file system, so the file starts in the same folder.
            file: BufWriter::new(locked_part(folder)?),
            path: path.to_owned(),
        })
    }

    /// Puts the complete file in its place.
    ///
    /// # Errors
    /// If the disk is full, or the place cannot be written. The old file is untouched then.
    pub fn finish(self) -> io::Result<()> {
        let part = self.file.into_inner().map_err(IntoInnerError::into_error)?;
        part.as_file().sync_all()?;
        part.persist(&self.path).map_err(|error| error.error)?;
        // The rename itself is durable once the folder is.
        #[cfg(unix)]
        File::open(folder_of(&self.path))?.sync_all()?;
        Ok(())
    }
}

impl Seek for Replacement {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.file.seek(position)
    }
}

impl Write for Replacement {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Removes the incomplete files that killed writers left in a folder; those of running writers
/// stay.
///
/// It cannot fail: a leftover that cannot be removed only takes up space.
pub fn remove_leftovers(folder: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries {
        let is_part = entry.file_name().to_string_lossy().starts_with(PREFIX);
        // A pipe of that name would be waited for.
        if is_part
            && entry.file_type().is_ok_and(|kind| kind.is_file())
            && let Ok(file) = File::open(entry.path())
            // A process releases its locks when it ends.
            && file.try_lock().is_ok()
        {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// A new incomplete file, locked until it is complete.
fn locked_part(folder: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(PREFIX);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // The umask decides who may read it, as for any new file.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    loop {
        let part = builder.tempfile_in(folder)?;
        // On a file system without locks, leftovers are never removed either.
        let _ = part.as_file().lock();
        // Before it was locked, the file may have been removed as a leftover.
        if part.path().exists() {
            return Ok(part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("the folder is there").flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.collect()
    }

    #[test]
    fn a_failed_write_leaves_the_old_file() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("old");
        write_atomically(&path, b"old").expect("written");
        let full = |file: &mut Replacement| {
            file.write_all(b"half")?;
            Err(io::Error::other("the disk is full"))
        };
        let error = replace(&path, full).expect_err("it failed");
        assert_eq!(error.to_string(), "the disk is full");
        assert_eq!(fs::read(&path).expect("still there"), b"old");
        assert_eq!(names(folder.path()), ["old"]);
    }

    #[test]
    fn leftovers_of_the_dead_are_removed_and_those_of_the_living_kept() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::write(folder.path().join(".pyroclast-dead"), "half").expect("written");
        // The file of another program.
        fs::write(folder.path().join(".part-other"), "whole").expect("written");
        let path = folder.path().join("new");
        let outcome = replace(&path, |file| {
            remove_leftovers(folder.path());
            assert_eq!(names(folder.path()).len(), 2);
            file.write_all(b"new")
        });
        outcome.expect("its file is still there");
        let mut left = names(folder.path());
        left.sort();
        assert_eq!(left, [".part-other", "new"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_file_may_be_read_by_whom_the_umask_allows() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let [plain, ours] = ["plain", "ours"].map(|name| folder.path().join(name));
        fs::write(&plain, "").expect("written");
        write_atomically(&ours, b"").expect("written");
        let mode = |path| {
            fs::metadata(path)
                .expect("it is there")
                .permissions()
                .mode()
        };
        assert_eq!(mode(ours), mode(plain));
    }

    #[test]
    fn a_path_without_a_folder_or_a_name_is_an_error() {
        assert!(write_atomically(Path::new("/no such folder/file"), b"").is_err());
        assert!(write_atomically(Path::new(".."), b"").is_err());
    }
}
