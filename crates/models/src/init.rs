//! Initial parameters from the run's noise.
//!
//! `W, b ~ U(−k, k), k = 1/√fan_in`
//!
//! Source: LeCun et al. 1998, in the form that PyTorch uses for linear and convolution
//! layers. burn's own initialisers read a generator that differs between backends and that a
//! resumed run cannot restore.

use crate::norm::GroupNorm;
use burn::module::Param;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{Embedding, Linear, PaddingConfig2d};
use burn::tensor::backend::Backend;
use burn::tensor::{Shape, Tensor, TensorData};
use pyroclast_core::noise::{Draws, Noise, Stream};

/// Builds layers on a device, drawing their parameters one after another.
#[derive(Debug)]
pub struct Init<'a, B: Backend> {
    draws: Draws,
    device: &'a B::Device,
}

impl<'a, B: Backend> Init<'a, B> {
    /// Starts at the first draw of the seed's [`Stream::Init`].
    pub fn new(noise: Noise, device: &'a B::Device) -> Self {
        Self {
            draws: noise.draws(Stream::Init, 0),
            device,
        }
    }

    /// The device that layers are built on.
    pub fn device(&self) -> &'a B::Device {
        self.device
    }

    /// A linear layer with bias.
    pub fn linear(&mut self, inputs: usize, outputs: usize) -> Linear<B> {
        let k = 1.0 / (inputs as f64).sqrt();
        Linear {
            weight: self.uniform([inputs, outputs], k),
            bias: Some(self.uniform([outputs], k)),
        }
    }

    /// A linear layer that starts at zero: a residual branch that ends in it adds nothing at first.
    pub fn zero_linear(&self, inputs: usize, outputs: usize) -> Linear<B> {
        Linear {
            weight: self.zeros([inputs, outputs]),
            bias: Some(self.zeros([outputs])),
        }
    }

    /// A convolution with an odd square kernel, a bias, and padding that
    /// keeps the size at stride 1.
    pub fn conv(
        &mut self,
        inputs: usize,
        outputs: usize,
        kernel: usize,
        stride: usize,
    ) -> Conv2d<B> {
        let k = 1.0 / ((inputs * kernel * kernel) as f64).sqrt();
        let weight = self.uniform([outputs, inputs, kernel, kernel], k);
        let bias = self.uniform([outputs], k);
        self.conv_of(weight, bias, stride)
    }

    /// A convolution of stride 1 that starts at zero.
    pub fn zero_conv(&self, inputs: usize, outputs: usize, kernel: usize) -> Conv2d<B> {
        let weight = self.zeros([outputs, inputs, kernel, kernel]);
        self.conv_of(weight, self.zeros([outputs]), 1)
    }

    /// A group normalisation with gain 1 and shift 0.
    pub fn norm(&self, channels: usize) -> GroupNorm<B> {
        GroupNorm::new(channels, self.device)
    }

    /// A table of vectors, drawn from N(0, I).
    pub fn embedding(&mut self, rows: usize, width: usize) -> Embedding<B> {
        let data = TensorData::new(self.draws.normals(rows * width), [rows, width]);
        Embedding {
            weight: Param::from_tensor(Tensor::from_data(data, self.device)),
        }
    }

    fn conv_of(
        &self,
        weight: Param<Tensor<B, 4>>,
        bias: Param<Tensor<B, 1>>,
        stride: usize,
    ) -> Conv2d<B> {
        let [outputs, inputs, kernel, _] = weight.dims();
        let pad = kernel / 2;
        let mut conv = Conv2dConfig::new([inputs, outputs], [kernel, kernel])
            .with_stride([stride, stride])
            .with_padding(PaddingConfig2d::Explicit(pad, pad, pad, pad))
            .init(self.device);
        conv.weight = weight;
        conv.bias = Some(bias);
        conv
    }

    fn uniform<const D: usize>(&mut self, shape: [usize; D], k: f64) -> Param<Tensor<B, D>> {
        let n = shape.iter().product();
        let uniforms = self.draws.uniforms(n);
        let values: Vec<f32> = uniforms
            .iter()
            .map(|u| (k * (2.0 * u - 1.0)) as f32)
            .collect();
        let data = TensorData::new(values, Shape::from(shape));
        Param::from_tensor(Tensor::from_data(data, self.device))
    }

    fn zeros<const D: usize>(&self, shape: [usize; D]) -> Param<Tensor<B, D>> {
        Param::from_tensor(Tensor::zeros(shape, self.device))
    }
}
