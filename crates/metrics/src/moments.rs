//! Mean and covariance of features, and files of them.
//!
//! `μ = (1/n)·Σ x_i, Σ = (1/(n − 1))·Σ (x_i − μ)(x_i − μ)ᵀ`

use nalgebra::{DMatrix, DVector, SymmetricEigen};
use pyroclast_data::{Array, DataError, Numbers, read_npz_arrays, write_npz};
use std::io::{self, Seek, Write};
use std::path::Path;

/// Rows whose outer products are summed in one matrix product.
const ROWS: usize = 1024;

/// Mean and covariance of a cloud of features.
#[derive(Debug, Clone, PartialEq)]
pub struct Moments {
    pub(crate) mean: DVector<f64>,
    pub(crate) covariance: DMatrix<f64>,
}

impl Moments {
    /// The sample mean and the unbiased covariance (n − 1) of a cloud.
    ///
    /// # Shapes
    /// - cloud: `[n, dim]`, row-major
    ///
    /// # Panics
    /// If there are fewer than two points.
    pub fn of(cloud: &[f32], dim: usize) -> Self {
        let n = cloud.len() / dim;
        assert!(n > 1, "a covariance needs two points, not {n}");
        let mut mean = DVector::<f64>::zeros(dim);
        for row in cloud.chunks_exact(dim) {
            for (sum, &value) in mean.iter_mut().zip(row) {
                *sum += f64::from(value);
            }
        }
        mean /= n as f64;
        let mut covariance = DMatrix::<f64>::zeros(dim, dim);
        for rows in cloud.chunks(ROWS * dim) {
            // Rows on the host are columns here.
            let mut centred = DMatrix::from_iterator(
                dim,
                rows.len() / dim,
                rows.iter().map(|&value| f64::from(value)),
            );
            for mut column in centred.column_iter_mut() {
                column -= &mean;
            }
            covariance.gemm(1.0, &centred, &centred.transpose(), 1.0);
        }
        Self {
            mean,
            covariance: symmetric(covariance / (n - 1) as f64),
        }
    }

    /// The number of features.
    pub fn dim(&self) -> usize {
        self.mean.len()
    }

    /// The moments in a `.npz` file of `mu` and `sigma`, as pytorch-fid, EDM and guided-diffusion
    /// write them; `None` if it has no such arrays.
    ///
    /// # Errors
    /// [`DataError`]: the file cannot be read or is damaged, or the two do not fit together.
    pub fn read(path: &Path) -> Result<Option<Self>, DataError> {
        let [Some(mean), Some(covariance)] = read_npz_arrays(path, ["mu", "sigma"])? else {
            return Ok(None);
        };
        let dim = mean.shape.iter().product::<usize>();
        let wrong = |reason: String| DataError::Array {
            path: path.into(),
            reason,
        };
        if dim == 0 || covariance.shape != [dim, dim] {
            return Err(wrong(format!(
                "holds a mean of shape {:?} and a covariance of shape {:?}; give [k] and [k, k]",
                mean.shape, covariance.shape
            )));
        }
        let (mean, covariance) = (mean.into_reals(), covariance.into_reals());
        if let Some(value) = mean.iter().chain(&covariance).find(|x| !x.is_finite()) {
            return Err(wrong(format!("holds {value}; give finite moments")));
        }
        Ok(Some(Self {
            mean: DVector::from_vec(mean),
            // Row by row or column by column is the same for a symmetric matrix.
            covariance: symmetric(DMatrix::from_vec(dim, dim, covariance)),
        }))
    }

    /// Writes a `.npz` file of `mu` and `sigma` in double precision.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, file: impl Write + Seek) -> io::Result<()> {
        let array = |shape: Vec<usize>, values: &[f64]| Array {
            shape,
            numbers: Numbers::Reals(values.to_vec()),
        };
        let dim = self.dim();
        write_npz(
            file,
            &[
                ("mu", &array(vec![dim], self.mean.as_slice())),
                ("sigma", &array(vec![dim; 2], self.covariance.as_slice())),
            ],
        )
    }

    /// The Fréchet distance to another Gaussian:
    /// [`frechet_distance`](crate::frechet_distance).
    ///
    /// # Panics
    /// If the numbers of features differ.
    pub fn frechet_distance(&self, other: &Self) -> f64 {
        assert_eq!(self.dim(), other.dim(), "features of both");
        let root = root(self.covariance.clone());
        let overlap = symmetric(&root * &other.covariance * &root).symmetric_eigenvalues();
        let overlap: f64 = roots(&overlap).iter().sum();
        let shift = (&self.mean - &other.mean).norm_squared();
        let spread = self.covariance.trace() + other.covariance.trace() - 2.0 * overlap;
        // Only rounding can make the spread negative.
        shift + spread.max(0.0)
    }

    /// The expected Fréchet distance between `n` and `m` points, both from this Gaussian:
    /// `tr Σ·(1/n + 1/m) + ½·(1/(n − 1) + 1/(m − 1))·Σ_ij λ_i·λ_j·(1 + δ_ij)/(λ_i + λ_j)`, with λ
    /// the eigenvalues of Σ.
    ///
    /// For Σ = I and n = m this is `2d/n + (d² + d)/(2(n − 1))`. It is the first order in 1/n: good
    /// for many more points than features. The second term is that of the Bures metric for a
    /// difference of two covariances of Wishart's distribution.
    ///
    /// # Panics
    /// If `n` or `m` is less than two.
    pub fn expected_distance(&self, n: usize, m: usize) -> f64 {
        assert!(n > 1 && m > 1, "a covariance needs two points");
        let sum = |of: fn(f64) -> f64| of(n as f64) + of(m as f64);
        let eigenvalues = self.covariance.symmetric_eigenvalues();
        let mut curvature = 0.0;
        for (i, a) in eigenvalues.iter().enumerate() {
            for (j, b) in eigenvalues.iter().enumerate() {
                let twice = if i == j { 2.0 } else { 1.0 };
                if a + b > 0.0 {
                    curvature += a.max(0.0) * b.max(0.0) * twice / (a + b);
                }
            }
        }
        self.covariance.trace() * sum(|n| 1.0 / n) + 0.5 * curvature * sum(|n| 1.0 / (n - 1.0))
    }
}

