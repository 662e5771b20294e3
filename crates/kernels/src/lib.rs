//! Fused tensor operations: one pass over memory where burn's operations would take several.
//!
//! Each kernel is a function for any backend. On flex, and on `Autodiff<Flex>` with a backward of its own, it runs as one loop; on
//! every other backend it is composed of burn's operations, with the same numbers up to rounding.

#![warn(clippy::print_stdout, clippy::print_stderr)]

mod combine;
#[cfg(feature = "flex")]
mod flex;
mod norm;

pub use combine::combine;
pub use norm::{scaled_rms, scaled_rms_rows};
