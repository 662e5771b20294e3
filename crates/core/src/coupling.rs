//! Couplings: which source point a data point is paired with.
//!
//! `π = argmin over permutations of Σᵢ ‖x0ᵢ − x1_π(i)‖²` for optimal transport, the identity for
//! independence, and `π(i) ~ exp((fᵢ + gⱼ − ‖x0ᵢ − x1ⱼ‖²)/ε)` for entropic transport. Unbalanced and
//! partial transport leave points over, such as outliers.
//!
//! Source: Tong et al. 2024 and Pooladian et al. 2023 (minibatch optimal transport); Chizat et al.
//! 2018 (unbalanced transport).

mod class;
mod cost;
mod entropic;
mod exponential;
mod newton;
mod partial;
mod regularisation;
mod scaling;
mod sinkhorn;

pub use class::assign_within_classes;
pub use entropic::EntropicCoupling;
pub use partial::assign_partially;
pub use regularisation::Regularisation;
pub use sinkhorn::Sinkhorn;

use crate::assignment::assign_points;
use crate::named;
use crate::named::{POSITIVE, Range};
use crate::noise::Draws;
use std::fmt::Debug;
use std::sync::Arc;

/// The marginal error at which an entropic plan is good enough to draw pairs from.
const PAIRING_ERROR: f64 = 1e-3;

named! {
    /// How the points of a batch are paired.
    ///
    /// ```
    /// use pyroclast_core::coupling::Coupling;
    /// use pyroclast_core::noise::{Noise, Stream};
    ///
    /// let (x0, x1) = ([0.0, 1.0, 2.0], [2.1, 0.1, 1.1]);
    /// let mut draws = Noise::new(0).draws(Stream::Coupling, 0);
    /// let pairs = Coupling::OptimalTransport.pairs(&x0, &x1, 1, None, &mut draws);
    /// assert_eq!(pairs, [(0, 1), (1, 2), (2, 0)]); // x0[0] with x1[1], …
    /// ```
    ///
    /// The named ones but [`Coupling::Sinkhorn`], [`Coupling::Unbalanced`] and
    /// [`Coupling::Partial`] are permutations: no row is lost and none is used twice.
    #[derive(Clone)]
    pub enum Coupling as "coupling" {
        /// No reordering: pairs are independent.
        "independent" => Independent,
        /// No reordering either: the pairs are those of a teacher, or a teacher that learned from
        /// such pairs says how they move. So that, unlike independent ones, they tell no score.
        "given" => Given,
        /// Exact optimal transport for the squared Euclidean cost within the batch.
        "optimal-transport" | "ot" => OptimalTransport,
        /// Exact optimal transport within each class of labels, so that a label says nothing about
        /// the noise that it is learned with.
        "class-optimal-transport" | "class-ot" => ClassOptimalTransport,
        /// Draws from the entropic optimal transport plan of the batch (Tong et al. 2024,
        /// Schrödinger-bridge CFM).
        ///
        /// Each source point draws its data point independently, so a data point may be drawn twice
        /// and another not at all. That is the plan's nature; in the mean over draws every data
        /// point counts the same.
        "sinkhorn" => Sinkhorn(regularisation: Regularisation = Regularisation::Auto),
        /// Draws from the unbalanced entropic plan of the batch, which may miss its marginals
        /// (Chizat et al. 2018): a point that is far from all others, such as an outlier, is seldom
        /// drawn.
        "unbalanced" => Unbalanced {
            /// The regularisation ε.
            epsilon: Regularisation = Regularisation::Auto,
            /// λ, the price of missing the marginals, in units of the cost: pairs whose squared
            /// distance is far above 2λ are given up.
            lambda: f64 = 10.0 => POSITIVE,
        },
        /// Exact optimal transport of a share of the batch, the cheapest to move (Chapel et al.
        /// 2020); its pairs are repeated to fill the batch.
        "partial" => Partial {
            /// The share of the points that is moved.
            mass: f64 = 0.9 => Range {
                holds: |mass| *mass > 0.0 && *mass <= 1.0,
                remedy: "give a share above 0, and at most 1",
            },
        },
    } else {
        /// A coupling of the user's own.
        Custom(Arc<dyn Pairing>)
    }
}

/// A way of pairing the points of a batch.
///
/// It is called from several threads at once, for batches in no particular order, and so has to be
/// a function of its arguments.
pub trait Pairing: Debug + Send + Sync {
    /// As many pairs as there are points, of a row of `x0` and a row of `x1`; see
    /// [`Coupling::pairs`].
    fn pairs(
        &self,
        x0: &[f32],
        x1: &[f32],
        dim: usize,
        labels: Option<&[u32]>,
        draws: &mut Draws,
    ) -> Vec<(usize, usize)>;
}

/// Independent pairs.
impl Default for Coupling {
    fn default() -> Self {
        Self::Independent
    }
}

