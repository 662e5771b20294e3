//! Sources of pictures: a layout each, read in one pass and in a fixed order.

mod arrays;
mod cifar;
mod folder;
mod idx;
mod place;
mod tar;
mod zip;

pub use arrays::read_arrays;
pub use cifar::folder_of_batches;

use crate::decode::Picture;
use crate::error::DataError;
use crate::label::Label;
use crate::recognise::{Layout, recognise};
use sha2::{Digest, Sha256};
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// A picture before it is decoded.
pub(crate) struct Item {
    /// Its name in the source, for messages.
    pub(crate) name: String,
    pub(crate) label: Option<Label>,
    pub(crate) payload: Payload,
}

/// Where the pixels of a picture are.
pub(crate) enum Payload {
    /// In a file that holds a picture.
    File(PathBuf),
    /// In bytes as of such a file.
    Encoded(Vec<u8>),
    /// Here.
    Pixels(Picture),
}

/// Everything in a source, with the pictures that are held out last.
pub(crate) struct Source<'a> {
    /// The pictures, in order.
    pub(crate) items: Box<dyn Iterator<Item = Result<Item, DataError>> + 'a>,
    /// How many there are, if that is known before they are read.
    pub(crate) total: Option<usize>,
    /// How many of the last ones the source itself holds out.
    pub(crate) held_out: usize,
    /// The names of the classes, if labels index them.
    pub(crate) names: Option<Vec<String>>,
}

/// A file that a source reads, as a cache remembers it: its path, size, and time of change.
pub(crate) type Stamp = (PathBuf, u64, u128);

fn stamp(path: PathBuf) -> Result<Stamp, DataError> {
    let found = fs::metadata(&path).map_err(DataError::io(&path))?;
    let changed = found.modified().ok();
    let changed = changed.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let nanoseconds = changed.map_or(0, |time| time.as_nanos());
    Ok((path, found.len(), nanoseconds))
}

/// A source that is listed but not read.
pub(crate) struct Listed {
    path: PathBuf,
    layout: Layout,
    listing: Listing,
}

enum Listing {
    Folder(folder::Listing),
    Files(Vec<PathBuf>),
    /// A zip in the memory of the program.
    Memory(&'static [u8]),
}

impl Listed {
    /// A zip that is part of the program.
    pub(crate) fn in_memory(name: &str, zip: &'static [u8]) -> Self {
        Self {
            path: name.into(),
            layout: Layout::Zip,
            listing: Listing::Memory(zip),
        }
    }

    /// Where it is, for messages.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Lists what a path holds.
    pub(crate) fn at(path: &Path) -> Result<Self, DataError> {
        let layout = recognise(path)?;
        let listing = match layout {
            Layout::Folder => Listing::Folder(folder::list(path)?),
            Layout::Idx => Listing::Files(idx::files(path)?),
            Layout::Cifar => Listing::Files(cifar::files(path)?),
            Layout::Npy => Listing::Files(arrays::files(path)),
            Layout::Tar => Listing::Files(tar::files(path)?),
            _ => Listing::Files(vec![path.into()]),
        };
        Ok(Self {
            path: path.into(),
            layout,
            listing,
        })
    }

    /// The files that will be read.
    pub(crate) fn stamps(&self) -> Result<Vec<Stamp>, DataError> {
        match &self.listing {
            Listing::Folder(listing) => listing.files().map(stamp).collect(),
            Listing::Files(files) => files.iter().cloned().map(stamp).collect(),
            // A version of the program may bring other pictures.
            Listing::Memory(zip) => {
                let digest = Sha256::digest(zip);
                let digest = digest
                    .iter()
                    .take(16)
                    .fold(0, |sum, &byte| sum << 8 | u128::from(byte));
                Ok(vec![(self.path.clone(), zip.len() as u64, digest)])
            }
        }
    }

