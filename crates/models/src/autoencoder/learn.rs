//! An autoencoder in training: what it outputs, and what that is measured by.
//!
//! `x ↦ (x̂, r)`: the reconstruction, and a map of the rate, KL(q ‖ N(0, I)) in nats per pixel
//!
//! Both in one tensor, an autoencoder is a [`Network`] like any other: it is trained at t = 1,
//! where a path holds the data itself.

use super::Autoencoder;
use super::posterior::Posterior;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::loss::SampleLoss;
use pyroclast_core::network::Network;
use pyroclast_core::noise::Draws;
use pyroclast_kernels::doubled;

impl<B: Backend> Autoencoder<B> {
    /// The image of a latent beside the rate of its distribution: `[batch, channels + 1, height,
    /// width]`.
    fn with_rate(&self, posterior: &Posterior<B>, z: Tensor<B, 4>) -> Tensor<B, 4> {
        let image = self.decode(z);
        let height = image.dims()[2];
        let mut rate = posterior.rate().sum_dim(1);
        while rate.dims()[2] < height {
            rate = doubled(rate) * 0.25;
        }
        Tensor::cat(vec![image, rate], 1)
    }
}

/// The reconstruction from the latent, and in one more channel the rate per pixel. In training the
/// latent is a sample of its distribution, otherwise its mean.
impl<B: Backend> Network<B, 4> for Autoencoder<B> {
    type Condition = ();

    fn forward(&self, x: Tensor<B, 4>, _: Tensor<B, 1>, (): &()) -> Tensor<B, 4> {
        let posterior = self.encode(x);
        let z = posterior.mode();
        self.with_rate(&posterior, z)
    }

    fn forward_training(
        &self,
        x: Tensor<B, 4>,
        _: Tensor<B, 1>,
        (): &(),
        draws: &mut Draws,
    ) -> Tensor<B, 4> {
        let posterior = self.encode(x);
        let (dims, device) = (posterior.mean.dims(), posterior.mean.device());
        let noise = draws.normal_tensor(dims, &device, posterior.mean.dtype());
        let z = posterior.sample(noise);
        self.with_rate(&posterior, z)
    }
}

/// The loss of an autoencoder that shall make good pictures of latents of about unit size.
///
/// `ℓ = mean|x̂ − x| + gradient·mean|∇x̂ − ∇x| + kl·KL(q ‖ N(0, I))/values`
///
/// ∇ takes differences of neighbours in both directions: edges are what an absolute error of
/// pixels blurs first. The means and the division by the number of values of an image make the
/// loss independent of its size, and the summed error of Rombach et al. (2022, appendix G) is that
/// times the number of values, with the same weight of KL.
///
/// # Shapes
/// - output: `[batch, channels + 1, height, width]`, of an [`Autoencoder`] as a [`Network`]
/// - target: `[batch, channels, height, width]`
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reconstruction {
    /// The weight of the differences of neighbours, ≥ 0.
    pub gradient: f64,
    /// The weight of KL, ≥ 0.
    pub kl: f64,
}

impl<B: Backend> SampleLoss<B, 4> for Reconstruction {
    fn per_sample(&self, output: Tensor<B, 4>, target: Tensor<B, 4>) -> Tensor<B, 1> {
        let [batch, channels, height, width] = target.dims();
        let values = (channels * height * width) as f64;
        let [image, rate] = image_and_rate(output);
        let mean = |x: Tensor<B, 4>| x.reshape([batch as i32, -1]).mean_dim(1).reshape([batch]);
        let error = image - target;
        let mut loss = mean(error.clone().abs());
        if self.gradient > 0.0 {
            let along = |axis: usize, side: usize| -> Tensor<B, 1> {
                let [before, after] = [0, 1].map(|i| error.clone().narrow(axis, i, side - 1));
                mean((after - before).abs())
            };
            for (axis, side) in [(2, height), (3, width)] {
                if side > 1 {
                    loss = loss + along(axis, side) * (0.5 * self.gradient);
                }
            }
        }
        let pixels = (height * width) as f64;
        loss + mean(rate) * (self.kl * pixels / values)
    }
}

/// The negative evidence lower bound of a β-VAE whose decoder is normal of a fixed variance, in
/// nats per value.
///
/// `ℓ = (½ Σ[(x̂ − x)²/s² + ln(2π s²)] + β·KL(q ‖ N(0, I)))/values`
///
/// The error is a sum over the values of an image before it is divided together with KL: a mean
/// beside an undivided KL would make β as many times larger as an image has values.
///
/// Source: Kingma & Welling 2014, eq. 10; Higgins et al. 2017 for β.
///
/// # Shapes
/// As those of [`Reconstruction`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NegativeElbo {
    /// s², the variance of the decoder, > 0.
    pub variance: f64,
    /// β, ≥ 0; 1 for the bound itself.
    pub beta: f64,
}

