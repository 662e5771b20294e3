//! Metrics of Pyroclast: how close samples are to the data, and how likely a model finds the data.
//!
//! - Distances between two clouds of points: [`wasserstein`], [`sliced_wasserstein`],
//!   [`energy_distance`], [`mmd_squared`]; and whether a classifier can tell them apart,
//!   [`two_sample`].
//! - Comparisons of features, which a [`classifier`] or Inception ([`InceptionFeatures`]) computes:
//!   [`frechet_distance`], [`kernel_distance`], [`precision_recall`], [`density_coverage`], all
//!   listed in [`FEATURE_METRICS`].
//! - Comparisons of tables, by column and together: [`table_scores`]; of the modes of a mixture:
//!   [`mode_coverage`].
//! - How far a score can be believed: [`Interval`], over repetitions or from [`subset_scores`].
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
mod clouds;
pub mod comparison;
mod drawn;
pub mod elbo;
mod energy_distance;
mod estimate;
pub mod evaluate;
mod feature_metric;
pub mod features;
mod inception;
mod interval;
mod kernel_distances;
pub mod likelihood;
mod map_rows;
mod memorisation;
mod mmd;
mod mode_coverage;
mod moments;
mod neighbours;
mod path_energy;
pub mod reconstruction;
mod sliced;
mod spread;
mod squared_distance;
mod subsets;
mod table;
mod two_sample;
mod wasserstein;

pub use clouds::Clouds;
pub use energy_distance::energy_distance;
pub use estimate::Estimate;
pub use feature_metric::*;
pub use inception::{InceptionFeatures, Resizing};
pub use interval::Interval;
pub use memorisation::nearest_distances;
pub use mmd::{median_distance, mmd_squared};
pub use mode_coverage::{ModeCoverage, expected_divergence, expected_modes, mode_coverage};
pub use moments::Moments;
pub use neighbours::{DENSITY_NEIGHBOURS, NEIGHBOURS};
pub use path_energy::normalised_path_energy;
pub use sliced::sliced_wasserstein;
pub use spread::Spread;
pub use subsets::{SUBSETS, subset_interval, subset_scores};
pub use table::{ColumnDistance, ColumnScore, Rows, TableScores, table_scores};
pub use two_sample::{TwoSample, two_sample};
pub use wasserstein::{wasserstein, wasserstein_squared};