/// Couplings of the user's own are equal where they are the same value in memory.
impl PartialEq for Coupling {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Sinkhorn(a), Self::Sinkhorn(b)) => a == b,
            (
                Self::Unbalanced { epsilon, lambda },
                Self::Unbalanced {
                    epsilon: e,
                    lambda: l,
                },
            ) => epsilon == e && lambda == l,
            (Self::Partial { mass: a }, Self::Partial { mass: b }) => a == b,
            (Self::Custom(a), Self::Custom(b)) => Arc::ptr_eq(a, b),
            (Self::Custom(_), _) => false,
            _ => self.name() == other.name(),
        }
    }
}

impl Coupling {
    /// As many pairs as there are points, each of a row of `x0` and a row of `x1`.
    ///
    /// Couplings that leave points over use others more than once. `labels` are the classes of the
    /// rows of `x1`, read only by [`Coupling::ClassOptimalTransport`], which without them is optimal
    /// transport over the whole batch. Of the named couplings only [`Coupling::Sinkhorn`] and
    /// [`Coupling::Unbalanced`] draw: once per pair.
    ///
    /// # Shapes
    /// - x0, x1: `[n, dim]`, row-major
    /// - labels: `[n]`
    ///
    /// # Panics
    /// If the two hold different numbers of points, there is not one label per point, a coordinate
    /// is not finite, or a parameter is out of range.
    pub fn pairs(
        &self,
        x0: &[f32],
        x1: &[f32],
        dim: usize,
        labels: Option<&[u32]>,
        draws: &mut Draws,
    ) -> Vec<(usize, usize)> {
        assert_eq!(x0.len(), x1.len(), "both clouds hold the same points");
        let n = x0.len() / dim.max(1);
        let permuted = |columns: Vec<usize>| columns.into_iter().enumerate().collect();
        match (self, labels) {
            (Self::Independent | Self::Given, _) => permuted((0..n).collect()),
            (Self::ClassOptimalTransport, Some(labels)) => {
                permuted(assign_within_classes(x0, x1, dim, labels))
            }
            (Self::OptimalTransport | Self::ClassOptimalTransport, _) => {
                permuted(assign_points(x0, x1, dim))
            }
            (Self::Custom(pairing), labels) => pairing.pairs(x0, x1, dim, labels, draws),
            (Self::Sinkhorn(epsilon), _) => drawn(x0, x1, dim, *epsilon, f64::INFINITY, draws),
            (Self::Unbalanced { epsilon, lambda }, _) => {
                drawn(x0, x1, dim, *epsilon, *lambda, draws)
            }
            (Self::Partial { mass }, _) => {
                let kept = assign_partially(x0, x1, dim, *mass);
                kept.iter().copied().cycle().take(n).collect()
            }
        }
    }
}

