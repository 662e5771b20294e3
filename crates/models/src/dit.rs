//! The diffusion transformer, DiT; also SiT's network, which is the same one.
//!
//! `c = time(t) + class(y)`; a token's block is `h += g·attention(LN(h)·(1 + a) + b)`,
//! `h += g'·MLP(LN(h)·(1 + a') + b')`, with a, b, g, a', b', g' linear in SiLU(c)
//!
//! An image is taken apart into square patches, each of which is a token: the numbers of a patch
//! through a linear layer, plus a fixed table of sines of its place. The gates g start at zero, so
//! that every block starts as the identity, and so does the last layer.
//!
//! A sequence to condition on, such as encoded text, is attended to in every block.
//!
//! Source: Peebles & Xie 2023, §3 (adaLN-Zero); Ma et al. 2024 (SiT) for flows.

mod block;
mod config;
mod network;
mod positions;

pub use config::{DiTConfig, SecondHalf};
pub use network::DiT;
pub use positions::sine_positions;
