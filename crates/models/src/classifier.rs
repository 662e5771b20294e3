//! A small classifier, whose last hidden layer gives features.
//!
//! `h_0 = x`, `h_{i+1} = SiLU(norm(conv_i·h_i))`, `features = SiLU(W·flatten(h_L) + b)`,
//! `logits = V·features + c`
//!
//! The first convolution keeps the size of the image. Each further one halves it, until no side is
//! longer than 4 pixels, so the number of parameters hardly depends on the size of the image.

use crate::init::Init;
use crate::layer::{convolve, dense};
use crate::norm::GroupNorm;
use crate::size::Size;
use burn::module::Module;
use burn::nn::Linear;
use burn::nn::conv::Conv2d;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_kernels::Activation;

/// Convolutions halve an image until no side is longer than this.
const SIDE: usize = 4;

/// The shape of a [`Classifier`].
#[derive(Debug, Clone, PartialEq)]
pub struct ClassifierConfig {
    /// The shape of one sample: channels, height and width of an image, or the length of a vector.
    /// Vectors skip the convolutions.
    pub shape: Vec<usize>,
    /// The number of classes.
    pub classes: usize,
    /// Channels after the first convolution.
    pub first: usize,
    /// Channels after each further convolution.
    pub further: usize,
    /// The number of features.
    pub features: usize,
}

impl ClassifierConfig {
    /// 16 and 24 channels and 64 features: 29,010 parameters for grey images of
    /// 8×8 pixels and 10 classes.
    pub fn new(shape: &[usize], classes: usize) -> Self {
        Self {
            shape: shape.to_vec(),
            classes,
            first: 16,
            further: 24,
            features: 64,
        }
    }

    /// The size of the network, counted without building it.
    pub fn size(&self) -> Size {
        let [first, further, features, classes] =
            [self.first, self.further, self.features, self.classes].map(|n| n as u64);
        let (size, flat) = match self.shape[..] {
            [channels, height, width] => {
                let mut sides = [height as u64, width as u64];
                let pixels = |sides: [u64; 2]| sides[0].saturating_mul(sides[1]);
                let mut size = Size::default()
                    .conv(channels as u64, first, 3, pixels(sides))
                    .norm(first, pixels(sides));
                let mut inputs = first;
                while sides.iter().any(|&side| side > SIDE as u64) {
                    sides = sides.map(|side| side.div_ceil(2));
                    size = size
                        .conv(inputs, further, 3, pixels(sides))
                        .norm(further, pixels(sides));
                    inputs = further;
                }
                (size, inputs.saturating_mul(pixels(sides)))
            }
            ref shape => {
                let values = shape.iter().map(|&side| side as u64);
                (Size::default(), values.fold(1, u64::saturating_mul))
            }
        };
        size.linear(flat, features).linear(features, classes)
    }

    /// Builds the network.
    ///
    /// # Panics
    /// If the shape is neither that of an image nor of a vector, or contains a 0.
    pub fn init<B: Backend>(&self, init: &mut Init<'_, B>) -> Classifier<B> {
        assert!(
            !self.shape.contains(&0),
            "a sample of shape {:?} holds no value",
            self.shape
        );
        let (mut convs, mut norms) = (Vec::new(), Vec::new());
        let (image, flat) = match self.shape[..] {
            [dim] => ([1, 1, dim], dim),
            [channels, height, width] => {
                let mut size = [height, width];
                convs.push(init.conv(channels, self.first, 3, 1));
                norms.push(init.norm(self.first));
                let mut inputs = self.first;
                while size.iter().any(|&side| side > SIDE) {
                    convs.push(init.conv(inputs, self.further, 3, 2));
                    norms.push(init.norm(self.further));
                    inputs = self.further;
                    size = size.map(|side| side.div_ceil(2));
                }
                ([channels, height, width], inputs * size[0] * size[1])
            }
            _ => panic!(
                "a classifier takes vectors or images, not samples of shape {:?}",
                self.shape
            ),
        };
        Classifier {
            convs,
            norms,
            hidden: init.linear(flat, self.features),
            output: init.linear(self.features, self.classes),
            channels: image[0],
            height: image[1],
            width: image[2],
        }
    }
}