/// Draws from an entropic plan.
fn drawn(
    x0: &[f32],
    x1: &[f32],
    dim: usize,
    epsilon: Regularisation,
    lambda: f64,
    draws: &mut Draws,
) -> Vec<(usize, usize)> {
    let mut cost = cost::squared_distances(x0, x1, dim);
    let epsilon = epsilon.epsilon(&cost);
    // The same amount off every cost changes no share of the mass, which without it may be less than
    // a double can hold.
    let least = cost.iter().copied().fold(f64::INFINITY, f64::min);
    cost.iter_mut().for_each(|cost| *cost -= least);
    // A pair is drawn per row: what the columns miss by is far below the noise of that.
    let sinkhorn = Sinkhorn {
        tolerance: PAIRING_ERROR,
        lambda,
        ..Sinkhorn::new(epsilon)
    };
    sinkhorn.solve(cost, x0.len() / dim).pairs(draws)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::{Noise, Stream};

    fn draws(step: u64) -> Draws {
        Noise::new(5).draws(Stream::Coupling, step)
    }

    fn clouds(n: usize, dim: usize) -> [Vec<f32>; 2] {
        [0, 1].map(|step| Noise::new(6).draws(Stream::Source, step).normals(n * dim))
    }

    fn entropic(epsilon: f64) -> Coupling {
        Coupling::Sinkhorn(Regularisation::Fixed(epsilon))
    }

    fn unbalanced(epsilon: f64, lambda: f64) -> Coupling {
        Coupling::Unbalanced {
            epsilon: Regularisation::Fixed(epsilon),
            lambda,
        }
    }

    #[test]
    fn independent_pairs_stay_as_they_come() {
        let [x0, x1] = clouds(7, 2);
        let pairs = Coupling::Independent.pairs(&x0, &x1, 2, None, &mut draws(0));
        assert_eq!(pairs, (0..7).map(|i| (i, i)).collect::<Vec<_>>());
    }

    #[test]
    fn without_labels_classes_are_one() {
        let [x0, x1] = clouds(40, 3);
        let whole = Coupling::OptimalTransport.pairs(&x0, &x1, 3, None, &mut draws(0));
        let classes = Coupling::ClassOptimalTransport.pairs(&x0, &x1, 3, None, &mut draws(0));
        assert_eq!(whole, classes);
        let one = [4; 40];
        let classes = Coupling::ClassOptimalTransport.pairs(&x0, &x1, 3, Some(&one), &mut draws(0));
        assert_eq!(whole, classes);
        // Two classes forbid what one allows, or the labels were not read.
        let two: Vec<u32> = (0..40).map(|i| i % 2).collect();
        let apart = Coupling::ClassOptimalTransport.pairs(&x0, &x1, 3, Some(&two), &mut draws(0));
        assert_ne!(whole, apart);
    }

    #[test]
    fn entropic_pairs_are_a_function_of_the_draws() {
        let [x0, x1] = clouds(64, 2);
        let pairs = |step| entropic(1.0).pairs(&x0, &x1, 2, None, &mut draws(step));
        assert_eq!(pairs(0), pairs(0));
        assert_ne!(pairs(0), pairs(1));
        assert!(pairs(0).iter().all(|&(i, j)| i < 64 && j < 64));
    }

    #[test]
    fn entropic_pairs_take_one_draw_a_row() {
        let [x0, x1] = clouds(9, 2);
        let mut used = draws(0);
        entropic(1.0).pairs(&x0, &x1, 2, None, &mut used);
        let mut expected = draws(0);
        expected.uniforms(9);
        assert_eq!(used.bits(), expected.bits());
    }

    #[test]
    fn little_regularisation_draws_the_optimal_permutation() {
        let x0: Vec<f32> = (0..12).map(|i| i as f32).collect();
        let x1: Vec<f32> = (0..12).rev().map(|i| i as f32 + 0.25).collect();
        let exact = Coupling::OptimalTransport.pairs(&x0, &x1, 1, None, &mut draws(0));
        for step in 0..100 {
            // As much mass crosses a gap between neighbours to the right as to the left, and a
            // crossing and its answer together weigh e^(−2/ε) = e⁻¹⁰⁰ of what stays: each has a
            // chance of e⁻⁵⁰.
            let drawn = entropic(0.02).pairs(&x0, &x1, 1, None, &mut draws(step));
            assert_eq!(drawn, exact);
        }
    }

    #[test]
    fn a_relative_regularisation_does_not_depend_on_the_unit() {
        let [x0, x1] = clouds(32, 2);
        let relative = Coupling::Sinkhorn(Regularisation::OfMeanCost(0.05));
        let pairs = relative.pairs(&x0, &x1, 2, None, &mut draws(0));
        // Powers of two scale exactly.
        let scaled = |x: &[f32]| x.iter().map(|x| 64.0 * x).collect::<Vec<_>>();
        let (y0, y1) = (scaled(&x0), scaled(&x1));
        assert_eq!(pairs, relative.pairs(&y0, &y1, 2, None, &mut draws(0)));
    }

    #[test]
    fn unbalanced_pairs_leave_outliers_over_however_far_they_are() {
        let n = 32;
        for far in [1e2, 1e5] {
            let [mut x0, mut x1] = clouds(n, 2);
            x0[0] += far;
            x1[2 * n - 1] -= far;
            let mut used = draws(0);
            let pairs = unbalanced(0.5, 2.0).pairs(&x0, &x1, 2, None, &mut used);
            assert_eq!(pairs.len(), n);
            assert!(pairs.iter().all(|&(i, j)| i > 0 && j < n - 1), "{far}");
            // Without the relaxation every row is used.
            let balanced = entropic(0.5).pairs(&x0, &x1, 2, None, &mut draws(0));
            assert!(balanced.iter().map(|pair| pair.0).eq(0..n));
        }
        // All pairs are far, and one of them is drawn all the same.
        let [x0, x1] = [[0.0, 1.0], [1e4, 1e4 + 1.0]];
        let pairs = unbalanced(0.1, 0.1).pairs(&x0, &x1, 1, None, &mut draws(0));
        assert_eq!(pairs, [(1, 0), (1, 0)]);
    }

    #[test]
    fn partial_pairs_fill_the_batch() {
        let [x0, x1] = clouds(10, 2);
        let partial = Coupling::Partial { mass: 0.7 };
        let pairs = partial.pairs(&x0, &x1, 2, None, &mut draws(0));
        let kept = assign_partially(&x0, &x1, 2, 0.7);
        assert_eq!(pairs, [&kept[..], &kept[..3]].concat());
    }

    #[test]
    fn no_points_have_no_pairs() {
        for coupling in [
            Coupling::Independent,
            Coupling::OptimalTransport,
            Coupling::ClassOptimalTransport,
            entropic(1.0),
            Coupling::Sinkhorn(Regularisation::OfMeanCost(0.05)),
            unbalanced(1.0, 1.0),
            Coupling::Partial { mass: 0.5 },
        ] {
            let pairs = coupling.pairs(&[], &[], 2, Some(&[]), &mut draws(0));
            assert!(pairs.is_empty(), "{coupling:?}");
        }
    }
}
