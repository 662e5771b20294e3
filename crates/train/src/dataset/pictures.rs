//! Datasets of pictures: folders, archives and arrays of 8-bit numbers.
//!
//! `x1 = p/127.5 − 1`, p ∈ {0, …, 255}

use super::samples::{Pictures, Samples};
use super::{DataSource, Dataset, Scaling};
use pyroclast_core::condition::Given;
use pyroclast_data::{Fit, Labels, Options, PictureSet};
use std::ops::Range;
use std::path::PathBuf;

/// Where decoded pictures are kept, and who is told of the progress.
pub struct Loading<'a> {
    /// The folder of the files of decoded pictures.
    pub cache: PathBuf,
    /// Called with the number of pictures that are decoded, and of all if that is known.
    pub progress: &'a dyn Fn(usize, Option<usize>),
}

/// Decoded pictures in the system's folder of temporary files, and silence.
impl Default for Loading<'_> {
    fn default() -> Self {
        Self {
            cache: std::env::temp_dir().join("pyroclast"),
            progress: &|_, _| {},
        }
    }
}

impl DataSource {
    /// How its pictures are read.
    pub fn options(&self) -> Options {
        Options {
            fit: Fit {
                size: (self.resolution > 0).then_some(self.resolution as u32),
                filter: self.filter.parse().unwrap_or_default(),
            },
            background: self.background.parse().unwrap_or_default(),
            skip_broken: self.skip_broken,
        }
    }
}

impl Dataset {
    /// The pictures of a set that are trained on and those that it holds out, both on the model's
    /// scale: pixels in [-1, 1].
    pub fn pictures(set: &PictureSet) -> (Self, Self) {
        let first_held = set.len() - set.held_out;
        (
            Self::pictures_in(set, 0..first_held),
            Self::pictures_in(set, first_held..set.len()),
        )
    }

    /// The map between levels of pixels, 0 to 255, and the model's scale.
    pub fn scaling_of_pictures() -> Scaling {
        Scaling::affine_of(vec![127.5], vec![127.5])
    }

    fn pictures_in(set: &PictureSet, rows: Range<usize>) -> Self {
        let given = match &set.labels {
            Labels::Nothing => Given::nothing(),
            Labels::Classes { labels, names } => Given::labels(&labels[rows.clone()], names.len()),
            Labels::Vectors { values, width } => {
                Given::vectors(&values[rows.start * width..rows.end * width], *width)
            }
        };
        Self {
            name: set.name.clone(),
            samples: Samples::Pictures(Pictures::new(set, rows)),
            shape: set.shape.to_vec(),
            given,
            columns: Vec::new(),
            table: None,
            class_names: set.labels.names().to_vec(),
            eight_bit: true,
        }
    }
}
