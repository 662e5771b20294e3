//! Networks of Pyroclast: an MLP for vectors, a UNet and a transformer for images.
//!
//! These implement [`pyroclast_core::network::Network`]. An [`Autoencoder`], or the tiny [`Taesd`],
//! makes latents of images, on which a flow can run instead. There is also a small [`Classifier`],
//! whose features serve to compare images. Parameters are drawn from the noise of the run, in the
//! order in which the layers are built, so a seed gives the same network on every backend.
//!
//! ```
//! use burn_ndarray::NdArray;
//! use pyroclast_core::noise::Noise;
//! use pyroclast_models::{Init, Mlp, MlpConfig};
//!
//! let device = Default::default();
//! let mut init = Init::new(Noise::new(0), &device);
//! let network: Mlp<NdArray> = MlpConfig { width: 128, ..MlpConfig::new(2) }.init(&mut init);
//! # let _ = network;
//! ```

#![warn(clippy::print_stdout, clippy::print_stderr)]

mod attention;
mod autoencoder;
mod classifier;
mod dit;
mod dropout;
mod dual;
mod embedding;
mod inception;
mod init;
mod inputs;
mod layer;
mod mlp;
mod norm;
mod residual;
mod sequence;
mod size;
mod stage;
mod taesd;
mod unet;

pub use attention::SelfAttention;
pub use autoencoder::{
    Autoencoder, AutoencoderConfig, FeatureMaps, NegativeElbo, Perceptual, Posterior,
    Reconstruction, image_and_rate,
};
pub use classifier::{Classifier, ClassifierConfig};
pub use dit::{DiT, DiTConfig, SecondHalf, sine_positions};
pub use embedding::{ClassEmbedding, NullClass, TimeEmbedding, TimeFeatures};
pub use embedding::{VectorEmbedding, sinusoids};
pub use inception::Inception;
pub use init::Init;
pub use mlp::{Mlp, MlpConfig, TimeInput};
pub use norm::{GroupNorm, Groups, Normalisation};
pub use pyroclast_kernels::Activation;
pub use residual::{Modulation, ResidualBlock, ResidualConfig, Resize};
pub use size::Size;
pub use taesd::{Taesd, TaesdConfig, TaesdParts};
pub use unet::{Change, ClassInput, Heads, LevelPlan, Middle, Plan, Resample, StagePlan, Stem};
pub use unet::{NAMED_UNETS, NamedUNet, UNet, UNetConfig, UpAttention};
