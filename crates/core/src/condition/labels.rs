//! Classes.
//!
//! `c ∈ {0, …, K − 1}`, and K for "no class"

use super::{Condition, Given, gather, indices};
use burn::tensor::backend::Backend;
use burn::tensor::{Int, Tensor, TensorData};

/// A class per sample, on the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelRows {
    /// The class of each sample; the number of classes where it was dropped.
    pub labels: Vec<u32>,
    /// K, the number of classes.
    pub classes: usize,
}

impl LabelRows {
    pub(super) fn new(labels: &[u32], classes: usize) -> Self {
        assert!(
            labels.iter().all(|&label| (label as usize) < classes),
            "every label is below {classes}"
        );
        Self {
            labels: labels.to_vec(),
            classes,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.labels.len()
    }

    pub(super) fn select(&self, rows: &[usize]) -> Self {
        Self {
            labels: gather(&self.labels, 1, rows),
            classes: self.classes,
        }
    }

    pub(super) fn drop_row(&mut self, row: usize) {
        self.labels[row] = self.classes as u32;
    }
}

/// The classes of a batch; none for an unconditional network, or for "no class" in every row.
///
/// A network of K classes also knows label K, "no class", which training drops labels to.
#[derive(Debug, Clone, Default)]
pub struct Labels<B: Backend>(Option<Tensor<B, 1, Int>>);

impl<B: Backend> Labels<B> {
    /// A class per row; the number of classes stands for "no class".
    pub fn from_rows(labels: &[i64], device: &B::Device) -> Self {
        let data = TensorData::new(labels.to_vec(), [labels.len()]);
        Self(Some(Tensor::from_data(data, device)))
    }

    /// Whether there are labels.
    pub fn is_given(&self) -> bool {
        self.0.is_some()
    }

    /// The labels of `batch` rows, `[batch]`: `class` in every row where there are none.
    pub fn or_class(&self, class: usize, batch: usize, device: &B::Device) -> Tensor<B, 1, Int> {
        match &self.0 {
            Some(labels) => labels.clone(),
            None => Tensor::full([batch], class as i64, device),
        }
    }
}

impl<B: Backend> Condition<B> for Labels<B> {
    fn upload(given: &Given, device: &B::Device) -> Self {
        given.labels.as_ref().map_or_else(Self::default, |rows| {
            let labels: Vec<i64> = rows.labels.iter().map(|&label| i64::from(label)).collect();
            Self::from_rows(&labels, device)
        })
    }

    fn select(&self, rows: &[usize]) -> Self {
        Self(self.0.as_ref().map(|labels| {
            let rows = indices(rows, &labels.device());
            labels.clone().select(0, rows)
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn_ndarray::NdArray;

    #[test]
    fn absent_labels_are_the_class_of_none() {
        let device = Default::default();
        let host = |labels: Labels<NdArray>| labels.or_class(7, 2, &device).into_data();
        let dropped = Given::labels(&[3, 4], 7).dropped(&[true, true]);
        assert_eq!(
            host(Labels::default()),
            host(Labels::upload(&dropped, &device))
        );
        assert_eq!(
            host(Labels::from_rows(&[5, 1, 2], &device).select(&[2, 0])),
            host(Labels::from_rows(&[2, 5], &device))
        );
    }

    #[test]
    #[should_panic(expected = "every label is below 2")]
    fn a_label_out_of_range_is_refused() {
        let _ = Given::labels(&[0, 2], 2);
    }
}
