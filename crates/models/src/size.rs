//! The size of a network, counted from its configuration before anything is allocated.
//!
//! `linear: (i + 1)·o`, `convolution: (i·k² + 1)·o`, `norm: 2·c` parameters

/// The size of a network. A count that does not fit into 64 bits is `u64::MAX`.
///
/// ```
/// use pyroclast_models::MlpConfig;
///
/// let size = MlpConfig::new(2).size();
/// assert_eq!(size.parameters, (3 + 1) * 64 + 2 * (64 + 1) * 64 + (64 + 1) * 2);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Size {
    /// The number of tensors that hold the parameters.
    pub tensors: u64,
    /// The number of parameters.
    pub parameters: u64,
    /// The outputs of all layers for one sample: what a training step keeps for its backward pass,
    /// at least.
    pub activations: u64,
}

impl Size {
    /// With a linear layer, applied once per sample.
    pub(crate) fn linear(self, inputs: u64, outputs: u64) -> Self {
        self.layer(inputs, outputs, 1)
    }

    /// With a convolution of a kernel of `kernel`², which makes images of this many pixels.
    pub(crate) fn conv(self, inputs: u64, outputs: u64, kernel: u64, pixels: u64) -> Self {
        self.layer(inputs.saturating_mul(kernel * kernel), outputs, pixels)
    }

    /// With a group normalisation of images of this many pixels.
    pub(crate) fn norm(self, channels: u64, pixels: u64) -> Self {
        self.and(Self {
            tensors: 2,
            parameters: channels.saturating_mul(2),
            activations: channels.saturating_mul(pixels),
        })
    }

    /// With a table of vectors, of which each sample takes one.
    pub(crate) fn table(self, rows: u64, width: u64) -> Self {
        self.and(Self {
            tensors: 1,
            parameters: rows.saturating_mul(width),
            activations: width,
        })
    }

    /// With all of another.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            tensors: self.tensors.saturating_add(other.tensors),
            parameters: self.parameters.saturating_add(other.parameters),
            activations: self.activations.saturating_add(other.activations),
        }
    }

    /// This many of the same.
    pub(crate) fn times(self, n: u64) -> Self {
        Self {
            tensors: self.tensors.saturating_mul(n),
            parameters: self.parameters.saturating_mul(n),
            activations: self.activations.saturating_mul(n),
        }
    }

    fn layer(self, inputs: u64, outputs: u64, places: u64) -> Self {
        self.and(Self {
            tensors: 2,
            parameters: inputs.saturating_add(1).saturating_mul(outputs),
            activations: outputs.saturating_mul(places),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        AutoencoderConfig, ClassInput, ClassifierConfig, DiTConfig, Heads, Init, MlpConfig,
    };
    use crate::{Modulation, NullClass, TaesdConfig};
    use crate::{Resample, SecondHalf, Stem, TimeInput, UNetConfig, UpAttention};
    use burn::module::{Module, ModuleVisitor, Param};
    use burn::tensor::Tensor;
    use burn::tensor::backend::Backend;
    use burn_ndarray::NdArray;
    use pyroclast_core::noise::Noise;

    #[derive(Default)]
    struct Counter {
        tensors: u64,
        parameters: u64,
    }

    impl<B: Backend> ModuleVisitor<B> for Counter {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
            self.tensors += 1;
            self.parameters += param.val().shape().num_elements() as u64;
        }
    }

    fn check(size: Size, network: &impl Module<NdArray>) {
        let mut counter = Counter::default();
        network.visit(&mut counter);
        assert_eq!(
            (size.tensors, size.parameters),
            (counter.tensors, counter.parameters)
        );
    }

    #[test]
    fn sizes_are_those_of_the_networks_that_are_built() {
        let device = Default::default();
        let mut init = Init::<NdArray>::new(Noise::new(0), &device);
        let small = MlpConfig {
            width: 7,
            depth: 1,
            ..MlpConfig::new(3)
        };
        let large = MlpConfig {
            time: TimeInput::Sinusoids(6),
            classes: 3,
            attributes: 2,
            learns_variance: true,
            durations: true,
            depth: 4,
            ..MlpConfig::new(2)
        };
        for config in [small, large] {
            check(config.size(), &config.init(&mut init));
        }
        let plain = UNetConfig {
            channels: 8,
            ..UNetConfig::new(1, [8, 8])
        };
        let deep = UNetConfig {
            multipliers: vec![1.0, 3.0, 2.0],
            blocks: 3,
            attention: vec![4],
            heads: Heads::Count(2),
            classes: 4,
            attributes: 3,
            beside: 2,
            learns_variance: true,
            durations: true,
            ..plain.clone()
        };
        let flat = UNetConfig {
            multipliers: vec![2.0],
            blocks: 2,
            sequence: 5,
            ..plain.clone()
        };
        let blocks = UNetConfig {
            resample: Resample::Blocks { project: true },
            modulation: Modulation::Additive,
            class_input: ClassInput::Features,
            null_class: NullClass::Zero,
            up_attention: UpAttention::Last,
            stem: Stem::FirstLevel,
            multipliers: vec![1.5, 3.0, 2.0],
            augmentation: 9,
            ..deep.clone()
        };
        let means = UNetConfig {
            resample: Resample::Plain,
            null_class: NullClass::Absent,
            sequence: 5,
            ..deep.clone()
        };
        for config in [plain, deep, flat, blocks, means] {
            check(config.size(), &config.init(&mut init));
        }
        let plain = DiTConfig {
            width: 12,
            heads: 3,
            ..DiTConfig::new(1, [4, 8])
        };
        let all = DiTConfig {
            depth: 2,
            mlp_ratio: 2.5,
            patch: 4,
            classes: 5,
            attributes: 3,
            beside: 2,
            sequence: 7,
            second_half: SecondHalf::Dropped,
            ..plain.clone()
        };
        for config in [plain, all] {
            check(config.size(), &config.init(&mut init));
        }
        let plain = AutoencoderConfig {
            widths: vec![4, 12, 8],
            ..AutoencoderConfig::new(2)
        };
        let bare = AutoencoderConfig {
            attention: false,
            quantises: false,
            dequantises: false,
            blocks: 2,
            ..plain.clone()
        };
        for config in [plain, bare] {
            check(config.size([8, 8]), &config.init(&mut init));
        }
        for config in [TaesdConfig::new(), TaesdConfig::pooled()] {
            let config = TaesdConfig { width: 4, ..config };
            check(config.size([8, 8]), &config.init(&mut init));
        }
        for shape in [&[9][..], &[1, 8, 8], &[3, 17, 5]] {
            let config = ClassifierConfig::new(shape, 5);
            check(config.size(), &config.init(&mut init));
        }
    }

    #[test]
    fn a_size_that_cannot_be_counted_is_the_largest() {
        let config = UNetConfig {
            channels: 1 << 28,
            multipliers: vec![1e30, 3.0],
            blocks: usize::MAX,
            ..UNetConfig::new(1, [8, 8])
        };
        assert_eq!(config.size().parameters, u64::MAX);
        assert!(config.problem().is_some());
        let config = MlpConfig {
            width: 1 << 28,
            depth: 1 << 28,
            ..MlpConfig::new(1 << 28)
        };
        assert_eq!(config.size().parameters, u64::MAX);
    }
}
