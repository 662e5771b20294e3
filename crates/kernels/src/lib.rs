//! Fused tensor operations: one pass over memory where burn's operations would take several.
//!
//! Each kernel is a function for any backend. On flex it runs as one loop, and on `Autodiff<Flex>`
//! as one node of the tape with a backward of its own. On every other backend it is composed of
//! burn's operations and gives the same numbers up to rounding. Most also have kernels for GPUs.

#![warn(clippy::print_stdout, clippy::print_stderr)]

mod activation;
mod adamw;
mod adamw_step;
mod attention;
mod combine;
mod concat;
mod conv2d;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
mod cube;
#[cfg(any(feature = "flex", feature = "wgpu", feature = "cuda"))]
mod downcast;
mod dropout;
#[cfg(feature = "flex")]
mod flex;
mod fork;
mod gated_sum;
mod global_norm;
mod group_norm;
mod grouping;
mod joined;
mod layer_norm;
mod lerp;
mod linear;
mod matmul;
mod matrix_units;
mod norm_tangent;
mod normals;
mod order;
mod path_sample;
mod pool;
mod precision;
mod resample;
mod scaled;
mod scaled_rms;
mod shift;
mod silu;
mod sinusoids;
mod split;
#[cfg(any(feature = "flex", feature = "wgpu", feature = "cuda"))]
mod tape;
mod tokens;
mod window;
mod words;

pub use activation::Activation;
pub use adamw::adamw;
pub use adamw_step::AdamWStep;
pub use attention::{attention, self_attention};
pub use combine::combine;
pub use concat::concat;
pub use conv2d::conv2d;
pub use dropout::{dropout, dropout_by_words};
pub use fork::fork;
pub use gated_sum::gated_sum;
pub use global_norm::global_norm;
pub use group_norm::{group_norm, modulated_group_norm};
pub use grouping::Grouping;
pub use joined::{joined, taken_apart};
pub use layer_norm::layer_norm;
pub use lerp::lerp;
pub use linear::linear;
pub use matmul::matmul;
pub use matrix_units::multiplies_bf16;
pub use norm_tangent::{Moving, group_norm_tangent, layer_norm_tangent};
pub use normals::{makes_normals, normals_by_words};
pub use path_sample::{PathRow, path_sample};
pub use pool::join_pool;
pub use precision::Precision;
pub use resample::{doubled, halved};
pub use scaled::scaled;
pub use scaled_rms::{scaled_rms, scaled_rms_parts, scaled_rms_rows};
pub use shift::shift_channels;
pub use silu::silu;
pub use sinusoids::sinusoids;
pub use split::{split, split_heads};
pub use tokens::{from_tokens, to_tokens};
pub use window::Window;
pub use words::Words;
