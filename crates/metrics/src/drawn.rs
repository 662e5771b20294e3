//! The features of samples that a model has drawn.

use crate::classifier::Trained;
use crate::features::features;
use burn::tensor::backend::Backend;
use pyroclast_train::dataset::Scaling;
use pyroclast_train::draw::SampleError;

/// The features of samples on the model's scale.
///
/// Samples can be finite and still too large for the classifier, whose squares then overflow: that
/// is [`SampleError::NotFinite`].
pub(crate) fn features_of<B: Backend>(
    classifier: &Trained<B>,
    scaling: &Scaling,
    values: &[f32],
    device: &B::Device,
) -> Result<Vec<f32>, SampleError> {
    let n = values.len() / classifier.dim();
    let mut values = values.to_vec();
    scaling.invert(&mut values);
    let features = features(classifier, &values, device);
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
