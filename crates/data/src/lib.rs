//! Pictures and arrays on disk, read as rows of numbers.
//!
//! `folder | archive | array ↦ p ∈ {0, …, 255}^[n, channels, height, width]`
//!
//! [`recognise`] tells what a path holds; [`PictureSet::open`] reads any of it as 8-bit pictures of
//! one shape, with their classes. Pictures are decoded once, into a file of rows that are read by
//! position, so a set may be larger than the memory and a second start is instant.
//!
//! This crate knows neither tensors nor models.

mod array;
mod build;
mod cache;
mod decode;
mod error;
mod export;
mod fit;
mod inflate;
mod label;
mod located;
mod npz;
mod one_line;
mod picture_set;
mod pixels;
mod read;
mod recognise;

pub use array::{Array, Numbers, Stored, holds_pictures, picture_axes, unravel};
pub use decode::{Background, Refusal};
pub use error::DataError;
pub use export::{PictureFolder, PictureZip, write_zip};
pub use fit::{Filter, Fit};
pub use inflate::inflate;
pub use label::Labels;
pub use npz::{read_npz_arrays, write_npz};
pub use picture_set::{Options, PictureSet, Skipped};
pub use pixels::Pixels;
pub use read::{folder_of_batches, read_arrays};
pub use recognise::{Layout, recognise};
