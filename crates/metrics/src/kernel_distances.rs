//! The kernel distance of two clouds, and those of random subsets of both, off one matrix.

use crate::interval::{Interval, mean_and_error};
use nalgebra::DMatrix;
use pyroclast_core::noise::{Noise, Stream};
use rayon::prelude::*;

/// Rows of the kernel's matrix that a thread computes at once.
const ROWS: usize = 128;
/// The number of random subsets.
const SUBSETS: usize = 100;
/// The points of one. Clouds of less than twice as many have no such subsets.
const SUBSET: usize = 1000;

/// The unbiased estimates from two clouds and from random subsets of both.
#[derive(Debug)]
pub(crate) struct KernelDistances {
    /// That of all points.
    pub(crate) whole: f64,
    subsets: Vec<f64>,
    /// The points of a subset, and of the smaller cloud.
    sizes: [usize; 2],
}

impl KernelDistances {
    /// With 100 subsets of 1000 points, or none if a cloud has fewer than 2000.
    pub(crate) fn of(x: &[f32], y: &[f32], dim: usize) -> Self {
        let enough = x.len().min(y.len()) / dim >= 2 * SUBSET;
        Self::with(x, y, dim, if enough { SUBSETS } else { 0 }, SUBSET)
    }

    /// With as many random subsets of `size` points. All are read off the one matrix of the kernel,
    /// so that they cost `subsets·size²` additions, whatever the number of features.
    pub(crate) fn with(x: &[f32], y: &[f32], dim: usize, subsets: usize, size: usize) -> Self {
        let (n, m) = (x.len() / dim, y.len() / dim);
        assert!(
            n > 1 && m > 1,
            "an unbiased estimate needs two points of each cloud"
        );
        let mut draws = Noise::new(1).draws(Stream::Metric, 0);
        let mut chosen = |n: usize| -> Vec<Vec<usize>> {
            let mut subset = || {
                let mut rows = draws.permutation(n);
                rows.truncate(size);
                rows.sort_unstable();
                rows
            };
            (0..subsets).map(|_| subset()).collect()
        };
        // Rows on the host are columns here.
        let matrix = |z: &[f32]| {
            let values = z.iter().map(|&value| f64::from(value));
            DMatrix::from_iterator(dim, z.len() / dim, values)
        };
        let (x, y) = ((matrix(x), chosen(n)), (matrix(y), chosen(m)));
        let (cross, crosses) = sums_of_kernels([&x, &y], false);
        let ((of_x, ofs_x), (of_y, ofs_y)) = (
            sums_of_kernels([&x; 2], true),
            sums_of_kernels([&y; 2], true),
        );
        let distance = |within: [f64; 2], cross: f64, [n, m]: [usize; 2]| {
            let pairs = |n: usize| (n * (n - 1)) as f64;
            within[0] / pairs(n) + within[1] / pairs(m) - 2.0 * cross / (n * m) as f64
        };
        let of_subset = |i: usize| distance([ofs_x[i], ofs_y[i]], crosses[i], [size; 2]);
        Self {
            whole: distance([of_x, of_y], cross, [n, m]),
            subsets: (0..subsets).map(of_subset).collect(),
            sizes: [size, n.min(m)],
        }
    }

    /// The interval of the score of all points, `± t_{.975, B−1}·s·√(k/(n − k))`, with s the
    /// deviation over B subsets of k points; `None` without subsets.
    ///
    /// Subsets of fewer than Bk points overlap, so that s/√B is not the error of their mean: with
    /// ever more subsets it would be 0. Subsets of k of n points scatter about the whole by
    /// `σ·√(1/k − 1/n)`, and the whole does about the truth by `σ/√n`.
    pub(crate) fn interval(&self) -> Option<Interval> {
        let (_, error) = mean_and_error(&self.subsets)?;
        let ([k, n], b) = (self.sizes.map(|n| n as f64), self.subsets.len());
        let error = error * (b as f64 * k / (n - k)).sqrt();
        Some(Interval::around(self.whole, error, b - 1))
    }
}