/// A classifier of images or vectors, given as rows.
///
/// # Shapes
/// - x: `[batch, dim]`, the values of each sample in a row; features: `[batch, features]`;
///   logits: `[batch, classes]`
#[derive(Module, Debug)]
pub struct Classifier<B: Backend> {
    convs: Vec<Conv2d<B>>,
    norms: Vec<GroupNorm<B>>,
    hidden: Linear<B>,
    output: Linear<B>,
    channels: usize,
    height: usize,
    width: usize,
}

impl<B: Backend> Classifier<B> {
    /// The output of the last hidden layer, `[batch, features]`.
    ///
    /// # Panics
    /// If the rows do not have as many values as a sample.
    pub fn features(&self, x: Tensor<B, 2>) -> Tensor<B, 2> {
        let [batch, dim] = x.dims();
        let expected = self.channels * self.height * self.width;
        assert_eq!(dim, expected, "each row must be one sample");
        let image = x.reshape([batch, self.channels, self.height, self.width]);
        let h = self.convolved(image.clone()).pop().unwrap_or(image);
        dense(&self.hidden, h.flatten(1, 3), Activation::Silu)
    }

    /// The outputs h_1, …, h_L of the convolutions, of images `[batch, channels, height, width]`.
    pub fn convolved(&self, images: Tensor<B, 4>) -> Vec<Tensor<B, 4>> {
        let layers = self.convs.iter().zip(&self.norms);
        layers
            .scan(images, |h, (conv, norm)| {
                *h = norm.forward_silu(convolve(conv, h.clone()));
                Some(h.clone())
            })
            .collect()
    }

    /// The logits: log-probabilities of the classes, up to a constant per row.
    ///
    /// # Panics
    /// As for [`Classifier::features`].
    pub fn forward(&self, x: Tensor<B, 2>) -> Tensor<B, 2> {
        dense(&self.output, self.features(x), Activation::Identity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{DType, Tolerance};
    use burn_ndarray::NdArray;
    use pyroclast_core::noise::{Noise, Stream};

    type B = NdArray<f32>;

    fn classifier(shape: &[usize]) -> Classifier<B> {
        let device = Default::default();
        let mut init = Init::new(Noise::new(1), &device);
        ClassifierConfig::new(shape, 10).init(&mut init)
    }

    fn rows(n: usize, dim: usize) -> Tensor<B, 2> {
        let mut draws = Noise::new(2).draws(Stream::Source, 0);
        draws.normal_tensor([n, dim], &Default::default(), DType::F32)
    }

    #[test]
    fn images_of_any_size_and_vectors_have_64_features() {
        for (shape, convolutions) in [
            (&[1, 8, 8][..], 2),
            (&[3, 5, 17], 4),
            (&[1, 4, 4], 1),
            (&[7], 0),
        ] {
            let network = classifier(shape);
            let x = rows(3, shape.iter().product());
            assert_eq!(network.convs.len(), convolutions, "{shape:?}");
            assert_eq!(network.features(x.clone()).dims(), [3, 64], "{shape:?}");
            assert_eq!(network.forward(x).dims(), [3, 10], "{shape:?}");
        }
    }

    #[test]
    fn the_logits_are_linear_in_the_features() {
        let network = classifier(&[1, 8, 8]);
        let x = rows(4, 64);
        let expected = network.output.forward(network.features(x.clone()));
        network
            .forward(x)
            .into_data()
            .assert_eq(&expected.into_data(), true);
    }

    #[test]
    fn rows_do_not_depend_on_each_other() {
        let network = classifier(&[1, 8, 8]);
        let x = rows(4, 64);
        let alone = network.features(x.clone().narrow(0, 2, 1));
        network
            .features(x)
            .narrow(0, 2, 1)
            .into_data()
            .assert_approx_eq::<f32>(&alone.into_data(), Tolerance::absolute(1e-5));
    }

    #[test]
    fn the_classifier_of_digits_is_small() {
        // conv 160 + 3480, norms 32 + 48, linear 384·64 + 64 and 64·10 + 10.
        assert_eq!(classifier(&[1, 8, 8]).num_params(), 29_010);
    }
}
