//! The autoencoder of latent diffusion, `AutoencoderKL`.
//!
//! `q(z | x) = N(μ(x), e^{λ(x)})`, `x̂ = D(z)`; a flow of latents has the state
//! `(z − shift)·scale`
//!
//! On the way down and up, residual blocks without an embedding, and half or twice the size between
//! levels; in the middle, a block, attention of one head and a block.
//!
//! It is trained as a network that outputs a reconstruction and its rate: see [`Reconstruction`].
//!
//! Source: Rombach et al. 2022, §3.1 and appendix G; Kingma & Welling 2014 for the posterior.

mod config;
mod learn;
mod network;
mod perceptual;
mod posterior;

pub use config::AutoencoderConfig;
pub use learn::{NegativeElbo, Reconstruction, image_and_rate};
pub use network::Autoencoder;
pub use perceptual::{FeatureMaps, Perceptual};
pub use posterior::Posterior;