impl<B: Backend> SampleLoss<B, 4> for NegativeElbo {
    fn per_sample(&self, output: Tensor<B, 4>, target: Tensor<B, 4>) -> Tensor<B, 1> {
        let [batch, channels, height, width] = target.dims();
        let values = (channels * height * width) as f64;
        let [image, rate] = image_and_rate(output);
        let sum = |x: Tensor<B, 4>| x.reshape([batch as i32, -1]).sum_dim(1).reshape([batch]);
        let squares: Tensor<B, 1> = sum((image - target).square()) * (0.5 / self.variance);
        let constant = 0.5 * values * (std::f64::consts::TAU * self.variance).ln();
        (squares + constant + sum(rate) * self.beta) / values
    }
}

/// The two parts of an autoencoder's output.
///
/// # Shapes
/// - output: `[batch, channels + 1, height, width]`
/// - results: `[batch, channels, height, width]` and `[batch, 1, height, width]`
pub fn image_and_rate<B: Backend>(output: Tensor<B, 4>) -> [Tensor<B, 4>; 2] {
    let channels = output.dims()[1] - 1;
    [
        output.clone().narrow(1, 0, channels),
        output.narrow(1, channels, 1),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::autoencoder::AutoencoderConfig;
    use crate::init::Init;
    use burn::tensor::{DType, TensorData};
    use burn_ndarray::NdArray;
    use pyroclast_core::noise::{Noise, Stream};

    type Device = burn_ndarray::NdArrayDevice;

    fn tensor(values: &[f64], shape: [usize; 4]) -> Tensor<NdArray, 4> {
        let data = TensorData::new(values.to_vec(), shape);
        Tensor::from_data(data, (&Device::default(), DType::F64))
    }

    fn host<const D: usize>(x: Tensor<NdArray, D>) -> Vec<f64> {
        (x.into_data().convert::<f64>())
            .into_vec()
            .expect("double precision")
    }

    #[test]
    fn the_rate_of_an_image_is_the_divergence_of_its_distribution() {
        let device = Device::default();
        let config = AutoencoderConfig {
            widths: vec![4, 4, 8],
            ..AutoencoderConfig::new(3)
        };
        let network = config.init::<NdArray>(&mut Init::new(Noise::new(1), &device));
        let mut draws = Noise::new(2).draws(Stream::Data, 0);
        let x = draws.normal_tensor([2, 3, 8, 16], &device, DType::F32);
        let t = Tensor::ones([2], &device);
        let output = network.forward(x.clone(), t.clone(), &());
        assert_eq!(output.dims(), [2, 4, 8, 16]);
        let posterior = network.encode(x.clone());
        let [image, rate] = image_and_rate(output.clone());
        assert_eq!(
            image.into_data(),
            network.decode(posterior.mode()).into_data()
        );
        let sums = host(rate.reshape([2, -1]).sum_dim(1));
        for (sum, kl) in sums.iter().zip(host(posterior.kl())) {
            assert!((sum - kl).abs() < 1e-4 * kl.abs(), "{sum} {kl}");
        }
        // In training the latent is drawn, by the draws that are given.
        let trained = |seed| {
            let mut draws = Noise::new(seed).draws(Stream::Dropout, 0);
            let output = network.forward_training(x.clone(), t.clone(), &(), &mut draws);
            host(output)
        };
        assert_eq!(trained(3), trained(3));
        assert_ne!(trained(3), trained(4));
        assert_ne!(trained(3), host(output));
    }

    #[test]
    fn the_losses_are_those_of_the_formulas() {
        // One image of 1×2 pixels, and a rate of 0.3 nats on each.
        let output = tensor(&[1.0, 4.0, 0.3, 0.3], [1, 2, 1, 2]);
        let target = tensor(&[0.5, 2.0], [1, 1, 1, 2]);
        let loss = Reconstruction {
            gradient: 0.5,
            kl: 0.1,
        };
        // mean(.5, 2) + .5·½·|2 − .5| + .1·.6/2
        let found = host(loss.per_sample(output.clone(), target.clone()))[0];
        assert!((found - (1.25 + 0.375 + 0.03)).abs() < 1e-12, "{found}");
        let elbo = NegativeElbo {
            variance: 0.5,
            beta: 2.0,
        };
        let squares = (0.25 + 4.0) / (2.0 * 0.5) + (std::f64::consts::TAU * 0.5).ln();
        let found = host(elbo.per_sample(output, target))[0];
        assert!(
            (found - (squares + 2.0 * 0.6) / 2.0).abs() < 1e-12,
            "{found}"
        );
    }
}