    /// Opens the source, to be read once.
    pub(crate) fn open(&self) -> Result<Source<'_>, DataError> {
        match (&self.listing, self.layout) {
            (Listing::Folder(listing), _) => listing.open(&self.path),
            (Listing::Memory(zip), _) => zip::read(Cursor::new(*zip), &self.path),
            (Listing::Files(files), Layout::Idx) => idx::open(files),
            (Listing::Files(files), Layout::Cifar) => cifar::open(files),
            (Listing::Files(_), Layout::Zip) => zip::open(&self.path),
            (Listing::Files(files), Layout::Tar) => tar::open(files, &self.path),
            (Listing::Files(files), layout) => arrays::open(files, layout),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{Background, decode};
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use image::{DynamicImage, ImageFormat, RgbImage};
    use std::io::Write;

    /// Damaged files per layout.
    const FILES: u64 = 100_000;

    /// A small generator of its own: this crate knows none.
    struct Draws(u64);

    impl Draws {
        fn below(&mut self, n: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 % n.max(1) as u64) as usize
        }
    }

    fn damaged(whole: &[u8], draws: &mut Draws) -> Vec<u8> {
        let mut bytes = whole.to_vec();
        for _ in 0..=draws.below(4) {
            let at = draws.below(bytes.len());
            match draws.below(5) {
                _ if bytes.is_empty() => {}
                0 => bytes[at] ^= 1 << draws.below(8),
                1 => bytes[at] = draws.below(256) as u8,
                2 => bytes.truncate(at),
                3 => drop(bytes.drain(at..(at + 1 + draws.below(8)).min(bytes.len()))),
                _ => bytes.insert(at, [0, 0xff, b'9', b'['][draws.below(4)]),
            }
        }
        bytes
    }

    /// Reads and decodes everything; gives the pixels, or the first error.
    fn read_all(path: &Path) -> Result<usize, DataError> {
        let listed = Listed::at(path)?;
        let mut pixels = 0;
        for item in listed.open()?.items {
            pixels += match item?.payload {
                Payload::Pixels(picture) => picture.data.len(),
                Payload::Encoded(bytes) => {
                    decode(&bytes, Background::WHITE).map_or(0, |picture| picture.data.len())
                }
                Payload::File(path) => {
                    let bytes = fs::read(&path).map_err(DataError::io(&path))?;
                    decode(&bytes, Background::WHITE).map_or(0, |picture| picture.data.len())
                }
            };
        }
        Ok(pixels)
    }

    fn fuzz(name: &str, whole: &[u8]) {
        let folder = tempfile::tempdir().expect("the system's temporary folder can be written");
        let path = folder.path().join(name);
        fs::write(&path, whole).expect("written");
        assert!(read_all(&path).expect("the whole file") > 0, "{name}");
        let (mut draws, mut refused) = (Draws(0x9e37_79b9), 0);
        for k in 0..FILES {
            // Some file systems flush a file that is cut to nothing and written again.
            let _ = fs::remove_file(&path);
            fs::write(&path, damaged(whole, &mut draws)).expect("written");
            match read_all(&path) {
                // No more pixels than a picture may have that its header alone describes.
                Ok(pixels) => assert!(pixels < 1 << 28, "{name}, file {k}: {pixels} pixels"),
                Err(error) => {
                    refused += 1;
                    assert!(
                        !error.to_string().contains('\n'),
                        "{name}, file {k}: {error}"
                    );
                }
            }
        }
        assert!(refused > FILES / 20, "{name}: only {refused} are refused");
    }

    fn encoded(i: u8, format: ImageFormat) -> Vec<u8> {
        let image = RgbImage::from_fn(4, 5, |x, y| image::Rgb([i, x as u8 * 9, y as u8 * 9]));
        let mut bytes = Vec::new();
        DynamicImage::from(image)
            .write_to(&mut Cursor::new(&mut bytes), format)
            .expect("memory takes all bytes");
        bytes
    }

