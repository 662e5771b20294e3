//! Metrics of Pyroclast: how close samples are to the data, and how likely a model finds the data.
//!
//! - Distances between two clouds of points: [`wasserstein`], [`sliced_wasserstein`],
//!   [`energy_distance`].
//! - Comparisons of features, which a [`classifier`] or Inception ([`InceptionFeatures`]) computes:
//!   [`frechet_distance`], [`kernel_distance`], [`precision_recall`], all listed in
//!   [`FEATURE_METRICS`].
//! - Comparisons of tables, by column and together: [`table_scores`].
//! - What a model says about held-out data: [`likelihood`] and the variational bound [`elbo`].
//! - [`evaluate`] scores one model by all of these; [`comparison`] ranks samplers on one model.
//!
//! A cloud is a slice on the host: `[n, dim]`, row-major.
//!
//! ```
//! use pyroclast_metrics::wasserstein;
//!
//! // Three points of the plane, and the same three one unit to the right.
//! let x = [0.0, 0.0, 1.0, 0.0, 5.0, 2.0];
//! let y = [1.0, 0.0, 2.0, 0.0, 6.0, 2.0];
//! assert_eq!(wasserstein(&x, &y, 2), 1.0);
//! ```

#![warn(clippy::print_stdout, clippy::print_stderr)]

pub mod classifier;
pub mod comparison;
mod drawn;
pub mod elbo;
mod energy_distance;
pub mod evaluate;
mod feature_metric;
pub mod features;
mod inception;
pub mod likelihood;
mod map_rows;
mod memorisation;
mod moments;
mod path_energy;
pub mod reconstruction;
mod sliced;
mod spread;
mod squared_distance;
mod table;
mod wasserstein;

pub use energy_distance::energy_distance;
pub use feature_metric::*;
pub use inception::{InceptionFeatures, Resizing};
pub use memorisation::nearest_distances;
pub use moments::Moments;
pub use path_energy::normalised_path_energy;
pub use sliced::sliced_wasserstein;
pub use spread::Spread;
pub use table::{ColumnDistance, ColumnScore, Rows, TableScores, table_scores};
pub use wasserstein::{wasserstein, wasserstein_squared};
