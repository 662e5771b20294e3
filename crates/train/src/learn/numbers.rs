//! Numbers of a batch, made by the host or left for the device to draw.

use burn::tensor::backend::Backend;
use burn::tensor::{DType, Tensor, TensorData};
use pyroclast_core::noise::Draws;
use std::ops::Range;

/// Numbers of a batch, `[n, dim]`, row-major.
#[derive(Debug, Clone, PartialEq)]
pub enum Numbers {
    /// Made by the host.
    Made(Vec<f32>),
    /// Normal numbers of these draws, which the device makes where it can: nothing has to be sent.
    Drawn(Draws),
}

impl Numbers {
    /// Those of some rows of `all`.
    pub(super) fn part(&self, rows: Range<usize>, all: usize) -> Self {
        match self {
            Self::Made(values) => {
                let dim = values.len() / all;
                Self::Made(values[rows.start * dim..rows.end * dim].to_vec())
            }
            Self::Drawn(draws) => Self::Drawn(draws.clone().of_rows(rows, all)),
        }
    }

    /// The numbers on a device.
    pub(super) fn on<B: Backend, const D: usize>(
        &self,
        shape: [usize; D],
        device: &B::Device,
    ) -> Tensor<B, D> {
        match self {
            Self::Made(values) => Tensor::from_data(TensorData::new(values.clone(), shape), device),
            Self::Drawn(draws) => draws.clone().normal_tensor(shape, device, DType::F32),
        }
    }
}
