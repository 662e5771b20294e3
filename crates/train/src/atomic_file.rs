//! Atomic replacement of files: written under another name, flushed to the disk, then renamed.
//!
//! A reader sees the old file or the new one, never a part of either. A crash leaves the old file
//! as it was, and at most a file named `.part-*` beside it, which [`remove_leftovers`] removes.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use tempfile::NamedTempFile;

/// The prefix of the names of incomplete files.
const PREFIX: &str = ".part-";

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
    write: impl FnOnce(&mut BufWriter<&File>) -> io::Result<()>,
) -> io::Result<()> {
    // A rename is atomic only within a file system, so the new file starts in the same folder.
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let part = locked_part(folder)?;
    let mut file = BufWriter::new(part.as_file());
    write(&mut file)?;
    file.flush()?;
    drop(file);
    part.as_file().sync_all()?;
    part.persist(path).map_err(|error| error.error)?;
    // The rename itself is durable once the folder is.
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    Ok(())
}

/// Removes the incomplete files that killed writers left in a folder; those of running writers
/// stay.
///
/// It cannot fail: a leftover that cannot be removed only takes up space.
pub fn remove_leftovers(folder: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries {
        let is_part = entry.file_name().to_string_lossy().starts_with(PREFIX);
        if is_part
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
        let full = |file: &mut BufWriter<&File>| {
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
        fs::write(folder.path().join(".part-dead"), "half").expect("written");
        fs::write(folder.path().join("file"), "whole").expect("written");
        let path = folder.path().join("new");
        let outcome = replace(&path, |file| {
            remove_leftovers(folder.path());
            assert_eq!(names(folder.path()).len(), 2);
            file.write_all(b"new")
        });
        outcome.expect("its file is still there");
        let mut left = names(folder.path());
        left.sort();
        assert_eq!(left, ["file", "new"]);
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
