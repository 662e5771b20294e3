//! Datasets on the host: `n` samples `x1` of one shape, row-major, each with or without a
//! condition.
//!
//! `x1 ~ p1`, drawn from a toy distribution ([`Toy`]), shipped with the library (digits), or read
//! from a file.
//!
//! A dataset is plain numbers: a training loop picks rows with [`Dataset::gather`] and uploads
//! them. A [`Scaling`], fitted to the training part, brings the values of a file to the scale of
//! the noise and maps samples back.

mod array;
mod condition;
mod digits;
mod error;
mod file;
mod moments;
mod pictures;
mod precision;
mod rows;
mod samples;
mod scaling;
mod source;
mod table;

use pyroclast_core::condition::{Given, LabelRows};
use pyroclast_core::ddpm::{Decoder, Lattice};
use pyroclast_core::noise::{Draws, Noise, Stream};
use pyroclast_core::toy::Toy;
use samples::Samples;
use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

pub use condition::{Condition, ConditionKind, Conditions};
pub(crate) use condition::{Divided, divided};
pub use error::DatasetError;
pub(crate) use file::load;
pub(crate) use moments::Moments;
pub use moments::Posterior;
pub use pictures::Loading;
pub use scaling::{Logarithm, Overflow, Scaling};
pub use source::DataSource;
pub use table::{Column, ColumnKind, ColumnKinds, Content, LabelColumn, Missing, Table};

/// The step of [`Stream::Data`] for the split, far from the small steps that generate datasets. It
/// is no fork by name because the classifier that ships was trained on this split, and every score
/// on held-out digits is one of it.
const SPLIT: u64 = u64::MAX;

/// A dataset on the host: n samples of the same shape, with or without conditions.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// The name for logs and reports: of the toy distribution, or of the file without its
    /// extension.
    pub name: String,
    samples: Samples,
    /// The shape of one sample: `[2]` for points of the plane; channels, height, width for images.
    pub shape: Vec<usize>,
    /// The condition of each sample, such as its class.
    pub given: Given,
    /// The names of the values of a sample, such as columns of a file; empty if they have none.
    pub columns: Vec<String>,
    /// The table that the samples were read from, if they were.
    pub table: Option<Arc<Table>>,
    /// The names of the classes; empty if they have none but their numbers.
    pub class_names: Vec<String>,
    /// Whether these are pictures of 8 bits, whose pixels are whole numbers from 0 to 255 in the
    /// units of the data.
    pub eight_bit: bool,
}

impl Dataset {
    /// A dataset without conditions.
    ///
    /// # Shapes
    /// - values: `[n, shape…]`, row-major
    ///
    /// # Panics
    /// If the shape holds no value, or `values` is not a whole number of samples.
    pub fn new(name: impl Into<String>, values: Vec<f32>, shape: Vec<usize>) -> Self {
        let dim: usize = shape.iter().product();
        assert!(dim > 0, "a sample of shape {shape:?} holds no value");
        assert!(
            values.len().is_multiple_of(dim),
            "{} values are not a whole number of samples of shape {shape:?}",
            values.len()
        );
        Self {
            name: name.into(),
            samples: Samples::Numbers(values),
            shape,
            given: Given::nothing(),
            columns: Vec::new(),
            table: None,
            class_names: Vec::new(),
            eight_bit: false,
        }
    }

    /// Rows of `width` values each, in any units.
    ///
    /// ```
    /// use pyroclast_train::dataset::Dataset;
    ///
    /// // Three points of the plane, each with a condition of one number.
    /// let rows = Dataset::rows(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0], 2).given(&[0.1, 0.2, 0.3], 1);
    /// assert_eq!((rows.len(), rows.dim()), (3, 2));
    /// ```
    ///
    /// # Panics
    /// As [`Dataset::new`].
    pub fn rows(values: &[f32], width: usize) -> Self {
        Self::new("rows", values.to_vec(), vec![width])
    }

    /// Images, with any range of pixel values.
    ///
    /// # Shapes
    /// - values: `[n, channels, height, width]`, row-major
    /// - shape: channels, height, width
    ///
    /// # Panics
    /// As [`Dataset::new`].
    pub fn images(values: &[f32], shape: [usize; 3]) -> Self {
        Self::new("images", values.to_vec(), shape.to_vec())
    }

    /// `n` points of a toy distribution, named after it.
    pub fn toy(toy: Toy, n: usize, draws: &mut Draws) -> Self {
        Self::new(toy.to_string(), toy.sample(n, draws), vec![2])
    }

