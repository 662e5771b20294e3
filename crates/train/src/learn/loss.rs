//! The loss of a batch on the host.
//!
//! `x_t = α·x1 + σ·x0 + γ·z`, then [`Flow::loss`]

use super::batch::Batch;
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use pyroclast_core::condition::Condition;
use pyroclast_core::endpoints::Endpoints;
use pyroclast_core::flow::Flow;
use pyroclast_core::loss::SampleLoss;
use pyroclast_core::network::Network;
use pyroclast_core::noise::Draws;
use pyroclast_core::path::{Path, PathSample};

/// The loss of a batch on the host: uploads it, draws points of the path, evaluates the network and
/// measures the error.
pub(super) fn batch_loss<B, N, const D: usize>(
    flow: &Flow<N>,
    batch: &Batch,
    own: Option<&dyn SampleLoss<B, D>>,
    sample: [usize; D],
    device: &B::Device,
    dropout: Option<&mut Draws>,
) -> Tensor<B, 1>
where
    B: Backend,
    N: Network<B, D>,
{
    let condition = N::Condition::upload(&batch.given, device);
    let points = points(&flow.path, batch, &batch.t, sample, device);
    match own {
        None => flow.loss(points, &condition, dropout),
        Some(own) => flow.loss_by(own, points, &condition, dropout),
    }
}

/// The points at these times on the paths of a batch, on the device.
pub(super) fn points<B: Backend, const D: usize>(
    path: &Path,
    batch: &Batch,
    t: &[f64],
    sample: [usize; D],
    device: &B::Device,
) -> PathSample<B, D> {
    let mut shape = sample;
    shape[0] = t.len();
    let endpoints = Endpoints {
        x0: batch.x0.on(shape, device),
        x1: Tensor::from_data(TensorData::new(batch.x1.clone(), shape), device),
    };
    let z = batch.z.as_ref().map(|z| z.on(shape, device));
    path.sample(endpoints, z, t)
}
