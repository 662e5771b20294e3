//! The UNets of publications.

use super::config::{ClassInput, Heads, Middle, Resample, Stem, UNetConfig, UpAttention};
use crate::embedding::{NullClass, TimeFeatures};
use crate::norm::{Groups, Normalisation};
use crate::residual::Modulation;

/// A UNet of a publication.
#[derive(Debug, Clone, Copy)]
pub struct NamedUNet {
    /// Its name.
    pub name: &'static str,
    /// What it is, in one line.
    pub about: &'static str,
    /// Its values.
    pub config: fn() -> UNetConfig,
}

/// The UNets of publications, by name.
pub const NAMED_UNETS: &[NamedUNet] = &[
    NamedUNet {
        name: "torchcfm-cifar10",
        about: "That of torchcfm for CIFAR-10.",
        config: UNetConfig::torchcfm_cifar10,
    },
    NamedUNet {
        name: "flow-matching-cifar10",
        about: "That of flow_matching for CIFAR-10.",
        config: UNetConfig::flow_matching_cifar10,
    },
    NamedUNet {
        name: "adm-64",
        about: "ADM for ImageNet at 64×64, of guided-diffusion.",
        config: UNetConfig::adm_64,
    },
    NamedUNet {
        name: "ddpmpp-cifar10",
        about: "DDPM++ for CIFAR-10, as EDM has it.",
        config: UNetConfig::ddpmpp_cifar10,
    },
    NamedUNet {
        name: "ddpm-cifar10",
        about: "DDPM for CIFAR-10, as diffusers has it.",
        config: UNetConfig::ddpm_cifar10,
    },
];

impl UNetConfig {
    /// What guided-diffusion's UNet and its descendants share.
    ///
    /// Source: Dhariwal & Nichol 2021, §3 and the code with it.
    pub fn adm(image_channels: usize, image_size: [usize; 2]) -> Self {
        Self {
            norm: Normalisation {
                groups: Groups::Fixed(32),
                epsilon: 1e-5,
            },
            time: TimeFeatures::raw(),
            stem: Stem::FirstLevel,
            middle: Middle::Attends,
            null_class: NullClass::Absent,
            ..Self::new(image_channels, image_size)
        }
    }

    /// ADM for ImageNet at 64×64, on the 1000 steps of a DDPM: 295,904,454 parameters.
    ///
    /// Source: Dhariwal & Nichol 2021, table 11.
    pub fn adm_64() -> Self {
        Self {
            channels: 192,
            multipliers: vec![1.0, 2.0, 3.0, 4.0],
            blocks: 3,
            attention: vec![32, 16, 8],
            heads: Heads::OfChannels(64),
            dropout: 0.1,
            time: TimeFeatures::index(1000),
            resample: Resample::Blocks { project: false },
            classes: 1000,
            learns_variance: true,
            ..Self::adm(3, [64, 64])
        }
    }

    /// The UNet for CIFAR-10 of torchcfm: 35,746,307 parameters.
    ///
    /// Source: Tong et al. 2024, appendix E.
    pub fn torchcfm_cifar10() -> Self {
        Self {
            channels: 128,
            multipliers: vec![1.0, 2.0, 2.0, 2.0],
            blocks: 2,
            attention: vec![16],
            heads: Heads::OfChannels(64),
            dropout: 0.1,
            modulation: Modulation::Additive,
            ..Self::adm(3, [32, 32])
        }
    }

    /// The UNet for CIFAR-10 of flow_matching.
    ///
    /// Source: Lipman et al. 2024, "Flow matching guide and code", the example with images.
    pub fn flow_matching_cifar10() -> Self {
        Self {
            channels: 128,
            multipliers: vec![2.0, 2.0, 2.0],
            blocks: 4,
            attention: vec![16],
            dropout: 0.3,
            resample: Resample::Plain,
            null_class: NullClass::Zero,
            ..Self::adm(3, [32, 32])
        }
    }

    /// DDPM++ for CIFAR-10, with 9 labels of augmentation: 55,733,891 parameters. Its time is EDM's
    /// ¼·ln σ, which a preconditioning gives.
    ///
    /// Source: Song et al. 2021 (score SDE), appendix H; Karras et al. 2022, table 7.
    pub fn ddpmpp_cifar10() -> Self {
        Self {
            channels: 128,
            multipliers: vec![2.0, 2.0, 2.0],
            blocks: 4,
            attention: vec![16],
            up_attention: UpAttention::Last,
            middle: Middle::Attends,
            dropout: 0.13,
            norm: Normalisation {
                groups: Groups::OfFour,
                epsilon: 1e-6,
            },
            time: TimeFeatures {
                sines_first: true,
                shift: 1.0,
                ..TimeFeatures::raw()
            },
            modulation: Modulation::Additive,
            resample: Resample::Blocks { project: true },
            skip_scale: std::f64::consts::FRAC_1_SQRT_2,
            class_input: ClassInput::Features,
            null_class: NullClass::Zero,
            augmentation: 9,
            ..Self::new(3, [32, 32])
        }
    }

    /// DDPM for CIFAR-10, as diffusers has it: 35,746,307 parameters.
    ///
    /// Source: Ho et al. 2020, appendix B; the values of `google/ddpm-cifar10-32`.
    pub fn ddpm_cifar10() -> Self {
        Self {
            channels: 128,
            multipliers: vec![1.0, 2.0, 2.0, 2.0],
            blocks: 2,
            attention: vec![16],
            middle: Middle::Attends,
            dropout: 0.1,
            norm: Normalisation {
                groups: Groups::Fixed(32),
                epsilon: 1e-6,
            },
            time: TimeFeatures {
                sines_first: true,
                shift: 1.0,
                ..TimeFeatures::index(1000)
            },
            modulation: Modulation::Additive,
            resample: Resample::ConvolutionFromCorner,
            ..Self::new(3, [32, 32])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_networks_have_the_published_numbers_of_parameters() {
        for (config, parameters) in [
            (UNetConfig::torchcfm_cifar10(), 35_746_307),
            (UNetConfig::ddpm_cifar10(), 35_746_307),
            (UNetConfig::adm_64(), 295_904_454),
            (UNetConfig::ddpmpp_cifar10(), 55_733_891),
        ] {
            assert_eq!(config.problem(), None);
            assert_eq!(config.size().parameters, parameters);
        }
        assert_eq!(UNetConfig::flow_matching_cifar10().problem(), None);
    }
}
