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

    /// A linear layer with a bias of zero and weights in `±√(6/(inputs + outputs))` (Glorot & Bengio
    /// 2010, eq. 16).
    pub fn xavier_linear(&mut self, inputs: usize, outputs: usize) -> Linear<B> {
        Linear {
            weight: self.uniform([inputs, outputs], xavier(inputs, outputs)),
            bias: Some(self.zeros([outputs])),
        }
    }

    /// A linear layer with a bias of zero and weights from `N(0, deviation²)`.
    pub fn normal_linear(&mut self, inputs: usize, outputs: usize, deviation: f64) -> Linear<B> {
        Linear {
            weight: self.normal([inputs, outputs], deviation),
            bias: Some(self.zeros([outputs])),
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
        self.conv_of(weight, Some(bias), [stride, kernel / 2])
    }

    /// The same without a bias.
    pub fn conv_without_bias(
        &mut self,
        inputs: usize,
        outputs: usize,
        kernel: usize,
        stride: usize,
    ) -> Conv2d<B> {
        let k = 1.0 / ((inputs * kernel * kernel) as f64).sqrt();
        let weight = self.uniform([outputs, inputs, kernel, kernel], k);
        self.conv_of(weight, None, [stride, kernel / 2])
    }

    /// A convolution that takes square patches apart: its stride is its kernel. Its weight is drawn
    /// as [`Init::xavier_linear`] draws that of a layer on the numbers of a patch.
    pub fn patches(&mut self, inputs: usize, outputs: usize, patch: usize) -> Conv2d<B> {
        let k = xavier(inputs * patch * patch, outputs);
        let weight = self.uniform([outputs, inputs, patch, patch], k);
        self.conv_of(weight, Some(self.zeros([outputs])), [patch, 0])
    }

    /// A convolution of 3×3 that halves the size of an image padded on the right and below only.
    pub fn halving(&mut self, channels: usize) -> Conv2d<B> {
        let k = 1.0 / ((channels * 9) as f64).sqrt();
        let weight = self.uniform([channels, channels, 3, 3], k);
        let bias = self.uniform([channels], k);
        self.conv_of(weight, Some(bias), [2, 0])
    }

    /// A convolution of stride 1 that starts at zero.
    pub fn zero_conv(&self, inputs: usize, outputs: usize, kernel: usize) -> Conv2d<B> {
        let weight = self.zeros([outputs, inputs, kernel, kernel]);
        self.conv_of(weight, Some(self.zeros([outputs])), [1, kernel / 2])
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

    /// A vector, drawn from `N(0, deviation²·I)`.
    pub fn normal_vector(&mut self, width: usize, deviation: f64) -> Param<Tensor<B, 1>> {
        self.normal([width], deviation)
    }

    /// A table of vectors, drawn from `N(0, deviation²·I)`.
    pub fn normal_table(&mut self, rows: usize, width: usize, deviation: f64) -> Embedding<B> {
        Embedding {
            weight: self.normal([rows, width], deviation),
        }
    }

    fn conv_of(
        &self,
        weight: Param<Tensor<B, 4>>,
        bias: Option<Param<Tensor<B, 1>>>,
        [stride, pad]: [usize; 2],
    ) -> Conv2d<B> {
        let [outputs, inputs, kernel, _] = weight.dims();
        let mut conv = Conv2dConfig::new([inputs, outputs], [kernel, kernel])
            .with_stride([stride, stride])
            .with_padding(PaddingConfig2d::Explicit(pad, pad, pad, pad))
            .init(self.device);
        conv.weight = weight;
        conv.bias = bias;
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

    fn normal<const D: usize>(&mut self, shape: [usize; D], deviation: f64) -> Param<Tensor<B, D>> {
        let mut values = self.draws.normals(shape.iter().product());
        values.iter_mut().for_each(|v| *v *= deviation as f32);
        let data = TensorData::new(values, Shape::from(shape));
        Param::from_tensor(Tensor::from_data(data, self.device))
    }

    fn zeros<const D: usize>(&self, shape: [usize; D]) -> Param<Tensor<B, D>> {
        Param::from_tensor(Tensor::zeros(shape, self.device))
    }
}

/// The bound of Glorot & Bengio 2010, eq. 16.
fn xavier(inputs: usize, outputs: usize) -> f64 {
    (6.0 / (inputs + outputs) as f64).sqrt()
}
