//! Small square matrices in double precision, row-major: products, inverses and square roots.

/// Halvings of the error of a square root: it doubles its digits each time, once it has any.
const ITERATIONS: usize = 60;

/// `[d, d]`, row-major.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Matrix {
    dim: usize,
    cells: Vec<f64>,
}

impl Matrix {
    /// # Panics
    /// If there are not `dim·dim` numbers.
    pub(super) fn new(dim: usize, cells: &[f64]) -> Self {
        assert_eq!(cells.len(), dim * dim, "the matrix is not {dim} by {dim}");
        let cells = cells.to_vec();
        Self { dim, cells }
    }

    /// `c·I`.
    pub(super) fn scalar(dim: usize, c: f64) -> Self {
        let cell = |k: usize| if k / dim == k % dim { c } else { 0.0 };
        let cells = (0..dim * dim).map(cell).collect();
        Self { dim, cells }
    }

    pub(super) fn cells(&self) -> &[f64] {
        &self.cells
    }

    pub(super) fn at(&self, i: usize, j: usize) -> f64 {
        self.cells[i * self.dim + j]
    }

    pub(super) fn transposed(&self) -> Self {
        let cell = |k: usize| self.at(k % self.dim, k / self.dim);
        let cells = (0..self.cells.len()).map(cell).collect();
        Self { cells, ..*self }
    }

    /// `Σ cₖ·Mₖ`.
    pub(super) fn sum(terms: &[(f64, &Self)]) -> Self {
        let dim = terms[0].1.dim;
        let cell = |k: usize| terms.iter().map(|(c, m)| c * m.cells[k]).sum();
        let cells = (0..dim * dim).map(cell).collect();
        Self { dim, cells }
    }

    pub(super) fn times(&self, other: &Self) -> Self {
        let dim = self.dim;
        let cell = |k: usize| {
            (0..dim)
                .map(|l| self.at(k / dim, l) * other.at(l, k % dim))
                .sum()
        };
        let cells = (0..dim * dim).map(cell).collect();
        Self { dim, cells }
    }

    pub(super) fn trace(&self) -> f64 {
        (0..self.dim).map(|i| self.at(i, i)).sum()
    }

    /// The inverse, and the logarithm of the absolute determinant, by elimination with pivots.
    ///
    /// # Panics
    /// If the matrix is singular.
    pub(super) fn inverse(&self) -> (Self, f64) {
        let dim = self.dim;
        let (mut left, mut right) = (self.clone(), Self::scalar(dim, 1.0));
        let mut log_determinant = 0.0;
        for column in 0..dim {
            let size = |&row: &usize| left.at(row, column).abs();
            let pivot = (column..dim).max_by(|a, b| size(a).total_cmp(&size(b)));
            let pivot = pivot.expect("a row at or below the diagonal");
            for matrix in [&mut left, &mut right] {
                for j in 0..dim {
                    matrix.cells.swap(column * dim + j, pivot * dim + j);
                }
            }
            let scale = left.at(column, column);
            assert!(scale != 0.0 && scale.is_finite(), "the matrix is singular");
            log_determinant += libm::log(scale.abs());
            for matrix in [&mut left, &mut right] {
                for j in 0..dim {
                    matrix.cells[column * dim + j] /= scale;
                }
            }
            for row in (0..dim).filter(|&row| row != column) {
                let factor = left.at(row, column);
                for matrix in [&mut left, &mut right] {
                    for j in 0..dim {
                        matrix.cells[row * dim + j] -= factor * matrix.at(column, j);
                    }
                }
            }
        }
        (right, log_determinant)
    }

    /// The square root whose eigenvalues have a positive real part, of a matrix whose eigenvalues
    /// are positive.
    ///
    /// `X ← ½(X + Y⁻¹), Y ← ½(Y + X⁻¹)` from X = M, Y = I
    ///
    /// Source: Denman & Beavers 1976.
    pub(super) fn root(&self) -> Self {
        let (mut x, mut y) = (self.clone(), Self::scalar(self.dim, 1.0));
        for _ in 0..ITERATIONS {
            let (of_y, of_x) = (y.inverse().0, x.inverse().0);
            let next = Self::sum(&[(0.5, &x), (0.5, &of_y)]);
            y = Self::sum(&[(0.5, &y), (0.5, &of_x)]);
            let moved = next.cells.iter().zip(&x.cells);
            let moved = moved.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            let most = next.cells.iter().fold(0.0_f64, |most, c| most.max(c.abs()));
            x = next;
            if moved <= 1e-15 * most {
                break;
            }
        }
        x
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_times_itself_is_the_matrix() {
        for cells in [
            &[4.0][..],
            &[1.0, 0.3, 0.3, 0.5],
            &[2.0, -1.0, 0.2, 3.0],
            &[1e-6, 0.0, 0.0, 1e6],
            &[2.0, 0.6, 0.3, 0.6, 1.5, -0.2, 0.3, -0.2, 0.8],
        ] {
            let dim = cells.len().isqrt();
            let matrix = Matrix::new(dim, cells);
            let root = matrix.root();
            let most = cells.iter().fold(0.0_f64, |most, c| most.max(c.abs()));
            let squared = root.times(&root);
            for (found, cell) in squared.cells().iter().zip(cells) {
                assert!((found - cell).abs() < 1e-13 * most, "{found} {cell}");
            }
            let (inverse, log_determinant) = matrix.inverse();
            let one = matrix.times(&inverse);
            let expected = Matrix::scalar(dim, 1.0);
            for (found, cell) in one.cells().iter().zip(expected.cells()) {
                assert!((found - cell).abs() < 1e-13, "{found} {cell}");
            }
            let half = root.inverse().1;
            assert!((2.0 * half - log_determinant).abs() < 1e-12);
        }
    }

    #[test]
    #[should_panic(expected = "singular")]
    fn a_singular_matrix_has_no_inverse() {
        Matrix::new(2, &[1.0, 2.0, 2.0, 4.0]).inverse();
    }
}
