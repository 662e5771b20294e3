//! Passes over all pairs: the kernel, and the sums of its rows and columns.
//!
//! Rows come in blocks, whatever the number of threads, and sums in eight lanes, whatever the
//! machine's vectors, so that neither changes a bit.

use crate::coupling::exponential::exp;
use pulp::bytemuck::cast_slice;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

/// Parts of the sum of a row, which are added up side by side.
const LANES: usize = 8;
/// Vectors that are compared with a threshold at once.
const GROUP: usize = 2;
/// Rows of a block.
const ROWS: usize = 256;
/// Points from which on a pass is longer than waking the threads.
const PARALLEL: usize = 1024;

/// `K_ij = exp(bⱼ − c_ij/ε − mᵢ)`, `[n, n]`.
pub(super) struct Kernel {
    pub(super) n: usize,
    cells: Vec<f64>,
    /// The largest exponent `mᵢ` of each row.
    pub(super) most: Vec<f64>,
}

/// What factors v make of a kernel.
pub(super) struct Balance {
    /// v.
    pub(super) factors: Vec<f64>,
    /// `Σⱼ K_ij·vⱼ`.
    pub(super) sums: Vec<f64>,
    /// q, the sums of the columns of Q.
    pub(super) columns: Vec<f64>,
    /// F, less what is the same for all v.
    pub(super) objective: f64,
}

impl Balance {
    /// `Σⱼ |qⱼ − 1|/n`.
    pub(super) fn error(&self) -> f64 {
        let off: f64 = self.columns.iter().map(|q| (q - 1.0).abs()).sum();
        off / self.columns.len() as f64
    }
}

impl Kernel {
    pub(super) fn new(costs: &[f64], epsilon: f64, potentials: &[f64]) -> Self {
        let n = potentials.len();
        let mut kernel = Self {
            n,
            cells: vec![0.0; n * n],
            most: vec![0.0; n],
        };
        kernel.fill(costs, epsilon, potentials);
        kernel
    }

    /// K of other potentials.
    pub(super) fn fill(&mut self, costs: &[f64], epsilon: f64, potentials: &[f64]) {
        let n = self.n;
        let fill = |((cells, most), costs): ((&mut [f64], &mut [f64]), &[f64])| {
            Arch::new().dispatch(Fill {
                costs,
                scale: 1.0 / epsilon,
                potentials,
                cells,
                most,
            });
        };
        if n >= PARALLEL {
            let blocks = self.cells.par_chunks_mut(ROWS * n);
            let blocks = blocks.zip(self.most.par_chunks_mut(ROWS));
            blocks.zip(costs.par_chunks(ROWS * n)).for_each(fill);
        } else {
            let blocks = self.cells.chunks_mut(ROWS * n);
            let blocks = blocks.zip(self.most.chunks_mut(ROWS));
            blocks.zip(costs.chunks(ROWS * n)).for_each(fill);
        }
    }

    /// The sums for these `ln v`.
    pub(super) fn balance(&self, logs: &[f64]) -> Balance {
        let n = self.n;
        let factors: Vec<f64> = logs.iter().map(|log| libm::exp(*log)).collect();
        let mut sums = vec![0.0; n];
        let sum = |(cells, sums): (&[f64], &mut [f64])| {
            let mut columns = vec![0.0; n];
            Arch::new().dispatch(Sums {
                cells,
                factors: &factors,
                sums,
                columns: &mut columns,
            });
            columns
        };
        let blocks: Vec<Vec<f64>> = if n >= PARALLEL {
            let blocks = self.cells.par_chunks(ROWS * n);
            blocks.zip(sums.par_chunks_mut(ROWS)).map(sum).collect()
        } else {
            let blocks = self.cells.chunks(ROWS * n);
            blocks.zip(sums.chunks_mut(ROWS)).map(sum).collect()
        };
        let mut columns = vec![0.0; n];
        for block in blocks {
            for (column, sum) in columns.iter_mut().zip(block) {
                *column += sum;
            }
        }
        for (column, factor) in columns.iter_mut().zip(&factors) {
            *column *= factor;
        }
        let rows: f64 = sums.iter().map(|sum| libm::log(*sum)).sum();
        Balance {
            factors,
            sums,
            columns,
            objective: logs.iter().sum::<f64>() - rows,
        }
    }

    /// Appends the column and the value of each entry of row i of Q that is above a threshold.
    pub(super) fn above(
        &self,
        i: usize,
        balance: &Balance,
        threshold: f64,
        columns: &mut Vec<u32>,
        entries: &mut Vec<f64>,
    ) {
        let before = entries.len();
        columns.resize(before + self.n, 0);
        entries.resize(before + self.n, 0.0);
        let found = Arch::new().dispatch(Above {
            cells: &self.cells[i * self.n..(i + 1) * self.n],
            factors: &balance.factors,
            share: 1.0 / balance.sums[i],
            threshold,
            columns: &mut columns[before..],
            entries: &mut entries[before..],
        });
        columns.truncate(before + found);
        entries.truncate(before + found);
    }

    /// π of the balance.
    pub(super) fn into_mass(mut self, balance: &Balance) -> Vec<f64> {
        let n = self.n;
        for (row, sum) in self.cells.chunks_exact_mut(n).zip(&balance.sums) {
            let share = 1.0 / (n as f64 * sum);
            for (cell, factor) in row.iter_mut().zip(&balance.factors) {
                *cell *= share * factor;
            }
        }
        self.cells
    }
}

