//! Pictures of one shape, with their labels.

use crate::decode::Background;
use crate::fit::Fit;
use crate::label::Labels;
use crate::pixels::Pixels;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::io;

/// How pictures are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Options {
    /// The size that they are brought to.
    pub fit: Fit,
    /// The colour behind transparent pixels.
    pub background: Background,
    /// Whether pictures that cannot be used are left out.
    pub skip_broken: bool,
}

/// A picture that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// Its name in the source.
    pub name: String,
    /// Why.
    pub reason: String,
}

/// Pictures of one shape on disk, with their labels.
#[derive(Debug, Clone, PartialEq)]
pub struct PictureSet {
    /// The name of the file or folder, without its extension.
    pub name: String,
    /// Channels (1 or 3), height and width.
    pub shape: [usize; 3],
    /// The pixels, `[n, channels, height, width]`, from 0 to 255.
    pub pixels: Pixels,
    /// What comes with each picture.
    pub labels: Labels,
    /// How many of the last pictures the source itself holds out, as in a folder `test`.
    pub held_out: usize,
    /// The pictures that were left out.
    pub skipped: Vec<Skipped>,
    /// The SHA-256 of the pixels, in hexadecimal digits.
    pub digest: String,
    /// The names, each with a zero behind it; none for the pictures of arrays.
    pub names: Option<Pixels>,
}

impl PictureSet {
    /// The pictures that equal an earlier one, pixel by pixel.
    ///
    /// # Errors
    /// If the file of decoded pictures cannot be read.
    pub fn duplicates(&self) -> io::Result<Vec<usize>> {
        let mut row = vec![0; self.pixels.width()];
        let (mut seen, mut duplicates) = (HashSet::new(), Vec::new());
        for i in 0..self.len() {
            self.pixels.read(i, &mut row)?;
            if !seen.insert(<[u8; 32]>::from(Sha256::digest(&row))) {
                duplicates.push(i);
            }
        }
        Ok(duplicates)
    }

    /// The name of each picture in its source, such as `train/cat/1.png`; none for the pictures of
    /// arrays.
    ///
    /// # Errors
    /// If the file of decoded pictures cannot be read.
    pub fn file_names(&self) -> io::Result<Option<Vec<String>>> {
        let Some(names) = &self.names else {
            return Ok(None);
        };
        let mut bytes = vec![0; names.width()];
        names.read(0, &mut bytes)?;
        let names = bytes.strip_suffix(&[0]).unwrap_or(&bytes);
        let names = names.split(|&byte| byte == 0);
        let names = names.map(|name| String::from_utf8_lossy(name).into_owned());
        let names: Vec<String> = names.collect();
        match names.len() == self.len() {
            true => Ok(Some(names)),
            false => Err(io::Error::other(format!(
                "there are {} names for {} pictures; remove the file",
                names.len(),
                self.len()
            ))),
        }
    }

    /// The number of pictures.
    pub fn len(&self) -> usize {
        self.pixels.len()
    }

    /// Whether there is no picture.
    pub fn is_empty(&self) -> bool {
        self.pixels.is_empty()
    }
}
