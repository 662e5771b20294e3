//! Exact fields: the closed forms that a trained network approximates.
//!
//! They implement the traits of [`crate::field`] like any network, are what the tests check every
//! method against, and serve as teachers and baselines in their own right.

mod dataset;
mod gaussian;
mod gaussian_bridge;
mod marginal;
mod matrix;
mod mixture;
mod quantile_map;

pub use dataset::Dataset;
pub use gaussian::Gaussian;
pub use gaussian_bridge::GaussianBridge;
pub use marginal::Marginal;
pub use mixture::GaussianMixture;
pub use quantile_map::QuantileMap;
