//! Rows on the host, uploaded a few at a time.

use burn::tensor::backend::Backend;
use burn::tensor::{Int, Tensor, TensorData};
use pyroclast_core::network::Labels;

/// Consecutive rows on a device.
#[derive(Debug, Clone)]
pub struct Chunk<B: Backend, const D: usize> {
    /// The index of the first row.
    pub first: usize,
    /// The rows, `[rows, shape…]`.
    pub x: Tensor<B, D>,
    /// One label per row, where there are any.
    pub labels: Labels<B>,
}

/// Uploads `rows` rows at a time, in order; the last chunk holds what is left.
///
/// # Shapes
/// - values: `[n, shape…]`, row-major; labels: `[n]`
///
/// # Panics
/// If `rows` or a size in `shape` is 0, the rank of a row is not D − 1, `values` is not a whole
/// number of rows, or there is not one label per row.
pub fn chunks<'a, B: Backend, const D: usize>(
    values: &'a [f32],
    shape: &'a [usize],
    labels: Option<&'a [impl Copy + Into<i64>]>,
    rows: usize,
    device: &'a B::Device,
) -> impl Iterator<Item = Chunk<B, D>> + 'a {
    let dim: usize = shape.iter().product();
    assert!(
        values.len().is_multiple_of(dim),
        "{} values are not a whole number of rows of {dim}",
        values.len()
    );
    if let Some(labels) = labels {
        assert_eq!(labels.len(), values.len() / dim, "one label per row");
    }
    values
        .chunks(rows * dim)
        .enumerate()
        .map(move |(index, values)| {
            let (first, n) = (index * rows, values.len() / dim);
            let mut dims = [n; D];
            dims[1..].copy_from_slice(shape);
            let labels = labels.map(|labels| {
                let labels = &labels[first..first + n];
                let labels: Vec<i64> = labels.iter().map(|&label| label.into()).collect();
                Tensor::<B, 1, Int>::from_data(TensorData::new(labels, [n]), device)
            });
            Chunk {
                first,
                x: Tensor::from_data(TensorData::new(values.to_vec(), dims), device),
                labels,
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn_ndarray::NdArray;

    #[test]
    fn chunks_hold_every_row_once_with_its_label() {
        let device = Default::default();
        let values: Vec<f32> = (0..14).map(|i| i as f32).collect();
        let labels: Vec<i64> = (0..7).collect();
        let chunks: Vec<_> =
            chunks::<NdArray, 2>(&values, &[2], Some(&labels), 3, &device).collect();
        assert_eq!(
            chunks.iter().map(|c| c.first).collect::<Vec<_>>(),
            [0, 3, 6]
        );
        let (mut rows, mut classes) = (Vec::new(), Vec::new());
        for chunk in chunks {
            rows.extend(chunk.x.into_data().into_vec::<f32>().expect("f32"));
            let labels = chunk.labels.expect("labels were given");
            classes.extend(labels.into_data().iter::<i64>());
        }
        assert_eq!((rows, classes), (values, labels));
    }
}
