//! Which points of one cloud lie in the balls around the points of another.
//!
//! `y ∈ B(x)` if `‖y − x‖ ≤ r_k(x)`, with `r_k` the distance to the k-th nearest other point of
//! x's own cloud

use crate::squared_distance::squared_distance;
use rayon::prelude::*;
use std::sync::atomic::{AtomicU32, Ordering};

/// The number of neighbours of precision and recall that Kynkäänniemi et al. 2019 recommend.
pub const NEIGHBOURS: usize = 3;
/// The number of neighbours of density and coverage that Naeem et al. 2020 recommend.
pub const DENSITY_NEIGHBOURS: usize = 5;

/// How many balls of the other cloud hold a point, for all points of two clouds.
#[derive(Debug)]
pub(crate) struct Neighbours {
    /// For each sample, whether a ball of [`NEIGHBOURS`] around a real point holds it.
    pub(crate) precise: Vec<bool>,
    /// For each real point, whether a ball of [`NEIGHBOURS`] around a sample holds it.
    pub(crate) recalled: Vec<bool>,
    /// For each sample, how many balls of [`DENSITY_NEIGHBOURS`] around real points hold it.
    pub(crate) density: Vec<u32>,
    /// For each real point, whether its ball of [`DENSITY_NEIGHBOURS`] holds a sample.
    pub(crate) covered: Vec<bool>,
}

impl Neighbours {
    /// With the recommended numbers of neighbours, or fewer where there are not as many.
    ///
    /// It takes `(n² + m² + nm)·dim` operations, and memory for a few numbers per point.
    pub(crate) fn of(real: &[f32], fake: &[f32], dim: usize) -> Self {
        let most = (real.len().min(fake.len()) / dim).saturating_sub(1);
        let numbers = [NEIGHBOURS, DENSITY_NEIGHBOURS].map(|k| k.min(most));
        Self::with(real, fake, dim, numbers)
    }

    /// With balls of other numbers of neighbours: of precision and recall, and of density and
    /// coverage.
    pub(crate) fn with(real: &[f32], fake: &[f32], dim: usize, [k, l]: [usize; 2]) -> Self {
        let of_real = squared_radii(real, dim, [k, l]);
        let of_fake = squared_radii(fake, dim, [k]);
        let held = || -> Vec<AtomicU32> {
            let samples = fake.chunks_exact(dim);
            samples.map(|_| AtomicU32::new(0)).collect()
        };
        let (precise, density) = (held(), held());
        // Counts do not depend on the order in which threads add to them.
        let of_point = |(x, radii): (&[f32], &[f64; 2])| {
            let (mut recalled, mut covered) = (false, false);
            for (j, y) in fake.chunks_exact(dim).enumerate() {
                let distance = squared_distance(x, y);
                recalled |= distance <= of_fake[j][0];
                if distance <= radii[0] {
                    precise[j].fetch_add(1, Ordering::Relaxed);
                }
                if distance <= radii[1] {
                    density[j].fetch_add(1, Ordering::Relaxed);
                    covered = true;
                }
            }
            (recalled, covered)
        };
        let (recalled, covered) = real
            .par_chunks_exact(dim)
            .zip(&of_real)
            .map(of_point)
            .unzip();
        let counts = |held: Vec<AtomicU32>| held.into_iter().map(AtomicU32::into_inner);
        Self {
            precise: counts(precise).map(|balls| balls > 0).collect(),
            recalled,
            density: counts(density).collect(),
            covered,
        }
    }
}

/// The share of points for which it is true.
pub(crate) fn share(points: &[bool]) -> f64 {
    points.iter().filter(|&&is| is).count() as f64 / points.len() as f64
}

/// `r_k²` of each point, for each k.
pub(crate) fn squared_radii<const K: usize>(
    cloud: &[f32],
    dim: usize,
    ks: [usize; K],
) -> Vec<[f64; K]> {
    let n = cloud.len() / dim;
    let most = ks.into_iter().max().expect("a number of neighbours");
    for k in ks {
        assert!(
            0 < k && k < n,
            "a {k}-th neighbour needs more than {k} points, not {n}"
        );
    }
    let radius = |(i, point): (usize, &[f32])| {
        let mut nearest = vec![f64::INFINITY; most];
        for (j, other) in cloud.chunks_exact(dim).enumerate() {
            let distance = squared_distance(point, other);
            if i != j && distance < nearest[most - 1] {
                let place = nearest.partition_point(|&d| d <= distance);
                nearest[place..].rotate_right(1);
                nearest[place] = distance;
            }
        }
        ks.map(|k| nearest[k - 1])
    };
    cloud
        .par_chunks_exact(dim)
        .enumerate()
        .map(radius)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn radii_reach_to_the_kth_other_point() {
        // On a line at 0, 1, 3, 7, 7.
        let line = [0.0, 1.0, 3.0, 7.0, 7.0];
        let radii = |k| squared_radii(&line, 1, [k]).concat();
        assert_eq!(radii(1), [1.0, 1.0, 4.0, 0.0, 0.0]);
        assert_eq!(radii(2), [9.0, 4.0, 9.0, 16.0, 16.0]);
        assert_eq!(radii(4), [49.0, 36.0, 16.0, 49.0, 49.0]);
        assert_eq!(squared_radii(&line, 1, [1, 4])[2], [4.0, 16.0]);
    }
}