    #[test]
    fn damaged_zips_never_panic() {
        let mut archive = ::zip::ZipWriter::new(Cursor::new(Vec::new()));
        let options = ::zip::write::SimpleFileOptions::default();
        let labels = br#"{"labels": [["a.png", 0], ["b.png", 1]], "classes": ["x", "y"]}"#;
        let files: [(&str, &[u8]); 3] = [
            ("a.png", &encoded(0, ImageFormat::Png)),
            ("b.png", &encoded(1, ImageFormat::Png)),
            ("dataset.json", labels),
        ];
        for (name, bytes) in files {
            archive.start_file(name, options).expect("a new name");
            archive.write_all(bytes).expect("memory takes all bytes");
        }
        fuzz(
            "x.zip",
            &archive
                .finish()
                .expect("memory takes all bytes")
                .into_inner(),
        );
    }

    #[test]
    fn damaged_tars_never_panic() {
        let mut archive = ::tar::Builder::new(Vec::new());
        let files: [(&str, &[u8]); 4] = [
            ("a.png", &encoded(0, ImageFormat::Png)),
            ("a.cls", b"ant"),
            ("b.gif", &encoded(1, ImageFormat::Gif)),
            ("b.json", br#"{"label": "bee"}"#),
        ];
        for (name, bytes) in files {
            let mut header = ::tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            archive
                .append_data(&mut header, name, bytes)
                .expect("memory takes all bytes");
        }
        let whole = archive.into_inner().expect("memory takes all bytes");
        // The end of a tar is zeros, where damage does nothing.
        fuzz("x.tar", &whole[..whole.len() - 1024]);
    }

    #[test]
    fn damaged_idx_files_never_panic() {
        let header = [0x803_u32, 3, 4, 5].map(u32::to_be_bytes).concat();
        let whole = [header, (0..60).collect()].concat();
        fuzz("x-images-idx3-ubyte", &whole);
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&whole).expect("memory takes all bytes");
        let compressed = encoder.finish().expect("memory takes all bytes");
        fuzz("x-images-idx3-ubyte.gz", &compressed);
    }

    #[test]
    fn damaged_cifar_files_never_panic() {
        let record = |label: u8| [vec![label], vec![7; 3072]].concat();
        fuzz("data_batch_1.bin", &[record(1), record(9)].concat());
    }

    #[test]
    fn damaged_arrays_never_panic() {
        let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 4, 5, 3), }";
        let padded = format!("{header:<117}\n");
        let length = (padded.len() as u16).to_le_bytes();
        let npy = [
            b"\x93NUMPY\x01\x00",
            &length[..],
            padded.as_bytes(),
            &[9; 120],
        ]
        .concat();
        fuzz("x.npy", &npy);
        let mut archive = ::zip::ZipWriter::new(Cursor::new(Vec::new()));
        let options = ::zip::write::SimpleFileOptions::default();
        archive
            .start_file("arr_0.npy", options)
            .expect("a new name");
        archive.write_all(&npy).expect("memory takes all bytes");
        fuzz(
            "x.npz",
            &archive
                .finish()
                .expect("memory takes all bytes")
                .into_inner(),
        );
        let json = r#"{"x":{"dtype":"U8","shape":[2,4,5,3],"data_offsets":[0,120]}}"#;
        let length = (json.len() as u64).to_le_bytes();
        fuzz(
            "x.safetensors",
            &[&length[..], json.as_bytes(), &[9; 120]].concat(),
        );
    }

    #[test]
    fn damaged_pictures_never_panic() {
        let mut draws = Draws(7);
        for format in [
            ImageFormat::Png,
            ImageFormat::Jpeg,
            ImageFormat::WebP,
            ImageFormat::Bmp,
            ImageFormat::Gif,
        ] {
            let whole = encoded(3, format);
            let mut refused = 0;
            for _ in 0..FILES {
                refused +=
                    u64::from(decode(&damaged(&whole, &mut draws), Background::WHITE).is_err());
            }
            assert!(
                refused > FILES / 20,
                "{format:?}: only {refused} are refused"
            );
        }
    }
}
