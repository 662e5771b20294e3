//! Features of pictures by the Inception network, which FID compares.
//!
//! `p ∈ {0, …, 255}^[channels, height, width] ↦ φ(resized(p)) ∈ ℝ^2048`
//!
//! Published figures differ by how pictures are brought to 299×299: compare only figures of one
//! [`Resizing`].

use crate::features::FeatureNetwork;
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use pyroclast_core::named;
use pyroclast_kernels::{Precision, matmul};
use pyroclast_models::Inception;

/// Pictures that the network sees at once.
const CHUNK: usize = 16;

named! {
    /// How pictures are brought to the size and the range of the network.
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub enum Resizing as "resizing" {
        /// Bilinear between pixel centres, without a filter against aliasing, to `2p/255 − 1`: as
        /// pytorch-fid.
        "pytorch-fid" => PytorchFid,
        /// Bilinear between the corners of TensorFlow 1, to `(p − 128)/128`: as torch-fidelity and
        /// the figures of EDM.
        "tensorflow" | "torch-fidelity" => TensorFlow,
        /// Bicubic as Pillow, with its filter against aliasing, to `(p − 128)/128`: as clean-fid
        /// (Parmar et al. 2022).
        "clean" | "clean-fid" => Clean,
    }
}

impl Resizing {
    /// The weights of `from` pixels in each of `to`: `[to, from]`, row-major.
    fn weights(self, from: usize, to: usize) -> Vec<f64> {
        let scale = from as f64 / to as f64;
        let mut weights = vec![0.0; to * from];
        for (i, row) in weights.chunks_exact_mut(from).enumerate() {
            match self {
                Self::Clean => bicubic(row, (i as f64 + 0.5) * scale, scale.max(1.0)),
                Self::PytorchFid => linear(row, ((i as f64 + 0.5) * scale - 0.5).max(0.0)),
                Self::TensorFlow => linear(row, i as f64 * scale),
            }
        }
        weights
    }

    /// Levels of pixels as the network takes them.
    fn scaled<B: Backend>(self, levels: Tensor<B, 4>) -> Tensor<B, 4> {
        match self {
            Self::PytorchFid => levels / 127.5 - 1.0,
            Self::TensorFlow => levels / 128.0 - 1.0,
            // What overshoots the range is cut off, as where the numbers are bytes.
            Self::Clean => levels.clamp(0.0, 255.0) / 128.0 - 1.0,
        }
    }
}

/// The weights of the two pixels around a position.
fn linear(row: &mut [f64], position: f64) {
    let last = row.len() - 1;
    let below = (position.floor() as usize).min(last);
    let share = position - below as f64;
    row[below] += 1.0 - share;
    row[(below + 1).min(last)] += share;
}

/// The weights of the cubic with a = −½ around a centre, as wide as the step between new pixels
/// (Keys 1981).
fn bicubic(row: &mut [f64], centre: f64, width: f64) {
    const A: f64 = -0.5;
    let cubic = |x: f64| match x.abs() {
        x if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
        x if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * A,
        _ => 0.0,
    };
    for (j, weight) in row.iter_mut().enumerate() {
        *weight = cubic((j as f64 + 0.5 - centre) / width);
    }
    let sum: f64 = row.iter().sum();
    row.iter_mut().for_each(|weight| *weight /= sum);
}

/// The Inception network on 8-bit pictures of one shape.
#[derive(Debug, Clone)]
pub struct InceptionFeatures<B: Backend> {
    network: Inception<B>,
    shape: [usize; 3],
    resizing: Resizing,
}

impl<B: Backend> InceptionFeatures<B> {
    /// For pictures of this shape, `[channels, height, width]`, with 1 channel or 3; grey ones are
    /// seen as three equal channels.
    ///
    /// # Panics
    /// If there are other numbers of channels.
    pub fn new(network: Inception<B>, shape: [usize; 3], resizing: Resizing) -> Self {
        assert!(
            matches!(shape[0], 1 | 3),
            "pictures of {} channels have no Inception features; give 1 or 3",
            shape[0]
        );
        Self {
            network,
            shape,
            resizing,
        }
    }
}

impl<B: Backend> FeatureNetwork<B> for InceptionFeatures<B> {
    fn about(&self) -> String {
        format!(
            "Inception of 2015-12-05 (means without the padding, a maximum in the last block), on \
             pictures resized as {}",
            self.resizing
        )
    }

    fn dim(&self) -> usize {
        self.shape.iter().product()
    }

