//! The kernel distance between two clouds of features.
//!
//! `MMD² = E k(x, x') + E k(y, y') − 2·E k(x, y)`, with `k(x, y) = (xᵀy/d + 1)³`,
//! unbiased: x ≠ x' and y ≠ y'
//!
//! Source: Gretton et al. 2012, eq. 3; with this kernel on features of images: Bińkowski et al.
//! 2018, §4, where it is called KID. They report the mean and the deviation over 100 random subsets
//! of 1000 points. The score here is of all points: its expectation is the same, and its error is
//! smaller. Those subsets tell the error ([`KernelDistances::interval`]).

use crate::feature_metric::{FeatureMetric, Uncertainty};
use crate::kernel_distances::KernelDistances;

pub(crate) const KERNEL: FeatureMetric = FeatureMetric {
    key: "kid",
    name: "KID",
    floor_key: None,
    uncertainty: Uncertainty::RandomSubsets,
    score: |clouds| Some(clouds.kernel_distances()?.whole),
};

/// The unbiased estimate of MMD² from two clouds. For equal distributions it scatters around 0, so
/// it can be negative.
///
/// [`FeatureMetric::interval`] gives it the interval of 100 random subsets of 1000 points, which is
/// corrected for their overlap; and that of ten disjoint subsets below 2000 points.
///
/// # Shapes
/// - x: `[n, dim]`, y: `[m, dim]`, row-major
///
/// # Panics
/// If a cloud has fewer than two points.
pub fn kernel_distance(x: &[f32], y: &[f32], dim: usize) -> f64 {
    KernelDistances::with(x, y, dim, 0, 0).whole
}
