//! The distribution of an image's latent.
//!
//! `q(z | x) = N(μ, diag e^λ)`

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// The bounds of the log-variance λ.
const BOUNDS: [f64; 2] = [-30.0, 20.0];

/// A normal distribution with independent numbers, for each image of a batch.
#[derive(Debug, Clone)]
pub struct Posterior<B: Backend> {
    /// μ, `[batch, channels, height, width]`.
    pub mean: Tensor<B, 4>,
    /// λ, of the same shape, in [−30, 20].
    pub log_variance: Tensor<B, 4>,
}

impl<B: Backend> Posterior<B> {
    /// The distribution of these moments, `[batch, 2·channels, height, width]`: the mean, then the
    /// log-variance, which is held to [−30, 20].
    ///
    /// # Panics
    /// If the number of channels is odd.
    pub fn of(moments: Tensor<B, 4>) -> Self {
        let channels = moments.dims()[1];
        assert!(
            channels.is_multiple_of(2),
            "{channels} channels are not mean and log-variance"
        );
        let half = channels / 2;
        let log_variance = moments.clone().narrow(1, half, half);
        Self {
            mean: moments.narrow(1, 0, half),
            log_variance: log_variance.clamp(BOUNDS[0], BOUNDS[1]),
        }
    }

    /// The most likely latent, μ.
    pub fn mode(&self) -> Tensor<B, 4> {
        self.mean.clone()
    }

    /// `μ + e^{λ/2}·noise`, for noise from `N(0, I)` of the shape of the mean.
    pub fn sample(&self, noise: Tensor<B, 4>) -> Tensor<B, 4> {
        self.mean.clone() + (self.log_variance.clone() * 0.5).exp() * noise
    }

    /// `KL(q ‖ N(0, I)) = ½·Σ(μ² + e^λ − 1 − λ)` of each image, `[batch]`, in nats.
    pub fn kl(&self) -> Tensor<B, 1> {
        let [batch, channels, height, width] = self.mean.dims();
        let rows = self.rate().reshape([batch, channels * height * width]);
        rows.sum_dim(1).reshape([batch])
    }

    /// The terms of that sum, of the shape of the mean.
    pub fn rate(&self) -> Tensor<B, 4> {
        let each = self.mean.clone().square() + self.log_variance.clone().exp()
            - self.log_variance.clone()
            - 1.0;
        each * 0.5
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{DType, TensorData};
    use burn_ndarray::NdArray;

    fn tensor(values: &[f64], channels: usize) -> Tensor<NdArray, 4> {
        let shape = [1, channels, 1, values.len() / channels];
        let data = TensorData::new(values.to_vec(), shape);
        Tensor::from_data(data, (&Default::default(), DType::F64))
    }

    fn host<const D: usize>(x: Tensor<NdArray, D>) -> Vec<f64> {
        x.into_data().into_vec().expect("double precision")
    }

    #[test]
    fn samples_and_divergence_are_those_of_the_closed_form() {
        let posterior = Posterior::of(tensor(&[1.0, -2.0, 0.0, 4.0_f64.ln()], 2));
        assert_eq!(host(posterior.mode()), [1.0, -2.0]);
        let sample = host(posterior.sample(tensor(&[3.0, 0.5], 1)));
        assert!((sample[0] - 4.0).abs() < 1e-14 && (sample[1] + 1.0).abs() < 1e-14);
        // ½(1 + 1 − 1 − 0) + ½(4 + 4 − 1 − ln 4)
        let expected = 0.5 + 3.5 - 0.5 * 4.0_f64.ln();
        assert!((host(posterior.kl())[0] - expected).abs() < 1e-13);
    }

    #[test]
    fn the_log_variance_is_bounded() {
        let posterior = Posterior::of(tensor(&[0.0, 0.0, -1e3, 1e3], 2));
        assert_eq!(host(posterior.log_variance), [-30.0, 20.0]);
    }
}
