//! The samples of a dataset: numbers in memory, or pictures and latents that are read when they are
//! asked for.
//!
//! A picture on disk has pixels p ∈ {0, …, 255}, of values `levels[p]`; on the model's scale that
//! is `p/127.5 − 1`.

use super::Scaling;
use super::moments::Moments;
use super::rows::Rows;
use pyroclast_data::{PictureSet, Pixels};
use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

/// Samples, `[n, dim]`.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Samples {
    /// In memory, row-major.
    Numbers(Vec<f32>),
    /// In memory, row-major, in the units of their file: single precision may not hold these.
    Reals(Vec<f64>),
    /// On disk.
    Pictures(Pictures),
    /// Latents of pictures, on disk; on the model's scale.
    Moments(Moments),
}

/// Some of the pictures of a set.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pictures {
    pixels: Pixels,
    /// The rows of the set, in order.
    rows: Rows,
    /// The value of each level of a pixel.
    levels: Arc<[f32; 256]>,
    /// The digest of the whole set.
    digest: Arc<str>,
}

impl Pictures {
    /// The pictures of these rows of a set, on the model's scale.
    pub(super) fn new(set: &PictureSet, rows: Range<usize>) -> Self {
        Self {
            pixels: set.pixels.clone(),
            rows: Rows::Range(rows),
            levels: Arc::new(std::array::from_fn(|p| (p as f64 / 127.5 - 1.0) as f32)),
            digest: set.digest.as_str().into(),
        }
    }

    fn select(&self, rows: &[usize]) -> Self {
        Self {
            rows: self.rows.select(rows),
            ..self.clone()
        }
    }

    /// Applies a map of the values, which is the same for all.
    fn map(&mut self, map: impl Fn(&mut [f32])) {
        let mut levels = *self.levels;
        map(&mut levels);
        self.levels = Arc::new(levels);
    }

    fn append(&self, row: usize, pixels: &mut [u8], out: &mut Vec<f32>) {
        (self.pixels.read(self.rows.get(row), pixels))
            .expect("an open file of decoded pictures can be read to its end");
        out.extend(pixels.iter().map(|&p| self.levels[usize::from(p)]));
    }

    fn gather(&self, rows: impl ExactSizeIterator<Item = usize>) -> Vec<f32> {
        let mut pixels = vec![0; self.pixels.width()];
        let mut out = Vec::with_capacity(rows.len() * pixels.len());
        for row in rows {
            self.append(row, &mut pixels, &mut out);
        }
        out
    }
}

impl Samples {
    pub(super) fn len(&self, dim: usize) -> usize {
        match self {
            Self::Numbers(values) => values.len() / dim,
            Self::Reals(values) => values.len() / dim,
            Self::Pictures(pictures) => pictures.rows.len(),
            Self::Moments(moments) => moments.len(),
        }
    }

    pub(super) fn range(&self, rows: Range<usize>, dim: usize) -> Cow<'_, [f32]> {
        match self {
            Self::Numbers(values) => Cow::Borrowed(&values[rows.start * dim..rows.end * dim]),
            Self::Reals(values) => {
                let values = values[rows.start * dim..rows.end * dim].iter();
                Cow::Owned(values.map(|&x| x as f32).collect())
            }
            Self::Pictures(pictures) => Cow::Owned(pictures.gather(rows)),
            Self::Moments(moments) => Cow::Owned(moments.means(rows)),
        }
    }

    pub(super) fn gather(&self, rows: &[usize], dim: usize) -> Vec<f32> {
        match self {
            Self::Numbers(values) => {
                let mut out = Vec::with_capacity(rows.len() * dim);
                for &row in rows {
                    out.extend_from_slice(&values[row * dim..(row + 1) * dim]);
                }
                out
            }
            Self::Reals(values) => (rows.iter())
                .flat_map(|row| values[row * dim..(row + 1) * dim].iter().map(|&x| x as f32))
                .collect(),
            Self::Pictures(pictures) => pictures.gather(rows.iter().copied()),
            Self::Moments(moments) => moments.means(rows.iter().copied()),
        }
    }

    pub(super) fn select(&self, rows: &[usize], dim: usize) -> Self {
        match self {
            Self::Numbers(_) => Self::Numbers(self.gather(rows, dim)),
            Self::Reals(values) => {
                let row = |row: &usize| values[row * dim..(row + 1) * dim].iter().copied();
                Self::Reals(rows.iter().flat_map(row).collect())
            }
            Self::Pictures(pictures) => Self::Pictures(pictures.select(rows)),
            Self::Moments(moments) => Self::Moments(moments.select(rows)),
        }
    }

    /// All values in double precision.
    pub(super) fn reals(&self, dim: usize) -> Cow<'_, [f64]> {
        match self {
            Self::Reals(values) => Cow::Borrowed(values),
            _ => {
                let values = self.range(0..self.len(dim), dim);
                Cow::Owned(values.iter().copied().map(f64::from).collect())
            }
        }
    }

    pub(super) fn scale(&mut self, scaling: &Scaling) {
        match self {
            Self::Numbers(values) => scaling.apply(values),
            // The identity leaves the units, and with them the digits that single precision lacks.
            Self::Reals(_) if *scaling == Scaling::identity() => {}
            Self::Reals(values) => *self = Self::Numbers(scaling.to_model(values)),
            Self::Pictures(pictures) => pictures.map(|levels| scaling.apply(levels)),
            // They are scaled as they are read, by what was measured on all of them.
            Self::Moments(_) => {}
        }
    }

    pub(super) fn unscale(&mut self, scaling: &Scaling) {
        match self {
            Self::Numbers(values) if scaling.is_shared() => scaling.invert(values),
            // Data that was scaled overflows nowhere.
            Self::Numbers(values) => *self = Self::Reals(scaling.to_data_unchecked(values)),
            Self::Reals(_) => {}
            Self::Pictures(pictures) => pictures.map(|levels| scaling.invert(levels)),
            Self::Moments(_) => {}
        }
    }

    /// The smallest and the largest level of pictures on disk, and the number of steps between
    /// them.
    pub(super) fn levels(&self) -> Option<(f64, f64, f64)> {
        match self {
            Self::Numbers(_) | Self::Reals(_) | Self::Moments(_) => None,
            Self::Pictures(pictures) => {
                let levels = &pictures.levels;
                Some((f64::from(levels[0]), f64::from(levels[255]), 255.0))
            }
        }
    }

    /// Feeds what makes these samples these samples to a digest.
    pub(super) fn digest(&self, mut part: impl FnMut(&[u8])) {
        match self {
            Self::Numbers(values) => {
                let values = values.iter().flat_map(|value| value.to_le_bytes());
                part(&values.collect::<Vec<u8>>());
            }
            Self::Reals(values) => {
                let values = values.iter().flat_map(|value| value.to_le_bytes());
                part(&values.collect::<Vec<u8>>());
            }
            Self::Pictures(pictures) => {
                part(pictures.digest.as_bytes());
                pictures.rows.digest(&mut part);
            }
            Self::Moments(moments) => moments.digest(&mut part),
        }
    }
}
