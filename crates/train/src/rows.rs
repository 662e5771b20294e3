//! Rows on the host, uploaded in chunks.

use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use pyroclast_core::condition::Given;

/// Consecutive rows on a device.
#[derive(Debug, Clone)]
pub struct Chunk<B: Backend, const D: usize> {
    /// The index of the first row.
    pub first: usize,
    /// The rows, `[rows, shape…]`.
    pub x: Tensor<B, D>,
    /// The conditions of the rows, still on the host.
    pub given: Given,
}

/// Uploads `rows` rows at a time, in order; the last chunk holds the remaining ones.
///
/// # Shapes
/// - values: `[n, shape…]`, row-major; given: n conditions, or nothing
///
/// # Panics
/// If `rows` or a size in `shape` is 0, the rank of a row is not D − 1, `values` is not a whole
/// number of rows, or there is not one condition per row.
pub fn chunks<'a, B: Backend, const D: usize>(
    values: &'a [f32],
    shape: &'a [usize],
    given: &'a Given,
    rows: usize,
    device: &'a B::Device,
) -> impl Iterator<Item = Chunk<B, D>> + 'a {
    let dim: usize = shape.iter().product();
    assert!(
        values.len().is_multiple_of(dim),
        "{} values are not a whole number of rows of {dim}",
        values.len()
    );
    if let Some(n) = given.len() {
        assert_eq!(n, values.len() / dim, "one condition per row");
    }
    values
        .chunks(rows * dim)
        .enumerate()
        .map(move |(index, values)| {
            let (first, n) = (index * rows, values.len() / dim);
            let mut dims = [n; D];
            dims[1..].copy_from_slice(shape);
            Chunk {
                first,
                x: Tensor::from_data(TensorData::new(values.to_vec(), dims), device),
                given: given.slice(first..first + n),
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn_ndarray::NdArray;

    #[test]
    fn chunks_hold_every_row_once_with_its_condition() {
        let device = Default::default();
        let values: Vec<f32> = (0..14).map(|i| i as f32).collect();
        let labels: Vec<u32> = (0..7).collect();
        let given = Given::labels(&labels, 7);
        let chunks: Vec<_> = chunks::<NdArray, 2>(&values, &[2], &given, 3, &device).collect();
        assert_eq!(
            chunks.iter().map(|c| c.first).collect::<Vec<_>>(),
            [0, 3, 6]
        );
        let (mut rows, mut classes) = (Vec::new(), Vec::new());
        for chunk in chunks {
            rows.extend(chunk.x.into_data().into_vec::<f32>().expect("f32"));
            classes.extend(chunk.given.labels.expect("labels were given").labels);
        }
        assert_eq!((rows, classes), (values, labels));
    }
}