/// The symmetric part, which differs from the whole only by rounding.
fn symmetric(matrix: DMatrix<f64>) -> DMatrix<f64> {
    (&matrix + matrix.transpose()) * 0.5
}

/// The positive semi-definite square root of a covariance.
fn root(covariance: DMatrix<f64>) -> DMatrix<f64> {
    let eigen = SymmetricEigen::new(covariance);
    let mut scaled = eigen.eigenvectors.clone();
    for (mut column, root) in scaled.column_iter_mut().zip(&roots(&eigen.eigenvalues)) {
        column *= *root;
    }
    scaled * eigen.eigenvectors.transpose()
}

/// `√λ`, and 0 for eigenvalues that rounding alone can explain: √10⁻¹⁶ is 10⁻⁸, which would add up
/// over all null directions.
fn roots(eigenvalues: &DVector<f64>) -> Vec<f64> {
    let floor = eigenvalues.len() as f64 * f64::EPSILON * eigenvalues.amax();
    let root = |&value: &f64| if value > floor { value.sqrt() } else { 0.0 };
    eigenvalues.iter().map(root).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use pyroclast_core::noise::{Noise, Stream};
    use std::io::Cursor;

    #[test]
    fn covariances_that_do_not_commute_are_as_far_as_in_30_digits() {
        let a = [[2.0, 0.5, 0.1], [0.5, 1.0, 0.3], [0.1, 0.3, 0.7]];
        let b = [[1.0, -0.3, 0.0], [-0.3, 3.0, 0.4], [0.0, 0.4, 1.2]];
        let of = |mean: [f64; 3], rows: [[f64; 3]; 3]| Moments {
            mean: DVector::from_row_slice(&mean),
            covariance: DMatrix::from_row_slice(3, 3, &rows.concat()),
        };
        let (x, y) = (of([0.0; 3], a), of([0.3, -0.2, 0.5], b));
        // The same with tr A^½·B^½ in place of tr (A^½·B·A^½)^½ would be 1.3976.
        for got in [x.frechet_distance(&y), y.frechet_distance(&x)] {
            assert!((got - 1.390_428_977_444_465).abs() < 1e-13, "{got}");
        }
        assert!(x.frechet_distance(&x).abs() < 1e-14);
    }

    #[test]
    fn a_finite_sample_is_as_far_as_expected() {
        let standard = Moments {
            mean: DVector::zeros(8),
            covariance: DMatrix::identity(8, 8),
        };
        let floor = standard.expected_distance(2000, 2000);
        assert!((floor - (16.0 / 2000.0 + 36.0 / 1999.0)).abs() < 1e-15);
        assert!((floor - 0.026_009).abs() < 5e-7, "{floor}");
        // Variances 1 and 9, and other sizes, of a hundred pairs each.
        for (n, m, scales) in [
            (2000, 2000, [1.0; 8]),
            (
                500,
                900,
                [1.0_f32, 3.0].repeat(4).try_into().expect("eight"),
            ),
        ] {
            let values: Vec<f64> = (0..100)
                .map(|k| {
                    let mut draws = Noise::new(15).draws(Stream::Metric, k);
                    let mut cloud = |n: usize| -> Moments {
                        let values = draws.normals(8 * n);
                        let scaled = values.iter().zip(scales.iter().cycle());
                        Moments::of(&scaled.map(|(v, s)| v * s).collect::<Vec<_>>(), 8)
                    };
                    cloud(n).frechet_distance(&cloud(m))
                })
                .collect();
            let spread = crate::Spread::of(&values);
            let error = spread.std.expect("several pairs") / 10.0;
            let law = Moments {
                mean: DVector::zeros(8),
                covariance: DMatrix::from_diagonal(&DVector::from_iterator(
                    8,
                    scales.iter().map(|s| f64::from(s * s)),
                )),
            };
            let expected = law.expected_distance(n, m);
            // The second order is some 8/n of the first.
            let bound = 5.0 * error + 16.0 / n as f64 * expected;
            assert!(
                (spread.mean - expected).abs() < bound,
                "{spread:?} {expected}"
            );
            assert!(error < 0.03 * expected);
        }
    }

    #[test]
    fn moments_come_back_from_a_file() {
        let cloud: Vec<f32> = (0..40).map(|i| ((i * i) % 17) as f32).collect();
        let moments = Moments::of(&cloud, 4);
        let mut file = Cursor::new(Vec::new());
        moments.write(&mut file).expect("written");
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("reference.npz");
        std::fs::write(&path, file.into_inner()).expect("written");
        let again = Moments::read(&path).expect("a file").expect("moments");
        assert_eq!(again, moments);
        assert!(again.frechet_distance(&moments) < 1e-9);
        std::fs::write(&path, b"PK").expect("written");
        assert!(Moments::read(&path).is_err());
    }
}
