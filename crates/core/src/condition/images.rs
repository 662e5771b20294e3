//! Images beside the state: a low resolution, a mask, another frame.
//!
//! `N_θ([x_t, c], t)`, concatenated along the channels; a dropped image is zero everywhere
//!
//! Source: Saharia et al. 2022 (SR3) for the concatenation; Brooks et al. 2023 for dropping to zero.

use super::{Condition, Given, gather, indices};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

/// An image per sample, on the host.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageRows {
    values: Vec<f32>,
    shape: [usize; 3],
}

impl ImageRows {
    pub(super) fn new(values: &[f32], shape: [usize; 3]) -> Self {
        let size = shape.iter().product::<usize>();
        assert!(
            size > 0 && values.len().is_multiple_of(size),
            "{} values are no whole number of images of shape {shape:?}",
            values.len()
        );
        Self {
            values: values.to_vec(),
            shape,
        }
    }

    /// Channels, height and width.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// All values, row-major.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    fn size(&self) -> usize {
        self.shape.iter().product()
    }

    pub(super) fn len(&self) -> usize {
        self.values.len() / self.size()
    }

    pub(super) fn select(&self, rows: &[usize]) -> Self {
        Self {
            values: gather(&self.values, self.size(), rows),
            shape: self.shape,
        }
    }

    pub(super) fn drop_row(&mut self, row: usize) {
        let size = self.size();
        self.values[row * size..(row + 1) * size].fill(0.0);
    }
}

/// An image per row of a batch; none where every row is without.
#[derive(Debug, Clone, Default)]
pub struct Images<B: Backend>(Option<Tensor<B, 4>>);

impl<B: Backend> Images<B> {
    /// An image per row, `[batch, channels, height, width]`.
    pub fn from_tensor(images: Tensor<B, 4>) -> Self {
        Self(Some(images))
    }

    /// The images, with zeros of this shape where there are none.
    pub fn or_zeros(&self, shape: [usize; 4], device: &B::Device) -> Tensor<B, 4> {
        match &self.0 {
            Some(images) => images.clone(),
            None => Tensor::zeros(shape, device),
        }
    }
}

impl<B: Backend> Condition<B> for Images<B> {
    fn upload(given: &Given, device: &B::Device) -> Self {
        Self(given.images.as_ref().map(|rows| {
            let [channels, height, width] = rows.shape;
            let data = TensorData::new(rows.values.clone(), [rows.len(), channels, height, width]);
            Tensor::from_data(data, device)
        }))
    }

    fn select(&self, rows: &[usize]) -> Self {
        Self(self.0.as_ref().map(|images| {
            let rows = indices(rows, &images.device());
            images.clone().select(0, rows)
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn_ndarray::NdArray;

    #[test]
    fn a_dropped_image_is_the_image_of_none() {
        let device = Default::default();
        let given = Given::images(&[1.0, 2.0, 3.0, 4.0], [1, 1, 2]);
        let dropped = given.clone().dropped(&[true, true]);
        let host = |images: Images<NdArray>| images.or_zeros([2, 1, 1, 2], &device).into_data();
        assert_eq!(
            host(Images::default()),
            host(Images::upload(&dropped, &device))
        );
        assert_eq!(
            host(Images::upload(&given, &device).select(&[1, 0])),
            host(Images::upload(&given.select(&[1, 0]), &device))
        );
    }
}