/// Fills some rows of a kernel.
struct Fill<'a> {
    costs: &'a [f64],
    /// 1/ε.
    scale: f64,
    potentials: &'a [f64],
    cells: &'a mut [f64],
    most: &'a mut [f64],
}

impl WithSimd for Fill<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let n = self.potentials.len();
        let (potentials, last_potentials) = S::as_simd_f64s(self.potentials);
        let scale = simd.splat_f64s(self.scale);
        let rows = self.cells.chunks_exact_mut(n).zip(self.most);
        for ((row, most), costs) in rows.zip(self.costs.chunks_exact(n)) {
            let (costs, last_costs) = S::as_simd_f64s(costs);
            let (cells, last_cells) = S::as_mut_simd_f64s(row);
            let mut largest = simd.splat_f64s(f64::NEG_INFINITY);
            for ((cell, &c), &b) in cells.iter_mut().zip(costs).zip(potentials) {
                *cell = simd.sub_f64s(b, simd.mul_f64s(c, scale));
                largest = simd.max_f64s(largest, *cell);
            }
            *most = simd.reduce_max_f64s(largest);
            let last = last_cells.iter_mut().zip(last_costs).zip(last_potentials);
            for ((cell, c), b) in last {
                *cell = b - c * self.scale;
                *most = most.max(*cell);
            }
            for cell in row {
                *cell = exp(*cell - *most);
            }
        }
    }
}

/// Sums some rows, and adds their shares to the columns.
struct Sums<'a> {
    cells: &'a [f64],
    factors: &'a [f64],
    sums: &'a mut [f64],
    columns: &'a mut [f64],
}

impl WithSimd for Sums<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let n = self.factors.len();
        let (factors, last_factors) = self.factors.as_chunks::<LANES>();
        for (row, sum) in self.cells.chunks_exact(n).zip(self.sums) {
            let (cells, last_cells) = row.as_chunks::<LANES>();
            // Eight lanes are one to eight vectors.
            let mut lanes = [simd.splat_f64s(0.0); LANES];
            for (cell, factor) in cells.iter().zip(factors) {
                let vectors = S::as_simd_f64s(cell)
                    .0
                    .iter()
                    .zip(S::as_simd_f64s(factor).0);
                for (lanes, (&cell, &factor)) in lanes.iter_mut().zip(vectors) {
                    *lanes = simd.add_f64s(*lanes, simd.mul_f64s(cell, factor));
                }
            }
            let lanes: &[f64] = cast_slice(&lanes);
            let [a, b, c, d, e, f, g, h] = *lanes.first_chunk().expect("eight lanes");
            let last = last_cells.iter().zip(last_factors);
            let last: f64 = last.map(|(cell, factor)| cell * factor).sum();
            *sum = ((a + e) + (c + g)) + ((b + f) + (d + h)) + last;
            let share = 1.0 / *sum;
            let (cells, last_cells) = S::as_simd_f64s(row);
            let (columns, last_columns) = S::as_mut_simd_f64s(self.columns);
            let shares = simd.splat_f64s(share);
            for (column, &cell) in columns.iter_mut().zip(cells) {
                *column = simd.add_f64s(*column, simd.mul_f64s(shares, cell));
            }
            for (column, cell) in last_columns.iter_mut().zip(last_cells) {
                *column += share * cell;
            }
        }
    }
}

/// Finds the large entries of a row of Q; says how many there are.
struct Above<'a> {
    cells: &'a [f64],
    factors: &'a [f64],
    share: f64,
    threshold: f64,
    columns: &'a mut [u32],
    entries: &'a mut [f64],
}

impl WithSimd for Above<'_> {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> usize {
        let (cells, last_cells) = S::as_simd_f64s(self.cells);
        let (factors, last_factors) = S::as_simd_f64s(self.factors);
        let share = simd.splat_f64s(self.share);
        // Large or not, an entry is written, and the next one over it if not: that spares the
        // processor guesses.
        let mut found = 0;
        let mut see = |column: usize, entry: f64| {
            self.columns[found] = column as u32;
            self.entries[found] = entry;
            found += usize::from(entry > self.threshold);
        };
        // Most entries are small, so that it is enough to look at the largest of several vectors.
        let groups = cells.chunks(GROUP).zip(factors.chunks(GROUP));
        for (at, (cells, factors)) in groups.enumerate() {
            let mut entries = [simd.splat_f64s(0.0); GROUP];
            let mut most = entries[0];
            let pairs = cells.iter().zip(factors);
            for (entry, (&cell, &factor)) in entries.iter_mut().zip(pairs) {
                *entry = simd.mul_f64s(share, simd.mul_f64s(cell, factor));
                most = simd.max_f64s(most, *entry);
            }
            if simd.reduce_max_f64s(most) > self.threshold {
                let first = at * GROUP * S::F64_LANES;
                let seen = cells.len() * S::F64_LANES;
                let lanes: &[f64] = cast_slice(&entries);
                for (lane, &entry) in lanes[..seen].iter().enumerate() {
                    see(first + lane, entry);
                }
            }
        }
        let last = last_cells.iter().zip(last_factors);
        for (at, (cell, factor)) in (cells.len() * S::F64_LANES..).zip(last) {
            see(at, self.share * (cell * factor));
        }
        found
    }
}
