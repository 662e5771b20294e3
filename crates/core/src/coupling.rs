//! Couplings: which source point a data point is paired with.
//!
//! `π = argmin over permutations of Σᵢ ‖x0ᵢ − x1_π(i)‖²` for optimal transport; the identity for independence
//!
//! Source: Tong et al. 2024 and Pooladian et al. 2023 (minibatch optimal transport).

use crate::assignment::assign_points;

/// How the points of a batch are paired. Always a permutation: no row is lost and none is used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Coupling {
    /// As they come, which is an independent draw of pairs.
    #[default]
    Independent,
    /// Exact optimal transport for the squared Euclidean cost within the batch.
    OptimalTransport,
}

impl Coupling {
    /// For each row of `x0`, the row of `x1` that it is paired with.
    ///
    /// # Shapes
    /// - x0, x1: `[n, dim]`, row-major
    ///
    /// # Panics
    /// If the two hold different numbers of points, or a coordinate is not finite.
    pub fn pairs(self, x0: &[f32], x1: &[f32], dim: usize) -> Vec<usize> {
        assert_eq!(x0.len(), x1.len(), "both clouds hold the same points");
        match self {
            Self::Independent => (0..x0.len() / dim.max(1)).collect(),
            Self::OptimalTransport => assign_points(x0, x1, dim),
        }
    }
}
