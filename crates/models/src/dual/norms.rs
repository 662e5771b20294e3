//! Normalisations that carry a tangent along.
//!
//! `n = (x − mean(x))/s`, `s = √(var(x) + ε)` → `ṅ = (ẋ − mean(ẋ) − n·mean(n·ẋ))/s`

use super::Dual;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_kernels::{self as kernels, Grouping};

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
        let (x, gain, bias) = (self.both(), gain.both(), bias.both());
        let [value, tangent] = kernels::group_norm_tangent(x, gain, bias, grouping);
        Self::moving(value, tangent)
    }

    /// The same with channels that are scaled by `1 + a` and shifted by `b` besides.
    ///
    /// # Shapes
    /// - gain, bias: `[1, channels]`; modulation: a and b side by side, `[batch, 2·channels]`
    pub(crate) fn modulated_group_norm(
        self,
        gain: Tensor<B, 2>,
        bias: Tensor<B, 2>,
        modulation: Dual<B, 2>,
        grouping: Grouping,
    ) -> Self {
        if let (None, None) = (&self.tangent, &modulation.tangent) {
            let by = modulation.value;
            return kernels::modulated_group_norm(self.value, gain, bias, by, grouping).into();
        }
        let [a, b] = modulation.split();
        let scale = a.offset(1.0);
        let gain = scale.clone().linearly(|scale| scale * gain.clone());
        let bias = scale.linearly(|scale| scale * bias.clone()).plus(b);
        self.group_norm(gain, bias, grouping)
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
        let (x, scale, shift) = (self.both(), scale.both(), shift.both());
        let [value, tangent] = kernels::layer_norm_tangent(x, scale, shift, epsilon);
        Self::moving(value, tangent)
    }
}
