//! Where the costs of an assignment come from: a stored table or two point clouds.

use super::leader::{Lead, Leader};
use super::shortlist::{Bid, Edge};
use pulp::{Arch, Simd, WithSimd};

/// Points of the second cloud that are compared together; one block fills whole SIMD registers.
pub(super) const LANES: usize = 16;

/// A square table of finite costs, read one row at a time.
pub(super) trait Costs {
    /// Number of rows and of columns.
    fn len(&self) -> usize;

    /// Row `i`, shape `[n]`, borrowed from the table or written into `buffer`.
    fn row<'a>(&'a self, i: usize, buffer: &'a mut Vec<f32>) -> &'a [f32];

    /// The part of column `j`'s costs that all rows share; a quote is the price together with it.
    fn shared(&self, j: usize) -> f64;

    /// The bid of row `i` in single precision. It looks at every column, and needs the quotes
    /// alone, shape `[n]` padded to whole blocks with infinity.
    fn bid(&self, i: usize, quotes: &[f32]) -> Bid;
}

/// A stored table, row-major, shape `[n, n]`.
pub(super) struct Table<'t> {
    cells: &'t [f32],
    n: usize,
}

impl<'t> Table<'t> {
    pub(super) fn new(cells: &'t [f32], n: usize) -> Self {
        Self { cells, n }
    }
}

impl Costs for Table<'_> {
    fn len(&self) -> usize {
        self.n
    }

    fn row<'a>(&'a self, i: usize, _: &'a mut Vec<f32>) -> &'a [f32] {
        &self.cells[i * self.n..(i + 1) * self.n]
    }

    fn shared(&self, _: usize) -> f64 {
        0.0
    }

    fn bid(&self, i: usize, quotes: &[f32]) -> Bid {
        let row = &self.cells[i * self.n..(i + 1) * self.n];
        Arch::new().dispatch(OverTable {
            row,
            quotes: &quotes[..self.n],
        })
    }
}

/// The bid of a row with these costs.
struct OverTable<'a> {
    row: &'a [f32],
    quotes: &'a [f32],
}

impl WithSimd for OverTable<'_> {
    type Output = Bid;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Bid {
        let (rows, last_row) = S::as_simd_f32s(self.row);
        let (quotes, last_quotes) = S::as_simd_f32s(self.quotes);
        let mut leader = Leader::new(simd);
        for (&row, &quotes) in rows.iter().zip(quotes) {
            leader.see(simd.add_f32s(row, quotes));
        }
        let last = last_row.iter().zip(last_quotes);
        let lead = leader.finish(last.map(|(cost, quote)| cost + quote));
        Bid {
            edge: Edge {
                column: lead.column as u32,
                cost: self.row[lead.column],
            },
            best: f64::from(lead.best),
            second: f64::from(lead.second),
        }
    }
}

/// Two clouds of `n` points under squared Euclidean cost, in O(n · dim) memory.
///
/// The second cloud is kept in blocks of [`LANES`] points, coordinate by coordinate inside a
/// block, so that the inner loop runs over neighbouring points and vectorises in any dimension.
pub(super) struct Clouds<'p> {
    rows: &'p [f32],
    blocks: Vec<f32>,
    dim: usize,
}

impl<'p> Clouds<'p> {
    pub(super) fn new(x0: &'p [f32], x1: &[f32], dim: usize) -> Self {
        let mut blocks = vec![0.0; (x1.len() / dim).next_multiple_of(LANES) * dim];
        for (j, point) in x1.chunks_exact(dim).enumerate() {
            let block = &mut blocks[j / LANES * LANES * dim..];
            for (d, &y) in point.iter().enumerate() {
                block[d * LANES + j % LANES] = y;
            }
        }
        Self {
            rows: x0,
            blocks,
            dim,
        }
    }

    /// The best column of a point. An array has its loops unrolled.
    fn lead(&self, point: impl AsRef<[f32]>, quotes: &[f32]) -> Lead {
        Arch::new().dispatch(OverCloud {
            point,
            blocks: &self.blocks,
            quotes,
        })
    }

