//! A trained model in a web page.
//!
//! - [`Session`] holds a model read from the bytes of its file: what it is, samples with every
//!   state on the way, velocities and densities. It runs anywhere; compiled to WebAssembly, a page
//!   calls it.
//! - [`page`] has the files of that page, as the command serves and writes them.
//!
//! A session reads models and draws samples by the same functions as the command, so the same seed
//! gives the same samples up to rounding.

#![recursion_limit = "256"]
#![warn(clippy::print_stdout, clippy::print_stderr)]

mod about;
#[cfg(target_arch = "wasm32")]
mod bindings;
mod check;
mod error;
#[cfg(not(target_arch = "wasm32"))]
pub mod page;
mod request;
mod session;

pub use about::{About, MethodAbout};
pub use check::check;
pub use error::SessionError;
pub use request::{Drawn, Request};
pub use session::{See, Session};
