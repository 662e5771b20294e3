//! Fused tensor operations: one pass over memory where burn's operations would take several.
//!
//! Each kernel is a function for any backend. On flex, and on `Autodiff<Flex>` with a backward of its own, it runs as one loop; on
//! every other backend it is composed of burn's operations, with the same numbers up to rounding. [`group_norm`] has a loop on GPUs too.

#![warn(clippy::print_stdout, clippy::print_stderr)]

mod activation;
mod adamw;
mod attention;
mod combine;
mod concat;
mod conv2d;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
mod cube;
#[cfg(feature = "flex")]
mod flex;
mod group_norm;
#[cfg(any(feature = "flex", feature = "wgpu", feature = "cuda"))]
mod known;
mod lerp;
mod linear;
mod norm;
mod path;
mod pool;
mod silu;
#[cfg(any(feature = "flex", feature = "wgpu", feature = "cuda"))]
mod tape;

pub use activation::Activation;
pub use adamw::{AdamWStep, adamw};
pub use attention::attention;
pub use combine::combine;
pub use concat::concat;
pub use conv2d::{Window, conv2d};
pub use group_norm::{Grouping, group_norm};
pub use lerp::lerp;
pub use linear::linear;
pub use norm::{scaled_rms, scaled_rms_rows};
pub use path::{PathRow, path_sample};
pub use pool::join_pool;
pub use silu::silu;
