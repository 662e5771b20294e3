//! `[network]`: the choice of network, and its size for given data.
//!
//! To add a network, write its file in the models' crate, then add a variant of [`NetworkConfig`]
//! and an arm of [`Architecture::build`] here.

mod autoencoder;
mod dit;
mod unet;

pub use autoencoder::{AutoencoderSize, TaesdSize};
pub use dit::DiTSize;
pub use unet::UNetSize;

use crate::dataset::{ConditionKind, Conditions};
use burn::module::AutodiffModule;
use burn::tensor::backend::AutodiffBackend;
use pyroclast_core::named::{COUNT, Choice, Kind, OutOfRange, Range, Setting};
use pyroclast_core::network::Network;
use pyroclast_core::objective::{Objective, VarianceLoss};
use pyroclast_core::settings;
use pyroclast_models::{
    Activation, AutoencoderConfig, DiTConfig, Init, MlpConfig, NullClass, Size, TimeFeatures,
    TimeInput, UNetConfig,
};
use serde::{Deserialize, Serialize};
use toml::Table;

/// `[network]`: an MLP for points, a UNet or a transformer for images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum NetworkConfig {
    /// A multilayer perceptron.
    Mlp(MlpSize),
    /// A UNet.
    #[serde(deserialize_with = "UNetSize::read")]
    Unet(UNetSize),
    /// A diffusion transformer.
    Dit(DiTSize),
    /// An autoencoder.
    Autoencoder(AutoencoderSize),
    /// A tiny autoencoder, imported.
    Taesd(TaesdSize),
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
        let dit = DiTSize::kind();
        let (autoencoder, taesd) = (AutoencoderSize::kind(), TaesdSize::kind());
        let choice = |name, about, parameters| Choice {
            name,
            aliases: &[],
            about,
            parameters: Some(parameters),
        };
        Kind::Choice(vec![
            choice("mlp", "A multilayer perceptron, for points.", mlp),
            choice("unet", "A UNet, for images.", unet),
            choice("dit", "A diffusion transformer, for images.", dit),
            choice(
                "autoencoder",
                "An autoencoder of images, for the latents of other models.",
                autoencoder,
            ),
            choice("taesd", "A tiny autoencoder, imported.", taesd),
        ])
    }

    fn check(&self, key: &str) -> Result<(), OutOfRange> {
        match self {
            Self::Mlp(mlp) => mlp.check(key),
            Self::Unet(unet) => unet.check(key),
            Self::Dit(dit) => dit.check(key),
            Self::Autoencoder(autoencoder) => autoencoder.check(key),
            Self::Taesd(taesd) => taesd.check(key),
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
    /// A diffusion transformer, for images.
    DiT(DiTConfig),
    /// An autoencoder of images.
    Autoencoder(AutoencoderConfig),
}

impl NetworkConfig {
    /// Whether samples must be of a known class, if there are classes: then nothing stands for
    /// "no class", and there is no guidance.
    pub fn needs_class(&self) -> bool {
        match self {
            Self::Mlp(_) | Self::Autoencoder(_) | Self::Taesd(_) => false,
            Self::Unet(unet) => unet.null_class == NullClass::Absent,
            Self::Dit(dit) => dit.null_class == NullClass::Absent,
        }
    }

    /// Whether it makes latents of pictures and draws nothing.
    pub fn is_autoencoder(&self) -> bool {
        matches!(self, Self::Autoencoder(_) | Self::Taesd(_))
    }

    /// The sinusoids of the time that it has; none for a network whose clock cannot be set.
    pub fn time(&self) -> Option<TimeFeatures> {
        match self {
            Self::Mlp(_) | Self::Autoencoder(_) | Self::Taesd(_) => None,
            Self::Unet(unet) => Some(unet.time),
            Self::Dit(dit) => Some(dit.time),
        }
    }

    /// The same with other sinusoids of the time, where it has any.
    #[must_use]
    pub fn with_time(mut self, time: TimeFeatures) -> Self {
        match &mut self {
            Self::Mlp(_) | Self::Autoencoder(_) | Self::Taesd(_) => {}
            Self::Unet(unet) => unet.time = time,
            Self::Dit(dit) => dit.time = time,
        }
        self
    }

    /// What the network is called in reports.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Mlp(_) => "MLP",
            Self::Unet(_) => "UNet",
            Self::Dit(_) => "DiT",
            Self::Autoencoder(_) => "autoencoder",
            Self::Taesd(_) => "tiny autoencoder",
        }
    }

    /// The values that are not the default, as `key = value`.
    pub fn changed(&self) -> Vec<String> {
        fn changed<T: Serialize + Default>(size: &T) -> Vec<String> {
            let values = |size: &T| Table::try_from(size).expect("plain values");
            let (own, usual) = (values(size), values(&T::default()));
            own.iter()
                .filter(|(key, value)| usual.get(*key) != Some(value))
                .map(|(key, value)| format!("{key} = {value}"))
                .collect()
        }
        match self {
            Self::Mlp(mlp) => changed(mlp),
            Self::Unet(unet) => changed(unet),
            Self::Dit(dit) => changed(dit),
            Self::Autoencoder(autoencoder) => changed(autoencoder),
            Self::Taesd(taesd) => changed(taesd),
        }
    }

    /// The network for an objective, sized for samples of this shape with these conditions; a
    /// number is one of classes, 0 for none.
    ///
    /// # Errors
    /// [`OutOfRange`] if the network does not fit such samples.
    pub fn architecture(
        &self,
        shape: &[usize],
        conditions: impl Into<Conditions>,
        objective: &Objective,
    ) -> Result<Architecture, OutOfRange> {
        let Conditions { classes, beside } = conditions.into();
        let prediction = objective.prediction;
        // Either is the second half of an output of twice the channels.
        let learns_variance = objective.variance != VarianceLoss::None || prediction.learns_score();
        let durations = prediction.takes_duration();
        let refuse = |value: &str, remedy: String| OutOfRange {
            key: "network".to_owned(),
            value: value.to_owned(),
            remedy,
        };
        let (mut attributes, mut sequence, mut channels_beside) = (0, 0, 0);
        match beside {
            None => {}
            Some(ConditionKind::Vectors { width }) => attributes = width,
            Some(ConditionKind::Sequences { width, .. }) => sequence = width,
            Some(ConditionKind::Images { channels, .. }) => channels_beside = channels,
        }
        if let (&[_], Some(kind), 0) = (shape, beside, attributes) {
            let remedy = format!(
                "points are conditioned on classes and vectors, not on {kind}; give the numbers of \
                 each as a vector"
            );
            return Err(refuse(self.name(), remedy));
        }
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
                attributes,
                learns_variance,
                durations,
            })),
            (Self::Unet(unet), &[c, h, w]) => {
                let config = UNetConfig {
                    classes,
                    attributes,
                    sequence,
                    beside: channels_beside,
                    learns_variance,
                    durations,
                    ..unet.config(c, [h, w])
                };
                match config.problem() {
                    Some(problem) => Err(refuse("unet", problem)),
                    None => Ok(Architecture::UNet(config)),
                }
            }
            (Self::Dit(dit), &[c, h, w]) => {
                let config = DiTConfig {
                    classes,
                    attributes,
                    sequence,
                    beside: channels_beside,
                    durations,
                    ..dit.config(c, [h, w], learns_variance)
                };
                match config.problem() {
                    Some(problem) => Err(refuse("dit", problem)),
                    None => Ok(Architecture::DiT(config)),
                }
            }
            (Self::Autoencoder(size), &[c, h, w]) => {
                let config = size.config(c);
                let factor = config.factor();
                let problem = config.problem().or_else(|| {
                    let fits = h.is_multiple_of(factor) && w.is_multiple_of(factor);
                    (!fits).then(|| {
                        format!(
                            "{} levels halve an image {} times, which {h}×{w} pixels do not allow",
                            config.widths.len(),
                            config.widths.len() - 1
                        )
                    })
                });
                match problem {
                    Some(problem) => Err(refuse("autoencoder", problem)),
                    None => Ok(Architecture::Autoencoder(config)),
                }
            }
            (Self::Autoencoder(_), shape) => Err(refuse(
                "autoencoder",
                format!("an autoencoder takes images, and a sample has shape {shape:?}"),
            )),
            (Self::Taesd(_), _) => Err(refuse(
                "taesd",
                "a tiny autoencoder is imported, and not trained here; set network.kind=autoencoder"
                    .to_owned(),
            )),
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
            (Self::Dit(_), shape) => Err(refuse(
                "dit",
                format!(
                    "a transformer takes images, and a sample has shape {shape:?}; set \
                     network.kind=mlp"
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
            Self::DiT(dit) => dit.size(),
            // An image of any size: that of the latents does not change the parameters.
            Self::Autoencoder(config) => config.size([config.factor(); 2]),
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
            Self::DiT(dit) => user.with::<_, 4>(dit.init(init)),
            Self::Autoencoder(config) => user.with::<_, 4>(config.init(init)),
        }
    }
}
