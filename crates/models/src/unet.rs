//! The UNet of diffusion models.
//!
//! On the way down, residual blocks, and half the size after each level. In the middle, a block,
//! attention and a block. On the way up, residual blocks on the concatenated skips, and twice the
//! size after each level. Time, class and attributes modulate the channels of every block. An image
//! to condition on enters as more channels of the input. Pixels attend to the tokens of a sequence
//! after they have attended to each other.
//!
//! Source: Ronneberger et al. 2015; Ho et al. 2020, appendix B; Dhariwal & Nichol 2021, §3.
//!
//! The UNets of the field differ in a dozen values, all of which [`UNetConfig`] has. `named` has
//! the published combinations, `plan` the blocks of a configuration, `network` the network.

mod config;
mod named;
mod network;
mod plan;

pub use config::{ClassInput, Heads, Middle, Resample, Stem, UNetConfig, UpAttention};
pub use named::{NAMED_UNETS, NamedUNet};
pub use network::UNet;
pub use plan::{Change, LevelPlan, Plan, StagePlan};