    /// The same samples, each with a class from 0 to `classes` − 1 as condition.
    ///
    /// # Panics
    /// If there is not one label per sample, or a label is not below `classes`.
    #[must_use]
    pub fn with_labels(self, labels: &[u32], classes: usize) -> Self {
        self.with(Given::labels(labels, classes))
    }

    /// The same samples, each with a vector of `width` numbers as condition.
    ///
    /// # Shapes
    /// - vectors: `[n, width]`, row-major
    ///
    /// # Panics
    /// If there is not one vector per sample.
    #[must_use]
    pub fn given(self, vectors: &[f32], width: usize) -> Self {
        self.with(Given::vectors(vectors, width))
    }

    /// The same samples without conditions.
    #[must_use]
    pub fn unconditional(mut self) -> Self {
        self.given = Given::nothing();
        self.class_names = Vec::new();
        self
    }

    /// The same samples with these conditions in addition to those that they have.
    ///
    /// # Panics
    /// If there is not one row per sample.
    #[must_use]
    pub fn with(mut self, given: Given) -> Self {
        if let Some(rows) = given.len() {
            assert_eq!(rows, self.len(), "one condition per sample");
        }
        self.given = self.given.and(given);
        self
    }

    /// The class of each sample, if there are classes.
    pub fn labels(&self) -> Option<&[u32]> {
        let rows = self.given.labels.as_ref()?;
        Some(&rows.labels)
    }

    /// The number of classes; 0 without labels.
    pub fn classes(&self) -> usize {
        (self.given.labels.as_ref()).map_or(0, |rows: &LabelRows| rows.classes)
    }

    /// The conditions of `n` samples spread evenly over the dataset, so that sorted rows are
    /// represented fairly.
    pub fn spread(&self, n: usize) -> Given {
        self.given.select(&self.spread_rows(n))
    }

    /// The rows of [`Dataset::spread`].
    pub(crate) fn spread_rows(&self, n: usize) -> Vec<usize> {
        (0..n).map(|i| i * self.len() / n % self.len()).collect()
    }

    /// The number of samples.
    pub fn len(&self) -> usize {
        self.samples.len(self.dim())
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of values in one sample: the product of its shape.
    pub fn dim(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether the samples are images: channels, height and width.
    pub fn is_image(&self) -> bool {
        self.shape.len() == 3
    }

    /// The decoder that ends a chain on these samples: probabilities of the levels of pixels, or a
    /// density.
    pub fn decoder(&self) -> Decoder {
        let of_image = self.bin().map(|bin| {
            if let Some((low, high, _)) = self.samples.levels() {
                return Decoder::Discretised(Lattice { low, high, bin });
            }
            let values = self.values();
            let range = |f: fn(f32, f32) -> f32, start| values.iter().copied().fold(start, f);
            Decoder::Discretised(Lattice {
                low: f64::from(range(f32::min, f32::INFINITY)),
                high: f64::from(range(f32::max, f32::NEG_INFINITY)),
                bin,
            })
        });
        of_image.unwrap_or(Decoder::Continuous)
    }

    /// The distance between the levels of an image's pixels: 1/8 for 17 levels on [-1, 1].
    ///
    /// `None` for other data, and for images whose values are not at most 2¹⁶ evenly spaced levels.
    pub fn bin(&self) -> Option<f64> {
        const MOST: usize = 1 << 16;
        if !self.is_image() {
            return None;
        }
        if let Some((low, high, steps)) = self.samples.levels() {
            return Some((high - low) / steps);
        }
        let mut levels = std::collections::BTreeSet::new();
        for &value in self.values().iter() {
            // Positive floats are in the order of their bits.
            levels.insert(value.to_bits() ^ (((value.to_bits() as i32 >> 31) as u32) | 1 << 31));
            if levels.len() > MOST + 1 {
                return None;
            }
        }
        let values: Vec<f64> = (levels.into_iter())
            .map(|key| {
                if key >> 31 == 1 {
                    key ^ (1 << 31)
                } else {
                    !key
                }
            })
            .map(|bits| f64::from(f32::from_bits(bits)))
            .collect();
        let range = values.last()? - values.first()?;
        let gaps = || values.windows(2).map(|pair| pair[1] - pair[0]);
        let bin = gaps().fold(f64::INFINITY, f64::min);
        let steps = (range / bin).round();
        let is_even = |gap: f64| (gap / bin - (gap / bin).round()).abs() < 0.05;
        (steps >= 1.0 && steps <= MOST as f64 && gaps().all(is_even)).then(|| range / steps)
    }

    /// All values, `[n, shape…]`, row-major. Pictures on disk are read.
    pub fn values(&self) -> Cow<'_, [f32]> {
        self.first(self.len())
    }

    /// All values in double precision, `[n, shape…]`, row-major: those of a file of numbers as they
    /// stand there, before they are brought to the model's scale.
    pub fn reals(&self) -> Cow<'_, [f64]> {
        self.samples.reals(self.dim())
    }

