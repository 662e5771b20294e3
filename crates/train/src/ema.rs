//! Moving averages of the parameters: the one that samples are drawn from, others beside it, and any width after the fact.
//!
//! `θ̄_k = d_k·θ̄_{k−1} + (1 − d_k)·θ_k`
//!
//! [`Ema`] is the average of `training.ema`. An [`Average`] is a further one, under a [`Law`]: another rate, or a power of the
//! step. Snapshots of power-function averages span those of all other widths, so [`coefficients`] of a width that was never kept
//! are found after training. [`Latest`] gives the parameters of a run by an [`Averaged`] choice.

mod average;
mod averaged;
mod exponential;
mod law;
mod load;
mod profile;
mod reconstruction;
mod snapshot;
mod width;

pub use average::Average;
pub use averaged::Averaged;
pub use exponential::Ema;
pub use law::Law;
pub use load::{AveragedError, Latest};
pub use profile::Profile;
pub use reconstruction::{coefficients, relative_error};
pub(crate) use snapshot::save_snapshot;
pub use width::{WIDTHS, gamma_of_width, width_of_gamma};
