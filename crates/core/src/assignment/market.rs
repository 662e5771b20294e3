//! Auction with ε-scaling: rows bid up the prices of the columns they want.
//!
//! At scale `ε` a row is content with a column `j` whose value is within `ε` of its best,
//! `c_ij + p_j ≤ min_k (c_ik + p_k) + ε`. A row that is not bids for its best column: it raises
//! the price by the lead over the second best plus `ε`, which leaves it content, and evicts the
//! former owner (Bertsekas 1988). Large `ε` brings the prices into the right region in few bids,
//! smaller ones then settle them.
//!
//! While `ε` is large, bids are found in whole rows in single precision, which costs a row of 512
//! columns as little as looking through a list; the prices themselves are `f64`.

use pulp::{Arch, Simd, WithSimd};
use std::collections::VecDeque;

use super::costs::{Costs, LANES};
use super::shortlist::{Bid, Edge, Shortlist, Workspace};

/// The row of a free column, or the column of a free row.
pub(super) const FREE: u32 = u32::MAX;

/// Ratio of the scales `ε` of successive auctions.
const REFINEMENT: f64 = 5.0;

/// Bids per row that show the first scale to be too small.
const TRIAL: usize = 8;

/// Times that the first scale may grow; its factors grow as well.
const GROWTHS: usize = 5;

/// Bids per row after which a finer auction leaves its last rows to the next stage.
const PATIENCE: usize = 50;

/// Rows looked at to find the first scale.
const SAMPLE: usize = 16;

/// The first scale, against the lead of the `√n`-th best column.
const OPENING: f64 = 2.0;

/// The share of the largest values that single precision distinguishes well enough for a bid.
const SINGLE: f64 = 1.0 / 262144.0;

/// Column prices, a partial matching, and what the rows know about the columns.
///
/// Prices never fall, which is what keeps the bounds of the shortlists true.
pub(super) struct Market<'c, C> {
    pub(super) prices: Vec<f64>,
    /// What an auction that looks at whole rows knows of the prices.
    quotes: Vec<f32>,
    /// The largest absolute cost.
    largest: f64,
    pub(super) shortlists: Vec<Shortlist>,
    /// The column of each row.
    pub(super) column_of: Vec<u32>,
    /// The row of each column.
    pub(super) row_of: Vec<u32>,
    /// The cost at which each column is taken.
    pub(super) paid: Vec<f32>,
    costs: &'c C,
    buffer: Vec<f32>,
    work: Workspace,
}

impl<'c, C: Costs> Market<'c, C> {
    /// All rows free, every column priced at minus its least cost (column reduction).
    pub(super) fn new(costs: &'c C) -> Self {
        let n = costs.len();
        let mut buffer = Vec::new();
        let mut least = vec![f32::INFINITY; n];
        let mut largest = 0.0_f32;
        for i in 0..n {
            let of_row = Arch::new().dispatch(Extremes {
                row: costs.row(i, &mut buffer),
                least: &mut least,
            });
            largest = largest.max(of_row);
        }
        Self {
            prices: least.iter().map(|&cost| -f64::from(cost)).collect(),
            quotes: vec![f32::INFINITY; n.next_multiple_of(LANES)],
            largest: f64::from(largest),
            shortlists: (0..n).map(|_| Shortlist::unknown()).collect(),
            column_of: vec![FREE; n],
            row_of: vec![FREE; n],
            paid: vec![0.0; n],
            costs,
            buffer,
            work: Workspace::default(),
        }
    }

    /// Auctions from coarse to fine; afterwards every matched row has its best column exactly.
    pub(super) fn settle(&mut self) {
        let spread = self.spread();
        if spread <= 0.0 {
            return;
        }
        let mut epsilon = self.open(spread);
        let finest = 0.3 * spread / (self.prices.len() as f64).sqrt();
        while epsilon > finest {
            epsilon /= REFINEMENT;
            self.auction(epsilon, spread, PATIENCE);
        }
        self.release();
    }

    /// How far beyond its best column a typical row finds its `√n`-th best one.
    ///
    /// Where ties make that zero, larger ranks are tried. Zero for all of them means that a
    /// typical row does not mind which column it gets, so that there is nothing to bid for.
    fn spread(&mut self) -> f64 {
        let n = self.prices.len();
        let mut sample = Vec::new();
        for i in (0..n).step_by(n.div_ceil(SAMPLE).max(1)) {
            let row = self.costs.row(i, &mut self.buffer).iter().zip(&self.prices);
            sample.push(row.map(|(&cost, p)| f64::from(cost) + p).collect());
        }
        let mut median_lead = |rank: usize| {
            let lead = |values: &mut Vec<f64>| {
                let (better, value, _) = values.select_nth_unstable_by(rank, f64::total_cmp);
                let best = better.iter().copied().fold(*value, f64::min);
                *value - best
            };
            let mut leads: Vec<f64> = sample.iter_mut().map(lead).collect();
            leads.sort_unstable_by(f64::total_cmp);
            leads.get(leads.len() / 2).copied().unwrap_or(0.0)
        };
        let ranks = [n.isqrt(), n / 4, n].map(|rank| rank.saturating_sub(1));
        let leads = ranks.into_iter().map(&mut median_lead);
        leads.fold(0.0, |first, lead| if first > 0.0 { first } else { lead })
    }

