//! Weights of other projects for the networks of Pyroclast.
//!
//! `file ─ read ─► tensors under their keys ─ table ─► tensors under our names ─ load ─► network`
//!
//! [`read`](fn@read) opens safetensors and PyTorch files without running any code in them. A
//! [`Layout`] knows how a project names and orders its tensors: it recovers the configuration of
//! the network from their shapes, and gives a [`Table`] with one rule per parameter. Every rule can
//! be inverted, so what was imported is exported to the byte.
//!
//! # To add a layout
//!
//! Write its file in `src/layout`, with a `pub(crate) const` of type [`Layout`], and add that
//! constant to [`LAYOUTS`]. Its `fit` reads the configuration from the shapes, and from the JSON
//! where they do not determine it, then fills a [`Table`]:
//!
//! ```
//! use pyroclast_weights::{RowOrder, Table};
//!
//! let mut table = Table::new();
//! table.linear("time.first", "t_embedder.mlp.0", 256, 64);
//! table.conv("stem", "x_embedder.proj", 4, 64, 2);
//! table.rows("attention.qkv", "attn.qkv", 64, 3 * 64, 0, RowOrder::Ours);
//! table.table("classes.table.weight", "y_embedder.embedding_table.weight", 11, 64);
//! table.constant("pos_embed", vec![1, 2, 2], vec![0.0, 1.0, 0.0, 1.0]);
//! table.ignore("num_updates");
//! ```
//!
//! A network other than the UNet also needs its variant of [`Structure`]. A layout whose networks
//! are exported too has a `write` that gives the table and the configuration of one; and one of the
//! [`CONVENTIONS`] names the layout as its own.

#![warn(clippy::print_stdout, clippy::print_stderr)]

mod array;
mod autoencoding;
mod config;
mod convention;
mod error;
mod golden;
mod inception;
mod layout;
mod module;
mod read;
mod rule;
mod table;
mod write;

pub use array::{Array, Precision, Tensors};
pub use autoencoding::autoencoder_differences;
pub use config::Config;
pub use convention::{CONVENTIONS, Convention};
pub use error::WeightsError;
pub use golden::{GOLDEN, Golden};
pub use inception::inception;
pub use layout::{Fit, LAYOUTS, Layout, Structure, Written, by_name, candidates, export, fit};
pub use module::{cast, load, tensors_of};
pub use read::{Checkpoint, read};
pub use rule::{RowOrder, Rule, Step};
pub use table::{Misfit, Table};
pub use write::{write, write_with};