    /// The coordinates of point `j` of the second cloud.
    fn column(&self, j: usize) -> impl Iterator<Item = f32> {
        let block = &self.blocks[j / LANES * LANES * self.dim..];
        (0..self.dim).map(move |d| block[d * LANES + j % LANES])
    }

    /// The whole cost table, row-major, shape `[n, n]`.
    pub(super) fn table(&self) -> Vec<f32> {
        let mut buffer = Vec::new();
        let mut cells = Vec::with_capacity(self.len() * self.len());
        for i in 0..self.len() {
            cells.extend_from_slice(self.row(i, &mut buffer));
        }
        cells
    }
}

impl Costs for Clouds<'_> {
    fn len(&self) -> usize {
        self.rows.len() / self.dim
    }

    fn row<'a>(&'a self, i: usize, buffer: &'a mut Vec<f32>) -> &'a [f32] {
        let point = &self.rows[i * self.dim..(i + 1) * self.dim];
        buffer.resize(self.blocks.len() / self.dim, 0.0);
        Arch::new().dispatch(Distances {
            point,
            blocks: &self.blocks,
            out: buffer,
        });
        &buffer[..self.len()]
    }

    fn shared(&self, j: usize) -> f64 {
        self.column(j).map(|y| f64::from(y).powi(2)).sum()
    }

    fn bid(&self, i: usize, quotes: &[f32]) -> Bid {
        let point = &self.rows[i * self.dim..(i + 1) * self.dim];
        let lead = match *point {
            [x, y] => self.lead([x, y], quotes),
            [x, y, z] => self.lead([x, y, z], quotes),
            _ => self.lead(point, quotes),
        };
        let own: f64 = point.iter().map(|&x| f64::from(x).powi(2)).sum();
        // Summed like a row, so that it is the same number.
        let pairs = point.iter().zip(self.column(lead.column));
        let cost = pairs.fold(0.0, |sum, (x, y)| sum + (x - y) * (x - y));
        Bid {
            edge: Edge {
                column: lead.column as u32,
                cost,
            },
            best: f64::from(lead.best) + own,
            second: f64::from(lead.second) + own,
        }
    }
}

/// The best column of a point by `‖y‖² + p − 2x·y`, which is the value less `‖x‖²`.
struct OverCloud<'a, P> {
    point: P,
    blocks: &'a [f32],
    quotes: &'a [f32],
}

impl<P: AsRef<[f32]>> WithSimd for OverCloud<'_, P> {
    type Output = Lead;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Lead {
        let point = self.point.as_ref();
        let (blocks, _) = self.blocks.as_chunks::<LANES>();
        let (quotes, _) = self.quotes.as_chunks::<LANES>();
        let mut leader = Leader::new(simd);
        for (quotes, block) in quotes.iter().zip(blocks.chunks_exact(point.len())) {
            for (k, &quotes) in S::as_simd_f32s(quotes).0.iter().enumerate() {
                let value = point.iter().zip(block).fold(quotes, |value, (x, ys)| {
                    let ys = S::as_simd_f32s(ys).0[k];
                    simd.sub_f32s(value, simd.mul_f32s(simd.splat_f32s(2.0 * x), ys))
                });
                leader.see(value);
            }
        }
        leader.finish(std::iter::empty())
    }
}

/// Squared distances of one point to the points of all blocks.
struct Distances<'a> {
    point: &'a [f32],
    blocks: &'a [f32],
    out: &'a mut [f32],
}

impl WithSimd for Distances<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let (blocks, _) = self.blocks.as_chunks::<LANES>();
        let (outs, _) = self.out.as_chunks_mut::<LANES>();
        for (out, block) in outs.iter_mut().zip(blocks.chunks_exact(self.point.len())) {
            // The sums stay in registers over all coordinates; `out` is written once.
            let mut sums = [0.0_f32; LANES];
            for (&x, ys) in self.point.iter().zip(block) {
                for (sum, &y) in sums.iter_mut().zip(ys) {
                    *sum += (x - y) * (x - y);
                }
            }
            *out = sums;
        }
    }
}
