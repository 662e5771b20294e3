//! The features of samples that a model has drawn.

use crate::features::FeatureNetwork;
use burn::tensor::backend::Backend;
use pyroclast_kernels::Precision;
use pyroclast_train::dataset::Overflow;
use pyroclast_train::draw::SampleError;
use pyroclast_train::task::Task;

/// The features of samples on the model's scale, seen as the data would hold them: pictures of 8
/// bits are rounded, as they are where features are published.
///
/// Samples can be finite and still too large for the network, whose squares then overflow: that
/// is [`SampleError::NotFinite`].
pub(crate) fn features_of<B: Backend>(
    network: &dyn FeatureNetwork<B>,
    task: &Task,
    values: &[f32],
    device: &B::Device,
    seen: &mut dyn FnMut(f64),
) -> Result<Vec<f32>, SampleError> {
    let n = values.len() / network.dim();
    let values = task.training.in_units(values, &task.scaling);
    let values = values.map_err(|Overflow(rows)| SampleError::NotFinite(rows))?;
    let values: Vec<f32> = values.into_iter().map(|x| x as f32).collect();
    // However samples were drawn, they are scored alike.
    let features = Precision::of_scores().within(|| network.features(&values, device, seen));
    let diverged = |row: &&[f32]| row.iter().any(|value| !value.is_finite());
    match features
        .chunks_exact(features.len() / n)
        .filter(diverged)
        .count()
    {
        0 => Ok(features),
        rows => Err(SampleError::NotFinite(rows)),
    }
}
