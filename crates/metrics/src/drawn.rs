//! What is drawn from a model to be scored: with which labels, and its features.

use crate::classifier::Trained;
use crate::features::features;
use burn::tensor::backend::Backend;
use pyroclast_train::dataset::{Dataset, Scaling};
use pyroclast_train::sampler::SampleError;

/// Labels for `n` samples in the proportions of the data; none for data without classes.
pub(crate) fn labels(dataset: &Dataset, n: usize) -> Option<Vec<i64>> {
    dataset.labels.as_ref().map(|labels| {
        // Spread over the rows, which may be sorted by class.
        let of = |i: usize| i64::from(labels[i * labels.len() / n % labels.len()]);
        (0..n).map(of).collect()
    })
}

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
