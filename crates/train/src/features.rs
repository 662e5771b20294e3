//! Features of images: what a classifier decides by.
//!
//! `x ∈ ℝ^dim ↦ φ(x) ∈ ℝ^f`
//!
//! Distances of features see what makes a digit a digit, where distances of pixels see its place and ink. The classifier for the digits
//! that ship comes with the library; `pyroclast classifier digits --out assets/digits-classifier.safetensors` makes it.

use crate::classifier::Trained;
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

/// Values that go through a network at once.
const CHUNK: usize = 1 << 17;
/// The classifier of the shipped digits.
const DIGITS: &[u8] = include_bytes!("../../../assets/digits-classifier.safetensors");

/// The features of samples in the units of the classifier's data.
///
/// # Shapes
/// - values: `[n, dim]`, row-major; the result: `[n, f]`, row-major
///
/// # Panics
/// If `values` is not a whole number of samples.
pub fn features<B: Backend>(
    classifier: &Trained<B>,
    values: &[f32],
    device: &B::Device,
) -> Vec<f32> {
    let mut values = values.to_vec();
    classifier.about.scaling.apply(&mut values);
    in_chunks(&values, classifier.dim(), device, |x| {
        classifier.network.features(x)
    })
}

/// The classifier of the shipped digits: images of shape `[1, 8, 8]` in [-1, 1].
pub fn digits<B: Backend>(device: &B::Device) -> Trained<B> {
    Trained::parse(DIGITS, "digits-classifier.safetensors", device)
        .expect("the file is part of the program, and a test reads it")
}

/// A map of rows, applied to a few at a time and read back.
pub(crate) fn in_chunks<B: Backend>(
    values: &[f32],
    dim: usize,
    device: &B::Device,
    map: impl Fn(Tensor<B, 2>) -> Tensor<B, 2>,
) -> Vec<f32> {
    assert!(
        values.len().is_multiple_of(dim),
        "{} values are no whole number of samples of {dim}",
        values.len()
    );
    let rows = (CHUNK / dim).max(1);
    let of_chunk = |chunk: &[f32]| {
        let data = TensorData::new(chunk.to_vec(), [chunk.len() / dim, dim]);
        let mapped = map(Tensor::from_data(data, device)).into_data();
        mapped.convert::<f32>().into_vec::<f32>()
    };
    (values.chunks(rows * dim))
        .flat_map(|chunk| of_chunk(chunk).expect("converted to f32 just now"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classifier::{Settings, accuracy};
    use crate::dataset::{Dataset, Scaling};
    use burn_flex::{Flex, FlexDevice};
    use burn_ndarray::NdArray;
    use pyroclast_core::noise::Noise;

    #[test]
    fn the_shipped_classifier_knows_digits_that_it_has_not_seen() {
        let classifier = digits::<Flex>(&FlexDevice);
        let about = &classifier.about;
        assert_eq!((about.data.as_str(), about.classes), ("digits", 10));
        assert_eq!(about.shape, [1, 8, 8]);
        assert!(DIGITS.len() < 150_000, "{}", DIGITS.len());
        let part = Settings::default().validation;
        let (_, held_out) = Dataset::digits().split(part, Noise::new(about.seed));
        let found = accuracy(&classifier.network, &held_out, &FlexDevice);
        assert!((found - about.accuracy).abs() < 1.5 / held_out.len() as f64);
        assert!(found >= 0.97, "{found}");
    }

    #[test]
    fn backends_agree_on_features() {
        let device = Default::default();
        let images = &Dataset::digits().values[..20 * 64];
        let a = features(&digits::<Flex>(&FlexDevice), images, &FlexDevice);
        let b = features(&digits::<NdArray>(&device), images, &device);
        assert_eq!((a.len(), b.len()), (20 * 64, 20 * 64));
        assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-3));
    }

    #[test]
    fn chunks_are_as_good_as_the_whole() {
        // More rows than a chunk holds; a map whose rows tell them apart.
        let dim = 3;
        let n = CHUNK / dim + 7;
        let values: Vec<f32> = (0..n * dim).map(|i| i as f32).collect();
        let map = |x: Tensor<Flex, 2>| x.sum_dim(1) + 0.5;
        let got = in_chunks(&values, dim, &FlexDevice, map);
        let expected = values.chunks(dim).map(|row| row.iter().sum::<f32>() + 0.5);
        assert_eq!(got, expected.collect::<Vec<_>>());
    }

    #[test]
    fn the_units_are_those_of_the_data() {
        let mut classifier = digits::<Flex>(&FlexDevice);
        let images = Dataset::digits().values[..2 * 64].to_vec();
        let expected = features(&classifier, &images, &FlexDevice);
        classifier.about.scaling = Scaling {
            shift: vec![8.0],
            scale: vec![8.0],
        };
        // In dots of ink, 0 to 16, which are the same numbers exactly.
        let ink: Vec<f32> = images.iter().map(|v| 8.0 * v + 8.0).collect();
        assert_eq!(features(&classifier, &ink, &FlexDevice), expected);
    }
}
