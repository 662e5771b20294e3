//! Networks of Pyroclast: an MLP for vectors and a UNet for images.
//!
//! Each of them implements [`pyroclast_core::network::Network`]. A small [`Classifier`] beside them does not: its features
//! compare images. Parameters are drawn from the run's own noise, in the order in which the layers are built, so a seed
//! gives the same network on every backend.

#![warn(clippy::print_stdout, clippy::print_stderr)]

mod attention;
mod classifier;
mod dropout;
mod embedding;
mod init;
mod layer;
mod mlp;
mod norm;
mod residual;
mod unet;

pub use attention::SelfAttention;
pub use classifier::{Classifier, ClassifierConfig};
pub use embedding::{ClassEmbedding, TimeEmbedding, VectorEmbedding, sinusoids};
pub use init::Init;
pub use mlp::{Mlp, MlpConfig, TimeInput};
pub use norm::GroupNorm;
pub use pyroclast_kernels::Activation;
pub use residual::ResidualBlock;
pub use unet::{UNet, UNetConfig};
