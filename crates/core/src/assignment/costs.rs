//! Where the costs of an assignment come from: a stored table or two point clouds.

use pulp::{Arch, Simd, WithSimd};

/// Points of the second cloud that are compared together; one block fills whole SIMD registers.
const LANES: usize = 16;

/// A square table of finite costs, read one row at a time.
pub(super) trait Costs {
    /// Number of rows and of columns.
    fn len(&self) -> usize;

    /// Row `i`, shape `[n]`, borrowed from the table or written into `buffer`.
    fn row<'a>(&'a self, i: usize, buffer: &'a mut Vec<f32>) -> &'a [f32];
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
