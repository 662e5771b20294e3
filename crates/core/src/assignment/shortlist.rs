//! The columns worth a row's attention, and a bound on all the others.
//!
//! The value of column `j` to row `i` is `c_ij + p_j`, and a row wants its smallest value. Prices
//! only ever rise, so a lower bound on the values outside a list stays true for as long as the
//! list lives: one pass over a row pays for many later looks at it.

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
    const NONE: Self = Self {
        edge: Edge {
            column: 0,
            cost: 0.0,
        },
        best: f64::INFINITY,
        second: f64::INFINITY,
    };

    /// The bid of a row that looks at every column once and keeps no list.
    pub(super) fn over_row(row: &[f32], prices: &[f64]) -> Self {
        let (mut at, mut best, mut second) = (0, f64::INFINITY, f64::INFINITY);
        for (chunk, value) in chunk_minima(row, prices).enumerate() {
            if value < best {
                (at, best, second) = (chunk * CHUNK, value, best);
            } else if value < second {
                second = value;
            }
        }
        let mut bid = Self::NONE;
        for (value, edge) in values(row, prices, at) {
            bid.consider(value, edge);
        }
        bid.second = bid.second.min(second);
        bid
    }

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

/// About `√n` of the best columns of one row, in no order, and a bound on all the others.
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
    /// The bound is the `√n`-th best of the chunk minima, so that at least `√n` columns are listed,
    /// one in each such chunk, or all that show. Where too many tie at the bound, the first ones
    /// from the diagonal on are listed, so that rows with equal costs do not list the same few.
    pub(super) fn rebuild(&mut self, i: usize, row: &[f32], prices: &[f64], work: &mut Workspace) {
        let least = row.len().isqrt();
        self.edges.clear();
        if row.len() <= least * CHUNK {
            let edges = row.iter().zip(0..);
            self.edges
                .extend(edges.map(|(&cost, column)| Edge { column, cost }));
            self.bound = f64::INFINITY;
            return;
        }
        work.minima.clear();
        work.minima.extend(chunk_minima(row, prices));
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
            for (value, edge) in values(row, prices, chunk * CHUNK) {
                let tie = value == self.bound && value < f64::INFINITY;
                if value < self.bound || tie && self.edges.len() < 2 * least {
                    self.edges.push(edge);
                }
            }
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

/// The smallest value in each chunk of columns.
fn chunk_minima<'a>(row: &'a [f32], prices: &'a [f64]) -> impl Iterator<Item = f64> + 'a {
    let chunks = row.chunks(CHUNK).zip(prices.chunks(CHUNK));
    chunks.map(|(costs, prices)| {
        let mut lanes = [f64::INFINITY; CHUNK];
        for ((lane, &cost), price) in lanes.iter_mut().zip(costs).zip(prices) {
            *lane = f64::from(cost) + price;
        }
        let mut half = CHUNK / 2;
        while half > 0 {
            let (low, high) = lanes.split_at_mut(half);
            for (a, &b) in low.iter_mut().zip(&*high) {
                // One SIMD instruction, unlike `f64::min`, which has to look for NaN.
                *a = if b < *a { b } else { *a };
            }
            half /= 2;
        }
        lanes[0]
    })
}