    /// The first auction; returns the scale at which it came to an end.
    ///
    /// The spread of the costs is a good scale unless many rows have to go far. That shows in
    /// bids without end, and a larger scale then takes over the prices reached.
    fn open(&mut self, spread: f64) -> f64 {
        let (mut epsilon, mut growth) = (OPENING * spread, 1.0);
        for _ in 0..GROWTHS {
            if self.auction(epsilon, spread, TRIAL) {
                break;
            }
            growth *= REFINEMENT;
            epsilon *= growth;
        }
        epsilon
    }

    /// Frees every row whose column is not its best.
    fn release(&mut self) {
        for i in 0..self.prices.len() {
            if self.column_of[i] != FREE && self.value_of_own(i) > self.bid_of_list(i).best {
                self.leave(i);
            }
        }
    }

    /// Lets rows that are not content with what they have bid in turn; says whether all are before
    /// patience ends.
    ///
    /// A lead above `cap` is not bid in full: a row with a single tolerable column would drive its
    /// price to where `f64` no longer resolves the other costs.
    fn auction(&mut self, epsilon: f64, cap: f64, patience: usize) -> bool {
        let n = self.prices.len();
        let prices = self.prices.iter();
        let largest = prices.fold(self.largest, |most, price| most.max(price.abs()));
        let listed = epsilon < SINGLE * largest;
        for j in (0..n).filter(|_| !listed) {
            self.quote(j);
        }
        let mut queue: VecDeque<usize> = (0..n).collect();
        let mut bids = 0;
        while bids < patience * n
            && let Some(i) = queue.pop_front()
        {
            let Bid { edge, best, second } = if listed {
                self.bid_of_list(i)
            } else {
                self.costs.bid(i, &self.quotes)
            };
            if self.column_of[i] != FREE {
                if self.value_of_own(i) <= best + epsilon {
                    continue;
                }
                self.leave(i);
            }
            bids += 1;
            let j = edge.column as usize;
            self.prices[j] += (second - best).min(cap) + epsilon;
            if !listed {
                self.quote(j);
            }
            let evicted = self.row_of[j];
            if evicted != FREE {
                self.column_of[evicted as usize] = FREE;
                queue.push_back(evicted as usize);
            }
            self.assign(i, edge);
        }
        queue.is_empty()
    }

    /// Tells bidders over whole rows the price of column `j`.
    fn quote(&mut self, j: usize) {
        self.quotes[j] = (self.prices[j] + self.costs.shared(j)) as f32;
    }

    /// What row `i` thinks of its own column.
    fn value_of_own(&self, i: usize) -> f64 {
        let j = self.column_of[i] as usize;
        f64::from(self.paid[j]) + self.prices[j]
    }

    /// Frees row `i` and its column.
    fn leave(&mut self, i: usize) {
        let column = std::mem::replace(&mut self.column_of[i], FREE);
        self.row_of[column as usize] = FREE;
    }

    /// The bid of row `i` from its shortlist, which is rebuilt if it does not show the row's true
    /// one.
    fn bid_of_list(&mut self, i: usize) -> Bid {
        let bid = self.shortlists[i].bid(&self.prices);
        if bid.second <= self.shortlists[i].bound {
            return bid;
        }
        self.refresh(i);
        self.shortlists[i].bid(&self.prices)
    }

    /// Rebuilds the shortlist of row `i` under the present prices.
    pub(super) fn refresh(&mut self, i: usize) {
        let row = self.costs.row(i, &mut self.buffer);
        self.shortlists[i].rebuild(i, row, &self.prices, &mut self.work);
    }

    /// Gives row `i` the column of `edge`; a former owner is the caller's to look after.
    pub(super) fn assign(&mut self, i: usize, Edge { column, cost }: Edge) {
        self.column_of[i] = column;
        self.row_of[column as usize] = i as u32;
        self.paid[column as usize] = cost;
    }
}

/// Lowers the least cost of each column to that of a row; returns the row's largest absolute cost.
struct Extremes<'a> {
    row: &'a [f32],
    least: &'a mut [f32],
}

impl WithSimd for Extremes<'_> {
    type Output = f32;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f32 {
        let (rows, last_row) = S::as_simd_f32s(self.row);
        let (leasts, last_least) = S::as_mut_simd_f32s(self.least);
        let mut largest = simd.splat_f32s(0.0);
        for (least, &row) in leasts.iter_mut().zip(rows) {
            *least = simd.min_f32s(*least, row);
            largest = simd.max_f32s(largest, simd.abs_f32s(row));
        }
        let mut largest = simd.reduce_max_f32s(largest);
        for (least, &cost) in last_least.iter_mut().zip(last_row) {
            *least = least.min(cost);
            largest = largest.max(cost.abs());
        }
        largest
    }
}
