//! `[network]`: which network, and its size for given data.

use super::ConfigError;
use pyroclast_models::{Activation, MlpConfig, TimeInput, UNetConfig};
use serde::{Deserialize, Serialize};

/// `[network]`: an MLP for points, a UNet for images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", tag = "kind")]
#[serde(rename_all_fields = "kebab-case")]
pub enum Network {
    /// A multilayer perceptron.
    Mlp {
        /// Units of a hidden layer.
        #[serde(default = "sixty_four")]
        width: usize,
        /// Hidden layers.
        #[serde(default = "three")]
        depth: usize,
        /// Between layers.
        #[serde(default)]
        activation: ActivationName,
        /// Sinusoidal features of the time; 0 for t itself.
        #[serde(default)]
        sinusoids: usize,
    },
    /// A UNet.
    Unet {
        /// Channels at full resolution.
        #[serde(default = "thirty_two")]
        channels: usize,
        /// Channels of each level, as multiples.
        #[serde(default = "one_two")]
        multipliers: Vec<usize>,
        /// Residual blocks a level.
        #[serde(default = "one")]
        blocks: usize,
        /// Heights at which pixels attend to each other.
        #[serde(default)]
        attention: Vec<usize>,
        /// Heads of the attention.
        #[serde(default = "one")]
        heads: usize,
        /// Dropout inside residual blocks.
        #[serde(default)]
        dropout: f64,
    },
}

fn sixty_four() -> usize {
    64
}

fn thirty_two() -> usize {
    32
}

fn three() -> usize {
    3
}

fn one() -> usize {
    1
}

fn one_two() -> Vec<usize> {
    vec![1, 2]
}

impl Default for Network {
    fn default() -> Self {
        Self::Mlp {
            width: sixty_four(),
            depth: three(),
            activation: ActivationName::default(),
            sinusoids: 0,
        }
    }
}

/// The activations by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActivationName {
    /// Klambauer et al. 2017.
    #[default]
    Selu,
    /// `x·sigmoid(x)`.
    Silu,
    /// `x·Φ(x)`.
    Gelu,
    /// `max(x, 0)`.
    Relu,
    /// `tanh(x)`.
    Tanh,
}

/// A network of either kind, sized for the data.
#[derive(Debug, Clone, PartialEq)]
pub enum Architecture {
    /// For vectors.
    Mlp(MlpConfig),
    /// For images.
    UNet(UNetConfig),
}

impl Network {
    /// The network for samples of this shape, with this many classes.
    ///
    /// # Errors
    /// Where the network does not take such samples, or cannot be built.
    pub(super) fn architecture(
        &self,
        shape: &[usize],
        classes: usize,
        learns_variance: bool,
    ) -> Result<Architecture, ConfigError> {
        let refuse = |value: String, remedy: String| ConfigError::Value {
            key: "network",
            value,
            remedy,
        };
        match (self, shape) {
            (
                &Self::Mlp {
                    width,
                    depth,
                    activation,
                    sinusoids,
                },
                &[dim],
            ) => Ok(Architecture::Mlp(MlpConfig {
                dim,
                width,
                depth,
                activation: match activation {
                    ActivationName::Selu => Activation::Selu,
                    ActivationName::Silu => Activation::Silu,
                    ActivationName::Gelu => Activation::Gelu,
                    ActivationName::Relu => Activation::Relu,
                    ActivationName::Tanh => Activation::Tanh,
                },
                time: match sinusoids {
                    0 => TimeInput::Plain,
                    n => TimeInput::Sinusoids(n),
                },
                classes,
                learns_variance,
            })),
            (
                Self::Unet {
                    channels,
                    multipliers,
                    blocks,
                    attention,
                    heads,
                    dropout,
                },
                &[c, h, w],
            ) => {
                let config = UNetConfig {
                    image_channels: c,
                    image_size: [h, w],
                    channels: *channels,
                    multipliers: multipliers.clone(),
                    blocks: *blocks,
                    attention: attention.clone(),
                    heads: *heads,
                    dropout: *dropout,
                    classes,
                    learns_variance,
                };
                match config.problem() {
                    Some(problem) => Err(refuse("unet".into(), problem)),
                    None => Ok(Architecture::UNet(config)),
                }
            }
            (Self::Mlp { .. }, shape) => Err(refuse(
                "mlp".into(),
                format!(
                    "an MLP takes vectors, and a sample has shape {shape:?}; set network.kind=unet"
                ),
            )),
            (Self::Unet { .. }, shape) => Err(refuse(
                "unet".into(),
                format!(
                    "a UNet takes images, and a sample has shape {shape:?}; set network.kind=mlp"
                ),
            )),
        }
    }
}
