//! Features of images: the output of a classifier's last hidden layer.
//!
//! `x ∈ ℝ^dim ↦ φ(x) ∈ ℝ^f`
//!
//! Distances between features depend on what makes a digit a digit; distances between pixels, on
//! its position and ink. A classifier of the shipped digits comes with the library, made by
//! `pyroclast classifier digits --out assets/digits-classifier.safetensors`.

use crate::classifier::Trained;
use crate::map_rows::map_rows;
use burn::tensor::backend::Backend;

/// The classifier of the shipped digits.
const DIGITS: &[u8] = include_bytes!("../assets/digits-classifier.safetensors");

/// What computes the features of samples.
pub trait FeatureNetwork<B: Backend> {
    /// What it is, as reports name it.
    fn about(&self) -> String;

    /// The numbers of a sample.
    fn dim(&self) -> usize;

    /// The features of samples in the units of the data. `seen` is told the share of the samples
    /// that is done.
    ///
    /// # Shapes
    /// - values: `[n, dim]`, row-major; the result: `[n, f]`, row-major
    ///
    /// # Panics
    /// If `values` is not a whole number of samples.
    fn features(&self, values: &[f32], device: &B::Device, seen: &mut dyn FnMut(f64)) -> Vec<f32>;
}

/// The last hidden layer, of samples in the units of the classifier's data.
impl<B: Backend> FeatureNetwork<B> for Trained<B> {
    fn about(&self) -> String {
        let (data, accuracy) = (&self.about.data, 100.0 * self.about.accuracy);
        format!("a classifier of {data} that is {accuracy:.1} % accurate")
    }

    fn dim(&self) -> usize {
        Self::dim(self)
    }

    fn features(&self, values: &[f32], device: &B::Device, _: &mut dyn FnMut(f64)) -> Vec<f32> {
        let mut values = values.to_vec();
        self.about.scaling.apply(&mut values);
        map_rows(&values, self.dim(), device, |x| self.network.features(x))
    }
}

/// The classifier of the shipped digits: images of shape `[1, 8, 8]` in [-1, 1].
pub fn digits<B: Backend>(device: &B::Device) -> Trained<B> {
    Trained::parse(DIGITS, "digits-classifier.safetensors", device)
        .expect("the file is part of the program, and a test reads it")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classifier::{Settings, accuracy};
    use burn_flex::{Flex, FlexDevice};
    use burn_ndarray::NdArray;
    use pyroclast_core::noise::Noise;
    use pyroclast_train::dataset::{Dataset, Scaling};

    #[test]
    fn the_shipped_classifier_recognises_unseen_digits() {
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
        let data = Dataset::digits();
        let images = &data.first(20);
        let a = digits::<Flex>(&FlexDevice).features(images, &FlexDevice, &mut |_| {});
        let b = digits::<NdArray>(&device).features(images, &device, &mut |_| {});
        assert_eq!((a.len(), b.len()), (20 * 64, 20 * 64));
        assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-3));
    }

    #[test]
    fn the_units_are_those_of_the_data() {
        let mut classifier = digits::<Flex>(&FlexDevice);
        let images = Dataset::digits().first(2).into_owned();
        let expected = classifier.features(&images, &FlexDevice, &mut |_| {});
        classifier.about.scaling = Scaling::affine_of(vec![8.0], vec![8.0]);
        // In dots of ink, 0 to 16, which are the same numbers exactly.
        let ink: Vec<f32> = images.iter().map(|v| 8.0 * v + 8.0).collect();
        assert_eq!(
            classifier.features(&ink, &FlexDevice, &mut |_| {}),
            expected
        );
    }
}
