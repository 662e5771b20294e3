//! Vectors: attributes, measurements, embeddings.
//!
//! `c̃ = [c, 1]`, and `[0, 0]` where c is dropped
//!
//! A linear layer on c̃ then has a bias of its own for dropped rows: `W·c + w + b` where c is given, `b` where not.

use super::{Condition, Given, gather, indices};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

/// A vector per sample, on the host.
#[derive(Debug, Clone, PartialEq)]
pub struct VectorRows {
    /// `[n, width + 1]`: each row ends in its flag.
    flagged: Vec<f32>,
    width: usize,
}

impl VectorRows {
    pub(super) fn new(values: &[f32], width: usize) -> Self {
        assert!(width > 0, "a vector has at least one number");
        assert!(
            values.len().is_multiple_of(width),
            "{} values are no whole number of vectors of {width}",
            values.len()
        );
        let row = |row: &[f32]| [row, &[1.0]].concat();
        Self {
            flagged: values.chunks_exact(width).flat_map(row).collect(),
            width,
        }
    }

    /// Numbers in a vector.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The vectors; zeros where one was dropped.
    pub fn rows(&self) -> impl Iterator<Item = &[f32]> {
        (self.flagged.chunks_exact(self.width + 1)).map(|row| &row[..self.width])
    }

    pub(super) fn len(&self) -> usize {
        self.flagged.len() / (self.width + 1)
    }

    pub(super) fn select(&self, rows: &[usize]) -> Self {
        Self {
            flagged: gather(&self.flagged, self.width + 1, rows),
            width: self.width,
        }
    }

    pub(super) fn drop_row(&mut self, row: usize) {
        let whole = self.width + 1;
        self.flagged[row * whole..(row + 1) * whole].fill(0.0);
    }
}

/// A vector per row of a batch; none where every row is without.
#[derive(Debug, Clone, Default)]
pub struct Vectors<B: Backend>(Option<Tensor<B, 2>>);

impl<B: Backend> Vectors<B> {
    /// A vector of `width` numbers per row: `values` is `[batch, width]`, row-major.
    ///
    /// # Panics
    /// If `width` is 0, or `values` is not a whole number of rows.
    pub fn from_rows(values: &[f32], width: usize, device: &B::Device) -> Self {
        Self::upload(&Given::vectors(values, width), device)
    }

    /// The vectors with their flag, `[batch, width + 1]`: the last column is 1 where there is a vector, and all of
    /// the row is 0 where there is none.
    ///
    /// # Panics
    /// If the vectors are not of this width.
    pub fn flagged(&self, batch: usize, width: usize, device: &B::Device) -> Tensor<B, 2> {
        match &self.0 {
            Some(rows) => {
                let given = rows.dims()[1] - 1;
                assert_eq!(given, width, "the network takes vectors of {width} numbers");
                rows.clone()
            }
            None => Tensor::zeros([batch, width + 1], device),
        }
    }
}

impl<B: Backend> Condition<B> for Vectors<B> {
    fn upload(given: &Given, device: &B::Device) -> Self {
        Self(given.vectors.as_ref().map(|rows| {
            let data = TensorData::new(rows.flagged.clone(), [rows.len(), rows.width + 1]);
            Tensor::from_data(data, device)
        }))
    }

    fn select(&self, rows: &[usize]) -> Self {
        Self(self.0.as_ref().map(|values| {
            let rows = indices(rows, &values.device());
            values.clone().select(0, rows)
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn_ndarray::NdArray;

    #[test]
    fn dropped_vectors_are_those_of_none() {
        let device = Default::default();
        let host = |vectors: Vectors<NdArray>| -> Vec<f32> {
            let rows = vectors.flagged(2, 2, &device).into_data();
            rows.to_vec().expect("single precision")
        };
        let given = Given::vectors(&[1.0, 2.0, 0.0, 0.0], 2);
        // A vector of zeros is not a dropped one.
        assert_eq!(
            host(Vectors::upload(&given, &device)),
            [1.0, 2.0, 1.0, 0.0, 0.0, 1.0]
        );
        let dropped = given.dropped(&[true, true]);
        assert_eq!(host(Vectors::default()), [0.0; 6]);
        assert_eq!(host(Vectors::upload(&dropped, &device)), [0.0; 6]);
    }
}
