//! Shortest augmenting paths: a column for every row still free, at no loss of optimality.
//!
//! This is Dijkstra's search over reduced costs (Jonker & Volgenant 1987), except that a row shows
//! its shortlist only. The bound on its other columns waits in the queue with the rest; should it
//! come up before a free column does, the list is rebuilt and the search continues. So the search
//! finds the path that it would find over full rows.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::costs::Costs;
use super::market::{FREE, Market};
use super::shortlist::Edge;

/// What the search comes upon; of two at one distance, columns go before rows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stop {
    /// A matched column, from which the search continues to its row.
    Column(u32),
    /// A row whose shortlist says nothing of columns at this distance or farther.
    Row(u32),
}

#[derive(Clone, Copy)]
struct Event {
    distance: f64,
    stop: Stop,
}

impl Ord for Event {
    /// Nearest is greatest, since the heap hands out its greatest element.
    fn cmp(&self, other: &Self) -> Ordering {
        let distance = other.distance.total_cmp(&self.distance);
        distance.then_with(|| other.stop.cmp(&self.stop))
    }
}

impl PartialOrd for Event {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Event {}

/// A matched column that the search has passed, with the price it had before.
struct Closed {
    column: u32,
    distance: f64,
    price: f64,
}

/// One search for a path; kept from search to search for its memory.
pub(super) struct Search {
    /// The shortest distance found to each column.
    distance: Vec<f64>,
    /// The row from which each column was reached, and the cost of the step.
    parent: Vec<(u32, f32)>,
    /// What a row's value of a column exceeds its distance by.
    offset: Vec<f64>,
    /// Columns with a finite distance.
    reached: Vec<u32>,
    closed: Vec<Closed>,
    /// Rows whose lists were rebuilt while closed columns were hidden.
    blinkered: Vec<u32>,
    events: BinaryHeap<Event>,
    /// The distance of the nearest free column so far, and that column.
    nearest: f64,
    sink: u32,
}

impl Search {
    pub(super) fn new(n: usize) -> Self {
        Self {
            distance: vec![f64::INFINITY; n],
            parent: vec![(FREE, 0.0); n],
            offset: vec![0.0; n],
            reached: Vec::new(),
            closed: Vec::new(),
            blinkered: Vec::new(),
            events: BinaryHeap::new(),
            nearest: f64::INFINITY,
            sink: FREE,
        }
    }

    /// Matches the free row `start` along the cheapest path to a free column.
    pub(super) fn augment<C: Costs>(&mut self, market: &mut Market<'_, C>, start: usize) {
        self.nearest = f64::INFINITY;
        self.offset[start] = 0.0;
        self.relax(market, start);
        while let Some(Event { distance, stop }) = self.events.pop() {
            if distance >= self.nearest {
                break;
            }
            match stop {
                Stop::Column(column) => self.close(market, column, distance),
                Stop::Row(row) => self.look_further(market, row),
            }
        }
        self.raise_prices(market);
        self.flip_path(market, start);
    }

    /// Reaches for the columns on the list of row `i`, and notes the bound on the others.
    fn relax<C: Costs>(&mut self, market: &Market<'_, C>, i: usize) {
        let offset = self.offset[i];
        let list = &market.shortlists[i];
        for &Edge { column, cost } in &list.edges {
            let j = column as usize;
            // A closed column has an infinite price, so it is not reached again.
            let distance = f64::from(cost) + market.prices[j] - offset;
            if distance >= self.distance[j] || distance >= self.nearest {
                continue;
            }
            if self.distance[j] == f64::INFINITY {
                self.reached.push(column);
            }
            self.distance[j] = distance;
            self.parent[j] = (i as u32, cost);
            if market.row_of[j] == FREE {
                self.nearest = distance;
                self.sink = column;
            } else {
                let stop = Stop::Column(column);
                self.events.push(Event { distance, stop });
            }
        }
        let distance = list.bound - offset;
        if distance < self.nearest {
            let stop = Stop::Row(i as u32);
            self.events.push(Event { distance, stop });
        }
    }

    /// Passes a matched column on the way to its row, unless a shorter way led there before.
    fn close<C: Costs>(&mut self, market: &mut Market<'_, C>, column: u32, distance: f64) {
        let j = column as usize;
        if self.distance[j] < distance {
            return;
        }
        let price = std::mem::replace(&mut market.prices[j], f64::INFINITY);
        self.closed.push(Closed {
            column,
            distance,
            price,
        });
        let i = market.row_of[j] as usize;
        self.offset[i] = f64::from(market.paid[j]) + price - distance;
        self.relax(market, i);
    }

    /// Lists the best columns not closed, at least one of them new to this search.
    fn look_further<C: Costs>(&mut self, market: &mut Market<'_, C>, row: u32) {
        market.refresh(row as usize);
        self.blinkered.push(row);
        self.relax(market, row as usize);
    }

    /// Prices the closed columns so that no row of the path, nor any other, would rather swap.
    fn raise_prices<C: Costs>(&mut self, market: &mut Market<'_, C>) {
        for closed in self.closed.drain(..) {
            let rise = self.nearest - closed.distance;
            market.prices[closed.column as usize] = closed.price + rise;
        }
        for row in self.blinkered.drain(..) {
            market.shortlists[row as usize].bound = f64::NEG_INFINITY;
        }
        for column in self.reached.drain(..) {
            self.distance[column as usize] = f64::INFINITY;
        }
        self.events.clear();
    }

    /// Moves each row of the path to the column it reached for, from the free column back.
    fn flip_path<C: Costs>(&self, market: &mut Market<'_, C>, start: usize) {
        let mut column = self.sink;
        loop {
            let (row, cost) = self.parent[column as usize];
            let left = market.column_of[row as usize];
            market.assign(row as usize, Edge { column, cost });
            if row as usize == start {
                break;
            }
            column = left;
        }
    }
}
