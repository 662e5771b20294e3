//! Two clouds of features, and what several metrics of them share.

use crate::kernel_distances::KernelDistances;
use crate::neighbours::Neighbours;
use std::sync::OnceLock;

/// Two clouds of features: of real data and of samples.
///
/// What several metrics need is computed once.
#[derive(Debug)]
pub struct Clouds<'a> {
    pub(crate) real: &'a [f32],
    pub(crate) fake: &'a [f32],
    pub(crate) dim: usize,
    neighbours: OnceLock<Neighbours>,
    kernel_distances: OnceLock<KernelDistances>,
}

impl<'a> Clouds<'a> {
    /// Two clouds.
    ///
    /// # Shapes
    /// - real: `[n, dim]`, fake: `[m, dim]`, row-major
    ///
    /// # Panics
    /// If a cloud is not a whole number of points.
    pub fn new(real: &'a [f32], fake: &'a [f32], dim: usize) -> Self {
        for cloud in [real, fake] {
            assert!(cloud.len().is_multiple_of(dim), "points of {dim} numbers");
        }
        Self {
            real,
            fake,
            dim,
            neighbours: OnceLock::new(),
            kernel_distances: OnceLock::new(),
        }
    }

    /// The number of real points, and of samples.
    pub fn sizes(&self) -> [usize; 2] {
        [self.real, self.fake].map(|cloud| cloud.len() / self.dim)
    }

    /// Whether both clouds have at least this many points.
    pub(crate) fn have(&self, points: usize) -> bool {
        self.sizes().into_iter().all(|n| n >= points)
    }

    /// Which points lie in whose balls; `None` if some point has no `k`-th neighbour.
    pub(crate) fn neighbours(&self, k: usize) -> Option<&Neighbours> {
        let found = || Neighbours::of(self.real, self.fake, self.dim);
        (self.have(k + 1)).then(|| self.neighbours.get_or_init(found))
    }

    /// The kernel distances of the clouds and of their subsets; `None` if a cloud is one point.
    pub(crate) fn kernel_distances(&self) -> Option<&KernelDistances> {
        let found = || KernelDistances::of(self.real, self.fake, self.dim);
        (self.have(2)).then(|| self.kernel_distances.get_or_init(found))
    }
}
