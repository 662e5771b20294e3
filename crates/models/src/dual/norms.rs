//! Normalisations that carry a tangent along.
//!
//! `n = (x − mean(x))/s`, `s = √(var(x) + ε)` → `ṅ = (ẋ − mean(ẋ) − n·mean(n·ẋ))/s`

use super::{Dual, sum};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_kernels::{self as kernels, Activation, Grouping};

impl<B: Backend> Dual<B, 4> {
    /// Group normalisation with a gain and a bias per channel, and the SiLU after it if there is
    /// one.
    ///
    /// # Shapes
    /// - gain, bias: `[batch, channels]`, or `[1, channels]` where all samples share them
    pub(crate) fn group_norm(self, gain: Dual<B, 2>, bias: Dual<B, 2>, grouping: Grouping) -> Self {
        if let (None, None, None) = (&self.tangent, &gain.tangent, &bias.tangent) {
            return kernels::group_norm(self.value, gain.value, bias.value, grouping).into();
        }
        let dims = self.dims();
        let [batch, channels, height, width] = dims;
        let row = channels / grouping.groups * height * width;
        let rows = |x: Tensor<B, 4>| x.reshape([batch * grouping.groups, row]);
        let normal = normalised(self.linearly(rows), grouping.epsilon);
        let normal = normal.linearly(|x| x.reshape(dims));
        let channel = |v: Tensor<B, 2>| {
            let [rows, _] = v.dims();
            v.reshape([rows, channels, 1, 1])
        };
        let z = modulated(normal, gain.linearly(channel), bias.linearly(channel));
        match grouping.silu {
            true => z.activated(Activation::Silu),
            false => z,
        }
    }
}

impl<B: Backend> Dual<B, 3> {
    /// Layer normalisation of each token, times `1 + scale`, plus `shift`.
    ///
    /// # Shapes
    /// - scale, shift: `[batch, width]`
    pub(crate) fn layer_norm(self, scale: Dual<B, 2>, shift: Dual<B, 2>, epsilon: f64) -> Self {
        if let (None, None, None) = (&self.tangent, &scale.tangent, &shift.tangent) {
            return kernels::layer_norm(self.value, scale.value, shift.value, epsilon).into();
        }
        let dims = self.dims();
        let [batch, tokens, width] = dims;
        let rows = self.linearly(|x| x.reshape([batch * tokens, width]));
        let normal = normalised(rows, epsilon).linearly(|x| x.reshape(dims));
        let token = |v: Tensor<B, 2>| v.unsqueeze_dim::<3>(1);
        let gain = scale.offset(1.0).linearly(token);
        modulated(normal, gain, shift.linearly(token))
    }
}

/// Each row with mean 0 and variance 1.
fn normalised<B: Backend>(x: Dual<B, 2>, epsilon: f64) -> Dual<B, 2> {
    let centred = x.value.clone() - x.value.mean_dim(1);
    let variance = centred.clone().square().mean_dim(1);
    let inverse = (variance + epsilon).sqrt().recip();
    let normal = centred * inverse.clone();
    let tangent = x.tangent.map(|v| {
        let mean = v.clone().mean_dim(1);
        let stretch = (normal.clone() * v.clone()).mean_dim(1);
        (v - mean - normal.clone() * stretch) * inverse
    });
    Dual {
        value: normal,
        tangent,
    }
}

/// `n·gain + bias`, where gain and bias have an axis of 1 for each that they do not vary along.
fn modulated<B: Backend, const D: usize>(
    n: Dual<B, D>,
    gain: Dual<B, D>,
    bias: Dual<B, D>,
) -> Dual<B, D> {
    let dims = n.dims();
    let through = n.tangent.map(|v| v * gain.value.clone());
    let stretch = gain.tangent.map(|v| n.value.clone() * v);
    let shift = bias.tangent.map(|v| v.expand(dims));
    Dual {
        value: n.value * gain.value + bias.value,
        tangent: sum([through, stretch, shift]),
    }
}
