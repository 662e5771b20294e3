//! The kernels on flex: loops over its own memory.
//!
//! `tensor` reads and makes flex's tensors, `arch` finds the processor's vectors, `float` and
//! `activation` have functions that vectorise, `simd` has the loops over elements, `transpose` the
//! transpose of a matrix and `tile` sums that stay in registers,
//! `tokens` a matrix of rows per sample. `bf16` rounds what enters products. Each other file is one
//! kernel.

mod activation;
mod arch;
mod attention;
pub(crate) mod bf16;
mod combine;
mod concat;
mod conv2d;
mod dropout;
mod float;
mod gated_sum;
mod global_norm;
mod group_norm;
mod layer_norm;
mod linear;
mod path_sample;
mod scaled_rms;
mod shift;
mod silu;
mod simd;
mod swap;
mod tensor;
mod tile;
mod tokens;
mod transpose;
mod update;

pub(crate) use attention::{attention, self_attention};
pub(crate) use combine::combine;
pub(crate) use concat::concat;
pub(crate) use conv2d::conv2d;
pub(crate) use dropout::dropout;
pub(crate) use gated_sum::gated_sum;
pub(crate) use global_norm::global_norm;
pub(crate) use group_norm::{group_norm, group_norm_tangent};
pub(crate) use layer_norm::layer_norm;
pub(crate) use linear::linear;
pub(crate) use path_sample::two_combinations;
pub(crate) use scaled_rms::scaled_squares;
pub(crate) use shift::shift_channels;
pub(crate) use silu::silu;
pub(crate) use swap::swap_last;
pub(crate) use tensor::{supports, supports_untracked};
pub(crate) use update::{adamw, lerp};