    fn features(&self, values: &[f32], device: &B::Device, seen: &mut dyn FnMut(f64)) -> Vec<f32> {
        let [channels, height, width] = self.shape;
        let side = Inception::<B>::SIDE;
        let matrix = |from: usize| {
            let weights = self.resizing.weights(from, side);
            let weights = weights.into_iter().map(|w| w as f32).collect();
            Tensor::<B, 2>::from_data(TensorData::new::<f32, _>(weights, [side, from]), device)
        };
        let down: Tensor<B, 4> = matrix(height).reshape([1, 1, side, height]);
        let across: Tensor<B, 4> = matrix(width).transpose().reshape([1, 1, width, side]);
        let n = values.len() / self.dim();
        let mut features = Vec::with_capacity(n * Inception::<B>::FEATURES);
        for chunk in values.chunks(CHUNK * self.dim()) {
            let pictures = [chunk.len() / self.dim(), channels, height, width];
            let pixels = TensorData::new(chunk.to_vec(), pictures);
            let pixels = Tensor::<B, 4>::from_data(pixels, device);
            let [n, c, ..] = pictures;
            let down = down.clone().expand([n, c, side, height]);
            let across = across.clone().expand([n, c, width, side]);
            // Exactly, as where FID is published.
            let resized = Precision::F32.within(|| matmul(matmul(down, pixels), across));
            let scaled = self.resizing.scaled(resized);
            let coloured = match channels {
                1 => scaled.repeat_dim(1, 3),
                _ => scaled,
            };
            let found = self.network.features(coloured).into_data().convert::<f32>();
            features.extend(found.into_vec::<f32>().expect("converted to f32 just now"));
            seen(features.len() as f64 / (n * Inception::<B>::FEATURES) as f64);
        }
        features
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resized(rule: Resizing, from: &[f64], to: usize) -> Vec<f64> {
        let weights = rule.weights(from.len(), to);
        let rows = weights.chunks_exact(from.len());
        rows.map(|row| row.iter().zip(from).map(|(w, x)| w * x).sum())
            .collect()
    }

    fn close(found: &[f64], expected: &[f64]) {
        assert_eq!(found.len(), expected.len());
        for (a, b) in found.iter().zip(expected) {
            assert!((a - b).abs() < 1e-5, "{found:?} {expected:?}");
        }
    }

    /// `torch.nn.functional.interpolate(x, 5, mode="linear", align_corners=False)` on 0, 10, 40,
    /// and TensorFlow 1's positions 0, 0.6, 1.2, 1.8, 2.4.
    #[test]
    fn pixels_lie_where_each_program_puts_them() {
        let x = [0.0, 10.0, 40.0];
        close(
            &resized(Resizing::PytorchFid, &x, 5),
            &[0.0, 4.0, 10.0, 28.0, 40.0],
        );
        close(
            &resized(Resizing::TensorFlow, &x, 5),
            &[0.0, 6.0, 16.0, 34.0, 40.0],
        );
    }

    #[test]
    fn every_rule_keeps_a_constant_and_the_size_it_has() {
        for rule in [Resizing::PytorchFid, Resizing::TensorFlow, Resizing::Clean] {
            for from in [1, 2, 8, 32, 299, 500] {
                close(&resized(rule, &vec![7.0; from], 299), &[7.0; 299]);
            }
            let x = [1.0, 5.0, 2.0, 8.0];
            close(&resized(rule, &x, 4), &x);
        }
    }

    /// A network that passes the mean of its channels on sees the level of a constant picture, on
    /// the scale of its rule.
    #[test]
    fn pictures_reach_the_network_on_its_scale() {
        let device = Default::default();
        let passing = |name: &str, shape: &[usize]| {
            let size: usize = shape.iter().product();
            Ok::<_, std::convert::Infallible>(match name.rsplit('.').next() {
                Some("running_var") => vec![1.0 - 1e-3; size],
                Some("running_mean" | "bias") => vec![0.0; size],
                _ if shape.len() == 1 => vec![1.0; size],
                _ => {
                    let window = shape[2] * shape[3];
                    let inputs = shape[1] as f32;
                    let middle = |at: usize| at % window == window / 2;
                    let weight = |at| if middle(at) { 1.0 / inputs } else { 0.0 };
                    (0..size).map(weight).collect()
                }
            })
        };
        let network = Inception::<burn_flex::Flex>::with_weights(passing, &device);
        let network = network.expect("every tensor");
        for (rule, expected) in [
            (Resizing::PytorchFid, 200.0 / 127.5 - 1.0),
            (Resizing::TensorFlow, 200.0 / 128.0 - 1.0),
            (Resizing::Clean, 200.0 / 128.0 - 1.0),
        ] {
            let grey = InceptionFeatures::new(network.clone(), [1, 8, 6], rule);
            assert!(grey.about().contains(&rule.to_string()));
            let mut share = 0.0;
            let features = grey.features(&[200.0; 2 * 48], &device, &mut |done| share = done);
            assert_eq!((features.len(), share), (2 * 2048, 1.0));
            for value in features {
                assert!(
                    (f64::from(value) - expected).abs() < 1e-4,
                    "{rule}: {value}"
                );
            }
        }
    }

    /// `PIL.Image.fromarray(x, "F").resize((4, 1), BICUBIC)` on 0, 10, …, 70.
    #[test]
    fn what_is_made_smaller_is_filtered_as_pillow_does() {
        let x: Vec<f64> = (0..8).map(|i| 10.0 * f64::from(i)).collect();
        close(
            &resized(Resizing::Clean, &x, 4),
            &[5.439_330_6, 24.594_595, 45.405_407, 64.560_669],
        );
    }
}
