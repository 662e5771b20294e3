//! The columns worth a row's attention, and a bound on all the others.
//!
//! The value of column `j` to row `i` is `c_ij + p_j`, and a row wants its smallest value. Prices
//! only ever rise, so a lower bound on the values outside a list stays true for as long as the
//! list lives: one pass over a row pays for many later looks at it.

use pulp::{Arch, Simd, WithSimd};

/// Columns whose smallest value is found together before any of them is looked at singly.
const CHUNK: usize = 8;

/// A column that a row may take, and its cost there.
#[derive(Clone, Copy)]
pub(super) struct Edge {
    pub(super) column: u32,
    pub(super) cost: f32,
}

/// What a row would bid for: its best column, with its best and second best values.
pub(super) struct Bid {
    pub(super) edge: Edge,
    pub(super) best: f64,
    pub(super) second: f64,
}

impl Bid {
    pub(super) const NONE: Self = Self {
        edge: Edge {
            column: 0,
            cost: 0.0,
        },
        best: f64::INFINITY,
        second: f64::INFINITY,
    };

    fn consider(&mut self, value: f64, edge: Edge) {
        if value < self.best {
            self.second = self.best;
            self.best = value;
            self.edge = edge;
        } else if value < self.second {
            self.second = value;
        }
    }
}

/// About `√n/2` of the best columns of one row, in no order, and a bound on all the others.
pub(super) struct Shortlist {
    pub(super) edges: Vec<Edge>,
    /// No column outside the list has a value below this one.
    pub(super) bound: f64,
}

impl Shortlist {
    /// A list that says nothing.
    pub(super) fn unknown() -> Self {
        Self {
            edges: Vec::new(),
            bound: f64::NEG_INFINITY,
        }
    }

    /// The bid as far as the list shows: the row's true one if `second` is within `bound`.
    pub(super) fn bid(&self, prices: &[f64]) -> Bid {
        let mut bid = Bid::NONE;
        for &edge in &self.edges {
            let value = f64::from(edge.cost) + prices[edge.column as usize];
            bid.consider(value, edge);
        }
        bid
    }

    /// Lists the best columns of row `i` under the given prices; an infinite price hides a column.
    ///
    /// The bound is the `√n/2`-th best of the chunk minima: at least one column of each chunk below
    /// it is listed, and what ties with it. Of many ties the first ones from the diagonal on are
    /// listed, so that rows with equal costs do not list the same few.
    pub(super) fn rebuild(&mut self, i: usize, row: &[f32], prices: &[f64], work: &mut Workspace) {
        let least = row.len().isqrt().div_ceil(2);
        self.edges.clear();
        if row.len() <= least * CHUNK {
            let edges = row.iter().zip(0..);
            self.edges
                .extend(edges.map(|(&cost, column)| Edge { column, cost }));
            self.bound = f64::INFINITY;
            return;
        }
        work.minima.resize(row.len().div_ceil(CHUNK), 0.0);
        Arch::new().dispatch(ChunkMinima {
            row,
            prices,
            minima: &mut work.minima,
        });
        work.ranked.clone_from(&work.minima);
        let ranked = work
            .ranked
            .select_nth_unstable_by(least - 1, f64::total_cmp);
        self.bound = *ranked.1;
        let first = i / CHUNK;
        for chunk in (first..work.minima.len()).chain(0..first) {
            if work.minima[chunk] > self.bound {
                continue;
            }
            // Kept or not, it is written, and the next one over it if not: that spares the
            // processor guesses.
            let mut kept = self.edges.len();
            self.edges.resize(kept + CHUNK, Bid::NONE.edge);
            for (value, edge) in values(row, prices, chunk * CHUNK) {
                let tie = value == self.bound && value < f64::INFINITY;
                self.edges[kept] = edge;
                kept += usize::from(value < self.bound || tie && kept < 2 * least);
            }
            self.edges.truncate(kept);
        }
    }
}

/// Buffers that outlive one rebuild.
#[derive(Default)]
pub(super) struct Workspace {
    minima: Vec<f64>,
    ranked: Vec<f64>,
}

/// Values and edges of the chunk of columns that begins at `at`.
fn values<'a>(
    row: &'a [f32],
    prices: &'a [f64],
    at: usize,
) -> impl Iterator<Item = (f64, Edge)> + 'a {
    let chunk = at..row.len().min(at + CHUNK);
    let pairs = row[chunk.clone()].iter().zip(&prices[chunk]);
    pairs
        .zip(at as u32..)
        .map(|((&cost, price), column)| (f64::from(cost) + price, Edge { column, cost }))
}

/// The smaller of two values in one SIMD instruction, unlike `f64::min`, which has to look for NaN.
#[inline(always)]
fn least<T: PartialOrd>(a: T, b: T) -> T {
    if b < a { b } else { a }
}

/// The smallest value in each chunk of columns.
struct ChunkMinima<'a> {
    row: &'a [f32],
    prices: &'a [f64],
    minima: &'a mut [f64],
}

impl WithSimd for ChunkMinima<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let (rows, last_row) = self.row.as_chunks::<CHUNK>();
        let (prices, last_prices) = self.prices.as_chunks::<CHUNK>();
        for ((minimum, row), prices) in self.minima.iter_mut().zip(rows).zip(prices) {
            let all: [f64; CHUNK] = std::array::from_fn(|k| f64::from(row[k]) + prices[k]);
            let four: [f64; 4] = std::array::from_fn(|k| least(all[k], all[k + 4]));
            *minimum = least(least(four[0], four[2]), least(four[1], four[3]));
        }
        if let Some(minimum) = self.minima.get_mut(rows.len()) {
            let last = last_row.iter().zip(last_prices);
            let values = last.map(|(&cost, price)| f64::from(cost) + price);
            *minimum = values.fold(f64::INFINITY, least);
        }
    }
}
