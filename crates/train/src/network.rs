//! `[network]`: the choice of network, and its size for given data.
//!
//! To add a network, write its file in the models' crate, then add a variant of [`NetworkConfig`]
//! and an arm of [`Architecture::build`] here.

mod unet;

pub use unet::UNetSize;

use burn::module::AutodiffModule;
use burn::tensor::backend::AutodiffBackend;
use pyroclast_core::named::{COUNT, Choice, Kind, OutOfRange, Range, Setting};
use pyroclast_core::network::Network;
use pyroclast_core::settings;
use pyroclast_models::{Activation, Init, MlpConfig, NullClass, Size, TimeInput, UNetConfig};
use serde::{Deserialize, Serialize};

/// `[network]`: an MLP for points, a UNet for images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum NetworkConfig {
    /// A multilayer perceptron.
    Mlp(MlpSize),
    /// A UNet.
    #[serde(deserialize_with = "UNetSize::read")]
    Unet(UNetSize),
}

settings! {
    /// A multilayer perceptron, for points.
    #[derive(Clone, PartialEq)]
    pub struct MlpSize {
        /// Units in each hidden layer.
        width: usize = 64 => Range {
            remedy: "give at least 1 unit, and at most 2^28",
            ..COUNT
        },
        /// Number of hidden layers.
        depth: usize = 3 => Range {
            remedy: "give at least 1 hidden layer, and at most 2^28",
            ..COUNT
        },
        /// Activation after each hidden layer.
        activation: Activation = Activation::Selu,
        /// Sinusoidal features of the time; 0 to use t itself.
        sinusoids: usize = 0 => Range {
            holds: |n| n.is_multiple_of(2) && *n < 1 << 20,
            remedy: "give an even number",
        },
    }
}

impl Default for NetworkConfig {
    fn default() -> Self {
        Self::Mlp(MlpSize::default())
    }
}

impl Setting for NetworkConfig {
    fn kind() -> Kind {
        let (mlp, unet) = (MlpSize::kind(), UNetSize::kind_with_layouts());
        let choice = |name, about, parameters| Choice {
            name,
            aliases: &[],
            about,
            parameters: Some(parameters),
        };
        Kind::Choice(vec![
            choice("mlp", "A multilayer perceptron, for points.", mlp),
            choice("unet", "A UNet, for images.", unet),
        ])
    }

    fn check(&self, key: &str) -> Result<(), OutOfRange> {
        match self {
            Self::Mlp(mlp) => mlp.check(key),
            Self::Unet(unet) => unet.check(key),
        }
    }
}

/// The complete configuration of a network, sized for the data.
#[derive(Debug, Clone, PartialEq)]
pub enum Architecture {
    /// A multilayer perceptron, for vectors.
    Mlp(MlpConfig),
    /// A UNet, for images.
    UNet(UNetConfig),
}

impl NetworkConfig {
    /// Whether samples must be of a known class, if there are classes: then nothing stands for
    /// "no class", and there is no guidance.
    pub fn needs_class(&self) -> bool {
        match self {
            Self::Mlp(_) => false,
            Self::Unet(unet) => unet.null_class == NullClass::Absent,
        }
    }

    /// The network, sized for samples of this shape and this many classes (0 for none).
    ///
    /// # Errors
    /// [`OutOfRange`] if the network does not fit such samples.
    pub fn architecture(
        &self,
        shape: &[usize],
        classes: usize,
        learns_variance: bool,
    ) -> Result<Architecture, OutOfRange> {
        let refuse = |value: &str, remedy: String| OutOfRange {
            key: "network".to_owned(),
            value: value.to_owned(),
            remedy,
        };
        match (self, shape) {
            (Self::Mlp(mlp), &[dim]) => Ok(Architecture::Mlp(MlpConfig {
                dim,
                width: mlp.width,
                depth: mlp.depth,
                activation: mlp.activation,
                time: match mlp.sinusoids {
                    0 => TimeInput::Plain,
                    n => TimeInput::Sinusoids(n),
                },
                classes,
                attributes: 0,
                learns_variance,
            })),
            (Self::Unet(unet), &[c, h, w]) => {
                let config = UNetConfig {
                    classes,
                    learns_variance,
                    ..unet.config(c, [h, w])
                };
                match config.problem() {
                    Some(problem) => Err(refuse("unet", problem)),
                    None => Ok(Architecture::UNet(config)),
                }
            }
            (Self::Mlp(_), shape) => Err(refuse(
                "mlp",
                format!(
                    "an MLP takes vectors, and a sample has shape {shape:?}; set network.kind=unet"
                ),
            )),
            (Self::Unet(_), shape) => Err(refuse(
                "unet",
                format!(
                    "a UNet takes images, and a sample has shape {shape:?}; set network.kind=mlp"
                ),
            )),
        }
    }
}

/// A computation on a network of any type and rank: a closure, if closures could be generic.
pub trait WithNetwork<B: AutodiffBackend> {
    /// The result of the computation.
    type Output;

    /// Runs the computation.
    fn with<N, const D: usize>(self, network: N) -> Self::Output
    where
        N: Network<B, D> + AutodiffModule<B>,
        N::InnerModule: Network<B::InnerBackend, D>;
}

impl Architecture {
    /// The size of the network, counted without building it.
    pub fn size(&self) -> Size {
        match self {
            Self::Mlp(mlp) => mlp.size(),
            Self::UNet(unet) => unet.size(),
        }
    }

    /// Builds the network, draws its parameters from `init`, and passes it to `user`.
    pub fn build<B, W>(&self, init: &mut Init<'_, B>, user: W) -> W::Output
    where
        B: AutodiffBackend,
        W: WithNetwork<B>,
    {
        match self {
            Self::Mlp(mlp) => user.with::<_, 2>(mlp.init(init)),
            Self::UNet(unet) => user.with::<_, 4>(unet.init(init)),
        }
    }
}
