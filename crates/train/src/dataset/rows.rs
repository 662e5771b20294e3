//! Which rows of a file a dataset has.

use std::ops::Range;
use std::sync::Arc;

/// Rows of a file, in order.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Rows {
    Range(Range<usize>),
    /// Row numbers of four bytes: no set has more.
    List(Arc<[u32]>),
}

impl Rows {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Range(range) => range.len(),
            Self::List(list) => list.len(),
        }
    }

    pub(super) fn get(&self, i: usize) -> usize {
        match self {
            Self::Range(range) => {
                assert!(i < range.len(), "sample {i} of {}", range.len());
                range.start + i
            }
            Self::List(list) => list[i] as usize,
        }
    }

    /// Some of these rows.
    pub(super) fn select(&self, rows: &[usize]) -> Self {
        Self::List(rows.iter().map(|&row| self.get(row) as u32).collect())
    }

    pub(super) fn digest(&self, part: &mut dyn FnMut(&[u8])) {
        match self {
            Self::Range(range) => part(format!("{range:?}").as_bytes()),
            Self::List(rows) => {
                let rows = rows.iter().flat_map(|row| row.to_le_bytes());
                part(&rows.collect::<Vec<u8>>());
            }
        }
    }
}
