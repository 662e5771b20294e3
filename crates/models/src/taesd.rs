//! TAESD, a tiny autoencoder with the latents of a large one.
//!
//! `block: y = ReLU(x + conv(ReLU(conv(ReLU(conv(x))))))`, in the variant with pools after
//! `x ← x + W'·ReLU(GN(W·x))`; a decoder starts with `z ← 3·tanh(z/3)`
//!
//! It has no normalisation otherwise. Three convolutions of stride 2 make the latent, whose numbers
//! are those of a flow's state, already scaled.
//!
//! Source: Bohan 2023, TAESD, <https://github.com/madebyollin/taesd>.

mod config;
mod network;

pub use config::{TaesdConfig, TaesdParts};
pub use network::Taesd;