/// `Σ_{ij} k(x_i, y_j)`, without i = j if the clouds are the same; and the same of each pair of
/// subsets. Blocks are summed in order: the sums do not depend on the number of threads.
fn sums_of_kernels(clouds: [&(DMatrix<f64>, Vec<Vec<usize>>); 2], same: bool) -> (f64, Vec<f64>) {
    let [(x, x_subsets), (y, y_subsets)] = clouds;
    let (dim, n) = x.shape();
    let block = |block: usize| {
        let first = block * ROWS;
        let rows = ROWS.min(n - first);
        let mut kernel = x.columns(first, rows).transpose() * y;
        for value in kernel.iter_mut() {
            *value = (*value / dim as f64 + 1.0).powi(3);
        }
        if same {
            (0..rows).for_each(|i| kernel[(i, first + i)] = 0.0);
        }
        let of_subset = |(of_x, of_y): (&Vec<usize>, &Vec<usize>)| -> f64 {
            let place = |row: usize| of_x.partition_point(|&i| i < row);
            let held = &of_x[place(first)..place(first + rows)];
            let of_column = |&j: &usize| -> f64 {
                let column = &kernel.as_slice()[j * rows..(j + 1) * rows];
                held.iter().map(|i| column[i - first]).sum()
            };
            of_y.iter().map(of_column).sum()
        };
        let subsets: Vec<f64> = x_subsets.iter().zip(y_subsets).map(of_subset).collect();
        (kernel.iter().sum::<f64>(), subsets)
    };
    let blocks: Vec<_> = (0..n.div_ceil(ROWS)).into_par_iter().map(block).collect();
    let mut subsets = vec![0.0; x_subsets.len()];
    for (_, parts) in &blocks {
        subsets
            .iter_mut()
            .zip(parts)
            .for_each(|(sum, part)| *sum += part);
    }
    (blocks.iter().map(|(sum, _)| sum).sum(), subsets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feature_metric::kernel_distance;
    use crate::spread::Spread;

    fn kernel(a: &[f32], b: &[f32]) -> f64 {
        let product: f64 = (a.iter().zip(b))
            .map(|(a, b)| f64::from(*a) * f64::from(*b))
            .sum();
        (product / a.len() as f64 + 1.0).powi(3)
    }

    #[test]
    fn blocks_equal_the_definition() {
        // Clouds of more than one block, of different sizes.
        let (n, m, dim) = (300, 131, 5);
        let mut draws = Noise::new(7).draws(Stream::Metric, 0);
        let x = draws.normals(n * dim);
        let y: Vec<f32> = draws.normals(m * dim).iter().map(|v| v + 0.5).collect();
        let row = |z: &[f32], i: usize| z[i * dim..(i + 1) * dim].to_vec();
        let mut expected = 0.0;
        for (z, n) in [(&x, n), (&y, m)] {
            for i in 0..n {
                for j in (0..n).filter(|&j| j != i) {
                    expected += kernel(&row(z, i), &row(z, j)) / (n * (n - 1)) as f64;
                }
            }
        }
        for i in 0..n {
            for j in 0..m {
                expected -= 2.0 * kernel(&row(&x, i), &row(&y, j)) / (n * m) as f64;
            }
        }
        let got = kernel_distance(&x, &y, dim);
        // Means of about 10⁵ numbers of size at most 10.
        assert!((got - expected).abs() < 1e-11, "{got} {expected}");
    }

    #[test]
    fn three_points_have_the_distance_worked_out_by_hand() {
        let x = [0.0, 1.0, 2.0, -1.0, 0.5, 0.5];
        let y = [1.0, 1.0, 0.0, 0.0, -1.0, 2.0];
        let got = kernel_distance(&x, &y, 2);
        assert!((got + 1.770_833_333_333_333).abs() < 1e-14, "{got}");
    }

    /// The biased estimate, in which x = x' and y = y' count, from unbiased ones of the clouds and
    /// of two of every point: pairs of two such copies are pairs of a point with itself.
    fn biased(x: &[f32], y: &[f32], dim: usize) -> f64 {
        let n = (x.len() / dim) as f64;
        let once = kernel_distance(x, y, dim);
        let twice = kernel_distance(&[x, x].concat(), &[y, y].concat(), dim);
        ((2.0 * n - 1.0) * twice - (n - 1.0) * once) / n
    }

    #[test]
    fn pairs_of_a_point_with_itself_would_make_it_biased() {
        let x = [0.0, 1.0, 2.0, -1.0, 0.5, 0.5];
        let y = [1.0, 1.0, 0.0, 0.0, -1.0, 2.0];
        let got = biased(&x, &y, 2);
        assert!((got - 8.303_819_444_444_443).abs() < 1e-13, "{got}");
    }

    #[test]
    fn points_with_the_moments_of_gaussians_have_their_distance() {
        // The points m ± 2·e_i of four dimensions have the moments of N(m, I) up to the third, and
        // the kernel reads no others.
        let points = |mean: f32| -> Vec<f32> {
            let mut points = vec![mean; 8 * 4];
            for (k, point) in points.chunks_exact_mut(4).enumerate() {
                point[k / 2] += [2.0, -2.0][k % 2];
            }
            points
        };
        let got = biased(&points(0.0), &points(0.5), 4);
        assert!((got - 1.328_125).abs() < 1e-13, "{got}");
    }

    #[test]
    fn subsets_equal_those_scored_alone() {
        // More rows than a block has, and subsets that overlap.
        let (n, dim, size) = (300, 3, 150);
        let mut draws = Noise::new(9).draws(Stream::Metric, 0);
        let (x, y) = (draws.normals(n * dim), draws.normals(n * dim));
        let found = KernelDistances::with(&x, &y, dim, 4, size);
        let mut draws = Noise::new(1).draws(Stream::Metric, 0);
        let mut chosen = |z: &[f32]| -> Vec<Vec<f32>> {
            let mut subset = || {
                let rows = draws.permutation(n);
                let row = |&i: &usize| z[i * dim..][..dim].to_vec();
                rows[..size].iter().flat_map(row).collect()
            };
            (0..4).map(|_| subset()).collect()
        };
        let (of_x, of_y) = (chosen(&x), chosen(&y));
        assert_eq!(found.subsets.len(), 4);
        for ((x, y), got) in of_x.iter().zip(&of_y).zip(found.subsets) {
            let expected = kernel_distance(x, y, dim);
            assert!((got - expected).abs() < 1e-12, "{got} {expected}");
        }
        assert!((found.whole - kernel_distance(&x, &y, dim)).abs() < 1e-12);
    }

    #[test]
    fn intervals_cover_the_distance_of_the_distributions() {
        // N(0, I) against N(½, I) in four dimensions, 1.328125, from 200 points each: of 200
        // intervals, 190 ± 5√9.5 contain it.
        let covered = (0..200).filter(|&k| {
            let mut draws = Noise::new(23).draws(Stream::Metric, k);
            let x = draws.normals(800);
            let y: Vec<f32> = draws.normals(800).iter().map(|v| v + 0.5).collect();
            let found = KernelDistances::with(&x, &y, 4, SUBSETS, 50);
            found.interval().expect("subsets").contains(1.328_125)
        });
        let covered = covered.count();
        assert!(covered >= 175, "{covered}");
    }

    #[test]
    fn large_clouds_have_subsets() {
        let mut draws = Noise::new(10).draws(Stream::Metric, 0);
        let (x, y) = (draws.normals(2000), draws.normals(2100));
        let found = KernelDistances::of(&x, &y, 1);
        assert_eq!((found.subsets.len(), found.sizes), (100, [1000, 2000]));
        assert!(KernelDistances::of(&x[1..], &y, 1).interval().is_none());
    }

    #[test]
    fn gaussians_have_the_distance_of_their_moments() {
        // E(u/d + 1)³ for u = xᵀy of independent points of N(m, I) and N(m', I).
        let expected = |m: f64, m2: f64| {
            let d = 4.0;
            let (dot, a, b) = (d * m * m2, d * m * m, d * m2 * m2);
            let second = dot * dot + a + b + d;
            let third = dot.powi(3) + 3.0 * dot * (a + b + d) + 6.0 * dot;
            1.0 + 3.0 * dot / d + 3.0 * second / (d * d) + third / d.powi(3)
        };
        let distance = expected(0.0, 0.0) + expected(0.5, 0.5) - 2.0 * expected(0.0, 0.5);
        assert!((distance - 1.328_125).abs() < 1e-15, "{distance}");
        let values: Vec<f64> = (0..100)
            .map(|k| {
                let mut draws = Noise::new(14).draws(Stream::Metric, k);
                let x = draws.normals(400);
                let y: Vec<f32> = draws.normals(400).iter().map(|v| v + 0.5).collect();
                kernel_distance(&x, &y, 4)
            })
            .collect();
        let spread = Spread::of(&values);
        let error = spread.std.expect("several draws") / 10.0;
        assert!((spread.mean - distance).abs() < 5.0 * error, "{spread:?}");
        assert!(error < 0.1, "{error}");
    }

    #[test]
    fn equal_distributions_are_at_zero_on_average() {
        // 400 draws of 10 points each. If i = j counted, the mean would be
        // 2·(E k(x, x) − E k(x, x'))/10 > 1.
        let (draws, n, dim) = (400, 10, 3);
        let values: Vec<f64> = (0..draws)
            .map(|k| {
                let mut draws = Noise::new(8).draws(Stream::Metric, k);
                let (x, y) = (draws.normals(n * dim), draws.normals(n * dim));
                kernel_distance(&x, &y, dim)
            })
            .collect();
        let spread = Spread::of(&values);
        let error = spread.std.expect("several draws") / (draws as f64).sqrt();
        assert!(spread.mean.abs() < 5.0 * error, "{spread:?}");
        assert!(error < 0.1, "{error}");
    }
}
