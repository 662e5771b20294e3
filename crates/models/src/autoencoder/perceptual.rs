//! A loss that compares features of images, beside their pixels.
//!
//! `ℓ(x̂, x) = ℓ_base(x̂, x) + w·Σ_l mean_{pixels}‖φ̂_l(x̂) − φ̂_l(x)‖²`, `φ̂ = φ/√(‖φ‖² + ε)`,
//! with the norm over the channels of a pixel
//!
//! Source: Zhang et al. 2018, eq. 1, with weights of one for all channels.

use super::image_and_rate;
use crate::classifier::Classifier;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::loss::SampleLoss;
use pyroclast_kernels::Precision;

/// ε, which keeps features of zero at zero; half precision holds it.
const EPSILON: f64 = 1e-6;

/// A network whose layers tell how much alike two images look.
///
/// Implemented for closures `|images: Tensor<B, 4>| -> Vec<Tensor<B, 4>>`.
pub trait FeatureMaps<B: Backend> {
    /// The output of each layer that is compared.
    ///
    /// # Shapes
    /// - images: `[batch, channels, height, width]`; results: the same, of any channels and sizes
    fn feature_maps(&self, images: Tensor<B, 4>) -> Vec<Tensor<B, 4>>;
}

impl<B: Backend, F: Fn(Tensor<B, 4>) -> Vec<Tensor<B, 4>>> FeatureMaps<B> for F {
    fn feature_maps(&self, images: Tensor<B, 4>) -> Vec<Tensor<B, 4>> {
        self(images)
    }
}

/// Those of all convolutions. Call `no_grad` on a classifier that is not to be trained itself.
impl<B: Backend> FeatureMaps<B> for Classifier<B> {
    fn feature_maps(&self, images: Tensor<B, 4>) -> Vec<Tensor<B, 4>> {
        self.convolved(images)
    }
}

/// A loss of an autoencoder with the distance of features added to it.
///
/// # Shapes
/// As those of [`Reconstruction`](super::Reconstruction).
#[derive(Debug, Clone)]
pub struct Perceptual<L, F> {
    /// The loss without it.
    pub base: L,
    /// What is compared.
    pub features: F,
    /// The weight w, ≥ 0.
    pub weight: f64,
}

impl<B: Backend, L: SampleLoss<B, 4>, F: FeatureMaps<B>> SampleLoss<B, 4> for Perceptual<L, F> {
    fn per_sample(&self, output: Tensor<B, 4>, target: Tensor<B, 4>) -> Tensor<B, 1> {
        let [image, _] = image_and_rate(output.clone());
        // Features are never computed in bf16, whatever the network is.
        let [found, expected] = Precision::of_scores()
            .within(|| [image, target.clone()].map(|x| self.features.feature_maps(x)));
        let base = self.base.per_sample(output, target);
        { found.into_iter().zip(expected) }.fold(base, |loss, (found, expected)| {
            let squares = (directions(found) - directions(expected)).square();
            let [batch, _, height, width] = squares.dims();
            let sum = squares.reshape([batch as i32, -1]).sum_dim(1);
            loss + sum.reshape([batch]) * (self.weight / (height * width) as f64)
        })
    }
}

fn directions<B: Backend>(features: Tensor<B, 4>) -> Tensor<B, 4> {
    let norm = (features.clone().square().sum_dim(1) + EPSILON).sqrt();
    features / norm
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::autoencoder::Reconstruction;
    use crate::classifier::ClassifierConfig;
    use crate::init::Init;
    use burn::tensor::{DType, TensorData};
    use burn_ndarray::NdArray;
    use pyroclast_core::noise::{Noise, Stream};

    type Device = burn_ndarray::NdArrayDevice;

    const BASE: Reconstruction = Reconstruction {
        gradient: 0.0,
        kl: 0.0,
    };

    fn loss<F: FeatureMaps<NdArray>>(
        features: F,
        weight: f64,
        output: Tensor<NdArray, 4>,
        target: Tensor<NdArray, 4>,
    ) -> Vec<f64> {
        let loss = Perceptual {
            base: BASE,
            features,
            weight,
        };
        let found = loss.per_sample(output, target).into_data();
        found.convert::<f64>().into_vec().expect("double precision")
    }

    #[test]
    fn directions_of_features_are_compared_per_pixel() {
        // Two channels of two pixels, and a rate. The directions of the first pixel are (.6, .8)
        // and (1, 0), and those of the second are equal.
        let tensor = |values: &[f64], shape: [usize; 4]| {
            let data = TensorData::new(values.to_vec(), shape);
            Tensor::<NdArray, 4>::from_data(data, (&Device::default(), DType::F64))
        };
        let output = tensor(&[3.0, 1.0, 4.0, 0.0, 9.0, 9.0], [1, 3, 1, 2]);
        let target = tensor(&[2.0, 5.0, 0.0, 0.0], [1, 2, 1, 2]);
        let itself = |x: Tensor<NdArray, 4>| vec![x];
        // mean(1, 4, 4, 0) + .5·(.4² + .8²)/2
        let found = loss(itself, 0.5, output.clone(), target.clone())[0];
        // ε moves a direction by ε/2‖φ‖² of itself.
        assert!((found - (2.25 + 0.2)).abs() < EPSILON, "{found}");
        // A layer that is compared twice counts twice, and features without a length have none.
        let twice = |x: Tensor<NdArray, 4>| vec![x.clone(), x.clone() * 0.0, x];
        let found = loss(twice, 0.5, output, target)[0];
        assert!((found - (2.25 + 0.4)).abs() < EPSILON, "{found}");
    }

    #[test]
    fn a_classifier_compares_all_of_its_convolutions() {
        let device = Device::default();
        let mut init = Init::<NdArray>::new(Noise::new(1), &device);
        let network = ClassifierConfig::new(&[3, 8, 8], 2).init(&mut init);
        let mut draws = Noise::new(2).draws(Stream::Data, 0);
        let x = draws.normal_tensor::<NdArray, 4>([2, 3, 8, 8], &device, DType::F32);
        assert_eq!(network.feature_maps(x.clone()).len(), 2);
        let with_rate = |x: Tensor<NdArray, 4>| {
            let rate = Tensor::zeros([2, 1, 8, 8], &device);
            Tensor::cat(vec![x, rate], 1)
        };
        let of = |weight: f64, error: f64| {
            let output = with_rate(x.clone() + error);
            loss(network.clone(), weight, output, x.clone())
        };
        assert_eq!(of(1.0, 0.0), [0.0, 0.0]);
        // The loss without it is the absolute error, and the rest is proportional to the weight.
        let [none, one, two] = [0.0, 1.0, 2.0].map(|weight| of(weight, 0.3)[0]);
        assert!(
            (none - 0.3).abs() < 1e-6 && one > none + 1e-3,
            "{none} {one}"
        );
        assert!((two - 2.0 * one + none).abs() < 1e-6, "{none} {one} {two}");
    }
}