    /// The values of the first `n` samples, one after the other.
    ///
    /// # Panics
    /// If there are fewer.
    pub fn first(&self, n: usize) -> Cow<'_, [f32]> {
        self.samples.range(0..n, self.dim())
    }

    /// The values of sample `i`.
    ///
    /// # Panics
    /// If there is no sample `i`.
    pub fn row(&self, i: usize) -> Cow<'_, [f32]> {
        self.samples.range(i..i + 1, self.dim())
    }

    /// The values of the samples with these indices, one after the other: a batch to upload.
    ///
    /// # Panics
    /// If a sample does not exist.
    pub fn gather(&self, rows: &[usize]) -> Vec<f32> {
        self.samples.gather(rows, self.dim())
    }

    /// The same samples as latents of this shape.
    pub(crate) fn as_latents(&self, moments: Moments, shape: Vec<usize>) -> Self {
        Self {
            name: self.name.clone(),
            samples: Samples::Moments(moments),
            shape,
            given: self.given.clone(),
            columns: Vec::new(),
            table: None,
            class_names: self.class_names.clone(),
            eight_bit: false,
        }
    }

    /// The values of some samples of a batch, of which `rows` are all. Latents are drawn from their
    /// distributions; where `mirrors` is set, each image is mirrored, left to right, with
    /// probability ½.
    pub(crate) fn drawn(
        &self,
        rows: &[usize],
        some: Range<usize>,
        mirrors: bool,
        noise: Noise,
        step: u64,
    ) -> Vec<f32> {
        let draws = |of: &str| {
            let draws = noise.fork(of).draws(Stream::Data, step);
            draws.of_rows(some.clone(), rows.len())
        };
        let rows = &rows[some.clone()];
        let flips: Vec<bool> = match mirrors {
            true => (draws("flip").uniforms(rows.len()).iter())
                .map(|coin| *coin < 0.5)
                .collect(),
            false => Vec::new(),
        };
        if let Samples::Moments(moments) = &self.samples {
            return moments.drawn(rows, &flips, &mut draws("posterior"));
        }
        let mut values = self.gather(rows);
        if let Some(&width) = self.shape.get(2) {
            for (image, flip) in values.chunks_exact_mut(self.dim()).zip(flips) {
                if flip {
                    image.chunks_exact_mut(width).for_each(<[f32]>::reverse);
                }
            }
        }
        values
    }

    /// The dataset of the samples with these indices, in that order.
    ///
    /// # Panics
    /// If a sample does not exist.
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Self {
        Self {
            name: self.name.clone(),
            samples: self.samples.select(rows, self.dim()),
            shape: self.shape.clone(),
            given: self.given.select(rows),
            columns: self.columns.clone(),
            table: self.table.clone(),
            class_names: self.class_names.clone(),
            eight_bit: self.eight_bit,
        }
    }

    /// Splits off a validation part: `⌊n·validation⌉` samples, drawn without replacement, are held
    /// out.
    ///
    /// Returns the training part, then the validation part. The same noise gives the same split,
    /// and both parts keep the order of the samples. At least one sample stays for training, and at
    /// least one of two or more is held out unless `validation` is 0.
    ///
    /// ```
    /// use pyroclast_core::noise::Noise;
    /// use pyroclast_train::dataset::Dataset;
    ///
    /// let values: Vec<f32> = (0..10).map(|i| i as f32).collect();
    /// let (training, validation) = Dataset::rows(&values, 1).split(0.2, Noise::new(0));
    /// assert_eq!((training.len(), validation.len()), (8, 2));
    /// assert!(validation.values().iter().all(|x| !training.values().contains(x)));
    /// ```
    ///
    /// # Panics
    /// If `validation` is not in [0, 1).
    pub fn split(&self, validation: f64, noise: Noise) -> (Self, Self) {
        let [kept, held] = self.split_rows(validation, noise);
        (self.select(&kept), self.select(&held))
    }

    /// The rows of the two parts of [`Dataset::split`].
    fn split_rows(&self, validation: f64, noise: Noise) -> [Vec<usize>; 2] {
        assert!(
            (0.0..1.0).contains(&validation),
            "the validation part is in [0, 1), not {validation}"
        );
        let n = self.len();
        let most = n.saturating_sub(1);
        let least = most.min(usize::from(validation > 0.0));
        let held_out = ((n as f64 * validation).round() as usize).clamp(least, most);
        let mut held = noise.draws(Stream::Data, SPLIT).permutation(n);
        let mut kept = held.split_off(held_out);
        held.sort_unstable();
        kept.sort_unstable();
        [kept, held]
    }

    /// The scaling that suits these samples: all pixels of images to [-1, 1], each column of other
    /// data to mean 0 and standard deviation 1, those of heavy tails after a logarithm. Of a
    /// table's words, 0 and 1 go to -1 and 1 (analog bits: Chen, Zhang & Hinton 2023).
    ///
    /// Fit it to the training part, so that nothing of the validation part leaks into it.
    pub fn scaling(&self) -> Scaling {
        if self.is_image() {
            return Scaling::ranging(&self.values());
        }
        let (values, dim) = (self.reals(), self.dim());
        let Some(table) = &self.table else {
            return Scaling::standardising(&values, dim);
        };
        let mut scaling = Scaling::standardising_logarithms(&values, dim, table.logarithms());
        for at in table.indicators() {
            (scaling.shift[at], scaling.scale[at]) = (0.5, 0.5);
        }
        scaling
    }

    /// Samples of a model in the units of the data, each moved to the nearest that such data can
    /// hold: pixels of 8 bits to whole numbers from 0 to 255, rows to rows of the
    /// [table](Table::snap).
    ///
    /// # Shapes
    /// - samples: `[n, dim]` on the model's scale, row-major
    /// - result: the same
    ///
    /// # Errors
    /// [`Overflow`]: samples are too large for a number in the units of the data.
    pub fn in_units(&self, samples: &[f32], scaling: &Scaling) -> Result<Vec<f64>, Overflow> {
        let mut values = scaling.to_data(samples)?;
        if self.eight_bit {
            (values.iter_mut()).for_each(|pixel| *pixel = pixel.round().clamp(0.0, 255.0));
        }
        if let Some(table) = &self.table {
            table.snap(&mut values);
        }
        Ok(values)
    }

    /// The same samples on the model's scale.
    ///
    /// # Panics
    /// If the scaling is for samples of another size.
    #[must_use]
    pub fn scaled(mut self, scaling: &Scaling) -> Self {
        assert!(
            scaling.fits(self.dim()),
            "the scaling is not for samples of {} values",
            self.dim()
        );
        self.samples.scale(scaling);
        self
    }

    /// The same samples in the units that a scaling came from.
    ///
    /// # Panics
    /// If the scaling is for samples of another size.
    #[must_use]
    pub fn unscaled(mut self, scaling: &Scaling) -> Self {
        assert!(
            scaling.fits(self.dim()),
            "the scaling is not for samples of {} values",
            self.dim()
        );
        self.samples.unscale(scaling);
        self
    }

    /// Feeds the samples and their conditions to a digest, part by part.
    pub(crate) fn digest(&self, mut part: impl FnMut(&[u8])) {
        self.samples.digest(&mut part);
        // As it was written before there were large conditions: digests are stored.
        let small = Given {
            labels: self.given.labels.clone(),
            vectors: self.given.vectors.clone(),
            ..Given::nothing()
        };
        part(format!("{small:?}").as_bytes());
        let bytes = |values: &[f32]| -> Vec<u8> {
            values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect()
        };
        if let Some(rows) = &self.given.sequences {
            part(format!("{:?} {:?}", rows.shape(), rows.lengths()).as_bytes());
            part(&bytes(rows.values()));
        }
        if let Some(rows) = &self.given.images {
            part(format!("{:?}", rows.shape()).as_bytes());
            part(&bytes(rows.values()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounded_images_have_bins() {
        assert_eq!(Dataset::digits().bin(), Some(0.125));
        let bytes = (0..256).map(|p| p as f32 / 127.5 - 1.0).collect();
        let bytes = Dataset::new("bytes", bytes, vec![1, 16, 16]);
        let bin = bytes.bin().expect("levels");
        assert!((bin - 2.0 / 255.0).abs() < 1e-7, "{bin}");
        // Levels that no image has leave gaps of several bins.
        let some = Dataset::new("some", vec![-0.5, 0.0, 0.25, 1.0], vec![1, 2, 2]);
        assert_eq!(some.bin(), Some(0.25));
        let smooth = (0..100).map(|i| (i as f32).sin()).collect();
        assert_eq!(Dataset::new("smooth", smooth, vec![1, 10, 10]).bin(), None);
        assert_eq!(Dataset::new("points", vec![0.0, 1.0], vec![2]).bin(), None);
        assert_eq!(
            Dataset::new("flat", vec![1.0; 4], vec![1, 2, 2]).bin(),
            None
        );
    }

    fn numbered(n: usize) -> Dataset {
        let values = (0..2 * n).map(|i| i as f32).collect();
        let labels: Vec<u32> = (0..n).map(|i| (i % 3) as u32).collect();
        Dataset::new("numbered", values, vec![2]).with_labels(&labels, 3)
    }

    #[test]
    fn rows_are_slices_of_the_values() {
        let data = numbered(5);
        assert_eq!((data.len(), data.dim()), (5, 2));
        assert_eq!(data.row(3).as_ref(), [6.0, 7.0]);
        assert_eq!(data.gather(&[4, 0, 4]), [8.0, 9.0, 0.0, 1.0, 8.0, 9.0]);
        assert_eq!(data.select(&[4, 0, 4]).labels(), Some([1, 0, 1].as_slice()));
        let plain = Dataset::new("plain", vec![0.0; 6], vec![1, 2, 3]);
        assert_eq!((plain.len(), plain.dim()), (1, 6));
        assert_eq!(plain.labels(), None);
        assert!(plain.is_image() && !data.is_image());
    }

    #[test]
    fn a_split_holds_every_sample_once() {
        let data = numbered(101);
        for (part, expected) in [(0.0, 0), (0.25, 25), (0.999, 100), (1e-9, 1)] {
            let (train, validation) = data.split(part, Noise::new(4));
            assert_eq!(validation.len(), expected, "part {part}");
            let mut seen: Vec<f32> = train.values().into_owned();
            seen.extend(validation.values().iter());
            seen.sort_by(f32::total_cmp);
            assert_eq!(seen, data.values().as_ref());
            for half in [train, validation] {
                for (i, label) in half.labels().into_iter().flatten().enumerate() {
                    assert_eq!(half.row(i)[0] as usize / 2 % 3, *label as usize);
                }
                assert_eq!(half.classes(), 3);
                assert!(half.values().is_sorted());
            }
        }
    }

    #[test]
    fn a_split_depends_on_the_seed_alone() {
        let data = numbered(50);
        assert_eq!(
            data.split(0.2, Noise::new(1)),
            data.split(0.2, Noise::new(1))
        );
        assert_ne!(
            data.split(0.2, Noise::new(1)),
            data.split(0.2, Noise::new(2))
        );
    }

    #[test]
    fn the_smallest_splits_keep_a_sample_for_training() {
        for (n, expected) in [(0, (0, 0)), (1, (1, 0)), (2, (1, 1))] {
            let (train, validation) = numbered(n).split(0.5, Noise::new(1));
            assert_eq!((train.len(), validation.len()), expected);
        }
    }

    #[test]
    fn vectors_are_standardised_and_images_ranged() {
        let vectors = numbered(4);
        let scaling = vectors.scaling();
        assert_eq!(scaling.shift, [3.0, 4.0]);
        let images = Dataset::new("images", vec![0.0, 5.0, 10.0, 20.0], vec![1, 1, 2]);
        let scaling = images.scaling();
        assert_eq!(
            images.scaled(&scaling).values().as_ref(),
            [-1.0, -0.5, 0.0, 1.0]
        );
    }

    #[test]
    #[should_panic(expected = "whole number of samples")]
    fn a_part_of_a_sample_panics() {
        let _ = Dataset::new("odd", vec![0.0; 3], vec![2]);
    }

    #[test]
    #[should_panic(expected = "every label is below 2")]
    fn a_label_out_of_range_panics() {
        let _ = Dataset::new("labelled", vec![0.0; 2], vec![1]).with_labels(&[0, 2], 2);
    }

    #[test]
    #[should_panic(expected = "in [0, 1), not 1")]
    fn a_split_without_training_data_panics() {
        let _ = numbered(4).split(1.0, Noise::new(1));
    }

    #[test]
    #[should_panic(expected = "not for samples of 2 values")]
    fn a_scaling_of_another_size_panics() {
        let _ = numbered(4).scaled(&Scaling::standardising(&[0.0; 6], 3));
    }
}
