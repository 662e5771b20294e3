//! The conditions of samples on the host.

use super::{ImageRows, LabelRows, SequenceRows, VectorRows};
use std::ops::Range;

/// What each of n samples is conditioned on, on the host: any of four parts, or none.
///
/// A part of n rows may stand beside another; a network reads those that it knows.
///
/// ```
/// use pyroclast_core::condition::Given;
///
/// let given = Given::labels(&[0, 1, 1], 2);
/// assert_eq!(given.select(&[2, 0]), Given::labels(&[1, 0], 2));
/// // Class 2 is "no class" where there are two.
/// let dropped = given.dropped(&[true, false, false]);
/// assert_eq!(dropped.labels.expect("labels").labels, [2, 1, 1]);
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Given {
    /// A class per sample.
    pub labels: Option<LabelRows>,
    /// A vector per sample.
    pub vectors: Option<VectorRows>,
    /// A sequence of vectors per sample.
    pub sequences: Option<SequenceRows>,
    /// An image per sample.
    pub images: Option<ImageRows>,
}

impl Given {
    /// Nothing: the samples are unconditional.
    pub fn nothing() -> Self {
        Self::default()
    }

    /// A class below `classes` per sample.
    ///
    /// # Panics
    /// If a label is not below `classes`.
    pub fn labels(labels: &[u32], classes: usize) -> Self {
        Self {
            labels: Some(LabelRows::new(labels, classes)),
            ..Self::default()
        }
    }

    /// A vector of `width` numbers per sample: `values` is `[n, width]`, row-major.
    ///
    /// # Panics
    /// If `width` is 0, or `values` is not a whole number of rows.
    pub fn vectors(values: &[f32], width: usize) -> Self {
        Self {
            vectors: Some(VectorRows::new(values, width)),
            ..Self::default()
        }
    }

    /// A sequence of up to `tokens` vectors of `width` numbers per sample: `values` is
    /// `[n, tokens, width]`, row-major, of which row i counts as far as `lengths[i]`.
    ///
    /// # Panics
    /// If `values` does not have that shape, or a length is above `tokens`.
    pub fn sequences(values: &[f32], [tokens, width]: [usize; 2], lengths: &[usize]) -> Self {
        Self {
            sequences: Some(SequenceRows::new(values, [tokens, width], lengths)),
            ..Self::default()
        }
    }

    /// An image of shape `[channels, height, width]` per sample, row-major.
    ///
    /// # Panics
    /// If `values` is not a whole number of images.
    pub fn images(values: &[f32], shape: [usize; 3]) -> Self {
        Self {
            images: Some(ImageRows::new(values, shape)),
            ..Self::default()
        }
    }

    /// These parts and those of `other`, which replace parts of the same kind.
    ///
    /// # Panics
    /// If the two have different numbers of rows.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        if let (Some(n), Some(m)) = (self.len(), other.len()) {
            assert_eq!(n, m, "conditions of the same samples have as many rows");
        }
        Self {
            labels: other.labels.or(self.labels),
            vectors: other.vectors.or(self.vectors),
            sequences: other.sequences.or(self.sequences),
            images: other.images.or(self.images),
        }
    }

    /// Whether there is no part.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// The number of samples; none where there is no part.
    pub fn len(&self) -> Option<usize> {
        let labels = self.labels.as_ref().map(LabelRows::len);
        let vectors = || self.vectors.as_ref().map(VectorRows::len);
        let sequences = || self.sequences.as_ref().map(SequenceRows::len);
        let images = || self.images.as_ref().map(ImageRows::len);
        labels.or_else(vectors).or_else(sequences).or_else(images)
    }

    /// Whether there are parts, and they have no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }

    /// The conditions of some samples, in this order.
    ///
    /// # Panics
    /// If a sample does not exist.
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Self {
        Self {
            labels: self.labels.as_ref().map(|part| part.select(rows)),
            vectors: self.vectors.as_ref().map(|part| part.select(rows)),
            sequences: self.sequences.as_ref().map(|part| part.select(rows)),
            images: self.images.as_ref().map(|part| part.select(rows)),
        }
    }

    /// Whether a sample has no condition, or every part of its condition was dropped.
    ///
    /// # Panics
    /// If the sample does not exist.
    pub fn is_dropped(&self, row: usize) -> bool {
        let own = self.select(&[row]);
        own.clone().dropped(&[true]) == own
    }

    /// The conditions of samples that follow one another.
    ///
    /// # Panics
    /// If a sample does not exist.
    #[must_use]
    pub fn slice(&self, rows: Range<usize>) -> Self {
        self.select(&rows.collect::<Vec<_>>())
    }

    /// The same with all parts of some samples dropped.
    ///
    /// # Panics
    /// If there is not one flag per sample.
    #[must_use]
    pub fn dropped(mut self, which: &[bool]) -> Self {
        if let Some(n) = self.len() {
            assert_eq!(n, which.len(), "one flag per sample");
        }
        for (row, _) in which.iter().enumerate().filter(|(_, drop)| **drop) {
            if let Some(labels) = &mut self.labels {
                labels.drop_row(row);
            }
            if let Some(vectors) = &mut self.vectors {
                vectors.drop_row(row);
            }
            if let Some(sequences) = &mut self.sequences {
                sequences.drop_row(row);
            }
            if let Some(images) = &mut self.images {
                images.drop_row(row);
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three samples with a part of each kind, whose numbers tell their row.
    fn all() -> Given {
        let by_row = |width: usize| -> Vec<f32> {
            (0..3 * width).map(|i| (i / width) as f32 + 1.0).collect()
        };
        Given::labels(&[0, 1, 2], 3)
            .and(Given::vectors(&by_row(2), 2))
            .and(Given::sequences(&by_row(4), [2, 2], &[1, 2, 2]))
            .and(Given::images(&by_row(4), [1, 2, 2]))
    }

    #[test]
    fn rows_of_all_parts_are_picked_together() {
        let twice = all().select(&[2, 0, 1]).select(&[1, 2, 0]);
        assert_eq!(twice, all());
        assert_eq!(all().slice(1..3), all().select(&[1, 2]));
        assert_eq!(all().select(&[]).len(), Some(0));
        assert_eq!(Given::nothing().select(&[0]).len(), None);
    }

    #[test]
    fn dropping_leaves_other_rows_alone() {
        let dropped = all().dropped(&[false, true, false]);
        assert_eq!(dropped.select(&[0, 2]), all().select(&[0, 2]));
        assert_ne!(dropped.select(&[1]), all().select(&[1]));
        // What is dropped no longer depends on what it was.
        let other = all().select(&[1, 0, 2]).dropped(&[false, true, false]);
        assert_eq!(other.select(&[1]).labels, dropped.select(&[1]).labels);
        assert_eq!(other.select(&[1]), dropped.select(&[1]));
    }

    #[test]
    #[should_panic(expected = "as many rows")]
    fn parts_of_other_samples_are_refused() {
        let _ = Given::labels(&[0], 1).and(Given::vectors(&[0.0, 1.0], 1));
    }
}
