//! Numbered names: `NAME`, then `NAME-2`, `NAME-3` and so on.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// The first of `base`, `base-2`, `base-3`, … that does not exist, each followed by `suffix`.
///
/// ```
/// use pyroclast_train::numbered::first_free;
///
/// let folder = tempfile::tempdir()?;
/// let base = folder.path().join("sample");
/// assert_eq!(first_free(&base, ".png"), folder.path().join("sample.png"));
/// std::fs::write(folder.path().join("sample.png"), "")?;
/// assert_eq!(first_free(&base, ".png"), folder.path().join("sample-2.png"));
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn first_free(base: &Path, suffix: &str) -> PathBuf {
    let mut free = names(base, suffix).filter(|path| !path.exists());
    free.next().expect("some number is free")
}

/// A file that is made empty under the first free name, and removed again unless something is
/// written to it: two processes that choose a name at once choose different ones.
///
/// ```
/// use pyroclast_train::numbered::Claimed;
///
/// let folder = tempfile::tempdir()?;
/// let base = folder.path().join("sample");
/// let (first, second) = (Claimed::new(&base, ".png")?, Claimed::new(&base, ".png")?);
/// assert_ne!(first.path(), second.path());
/// std::fs::write(first.path(), "picture")?;
/// drop((first, second));
/// assert_eq!(std::fs::read_dir(folder.path())?.count(), 1);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Claimed(PathBuf);

impl Claimed {
    /// Claims the first of `base`, `base-2`, … that does not exist, each followed by `suffix`.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub fn new(base: &Path, suffix: &str) -> io::Result<Self> {
        loop {
            let path = first_free(base, suffix);
            match File::create_new(&path) {
                Ok(_) => return Ok(Self(path)),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The name.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Claimed {
    fn drop(&mut self) {
        if fs::metadata(&self.0).is_ok_and(|file| file.len() == 0) {
            let _ = fs::remove_file(&self.0);
        }
    }
}

/// The last of `base`, `base-2`, `base-3`, … before the first that does not exist.
pub fn last_taken(base: &Path) -> Option<PathBuf> {
    names(base, "").take_while(|path| path.exists()).last()
}

fn names(base: &Path, suffix: &str) -> impl Iterator<Item = PathBuf> {
    (1_u32..).map(move |number| {
        let mut name = base.as_os_str().to_owned();
        if number > 1 {
            name.push(format!("-{number}"));
        }
        name.push(suffix);
        name.into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_taken_name_comes_before_the_first_free_one() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let base = folder.path().join("moons.v2");
        assert_eq!(last_taken(&base), None);
        for name in ["moons.v2", "moons.v2-2", "moons.v2-4"] {
            std::fs::create_dir(folder.path().join(name)).expect("made");
        }
        assert_eq!(last_taken(&base), Some(folder.path().join("moons.v2-2")));
        assert_eq!(first_free(&base, ""), folder.path().join("moons.v2-3"));
    }
}
