//! Pictures on disk, whole or not at all.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder, ImageError, RgbImage};

/// Writes the picture as a PNG file, replacing a file of that name.
///
/// # Errors
///
/// Where the file cannot be written, in which case an earlier one is as it was.
pub(crate) fn save_png(path: &Path, picture: &RgbImage) -> io::Result<()> {
    write_whole(path, |file| {
        let (width, height) = picture.dimensions();
        PngEncoder::new(file)
            .write_image(picture, width, height, ExtendedColorType::Rgb8)
            .map_err(|error| match error {
                ImageError::IoError(cause) => cause,
                other => io::Error::other(other),
            })
    })
}

/// Lets `write` fill a new file that takes the place of `path` only when it is complete.
pub(crate) fn write_whole(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> io::Result<()> {
    let attempt = || {
        let part = partial(path)?;
        let written = filled(&part, write).and_then(|()| fs::rename(&part, path));
        if written.is_err() {
            // Nothing more can be done where even this fails, and the first error says more.
            let _ = fs::remove_file(&part);
        }
        written
    };
    attempt().map_err(|cause| {
        let message = format!("could not write {}: {cause}", path.display());
        io::Error::new(cause.kind(), message)
    })
}

/// A name in the same folder, because a rename across file systems is no rename.
fn partial(path: &Path) -> io::Result<PathBuf> {
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it names no file"))?;
    let name = name.to_string_lossy();
    Ok(path.with_file_name(format!(".{name}.{}.part", std::process::id())))
}

fn filled(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    write(&mut file)?;
    file.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("the folder is there");
        let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
        entries
            .map(|entry| name(entry.expect("readable")))
            .collect()
    }

    #[test]
    fn a_saved_picture_reads_back() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("fire.png");
        let picture = RgbImage::from_fn(7, 5, |x, y| Rgb([x as u8, y as u8, 200]));
        save_png(&path, &RgbImage::new(2, 2)).expect("saved");
        save_png(&path, &picture).expect("saved over");
        let read = image::open(&path).expect("a PNG file").into_rgb8();
        assert_eq!(read, picture);
        assert_eq!(names(folder.path()), ["fire.png"]);
    }

    #[test]
    fn a_failed_write_leaves_the_old_file() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("old.png");
        fs::write(&path, "old").expect("written");
        let error = write_whole(&path, |file| {
            file.write_all(b"half")?;
            Err(io::Error::other("the disk is full"))
        })
        .expect_err("it failed");
        assert!(error.to_string().ends_with("old.png: the disk is full"));
        assert_eq!(fs::read(&path).expect("still there"), b"old");
        assert_eq!(names(folder.path()), ["old.png"]);
    }

    #[test]
    fn an_error_names_the_picture_and_no_other_file() {
        let path = Path::new("/no such folder/picture.png");
        let error = save_png(path, &RgbImage::new(1, 1)).expect_err("no folder");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        let message = error.to_string();
        assert!(message.starts_with("could not write /no such folder/picture.png: "));
        assert!(!message.contains(".part"), "{message}");
        assert!(save_png(Path::new(".."), &RgbImage::new(1, 1)).is_err());
    }
}
