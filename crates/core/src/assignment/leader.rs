//! The best and the second best of the columns of a row, many columns at a time.
//!
//! Each lane of a vector keeps its own, and all lanes are compared at the end. Of several best
//! columns it takes the first, so that the width of the machine's vectors makes no difference.

use pulp::Simd;
use std::slice;

/// The numbers of the lanes of the widest vector.
const NUMBERS: [f32; 16] = {
    let mut numbers = [0.0; 16];
    let mut lane = 0;
    while lane < 16 {
        numbers[lane] = lane as f32;
        lane += 1;
    }
    numbers
};

/// What has been seen of a row. Columns come in vectors, in order; up to 2²⁴ of them are told
/// apart.
pub(super) struct Leader<S: Simd> {
    simd: S,
    best: S::f32s,
    second: S::f32s,
    /// The column of the best.
    at: S::f32s,
    /// The columns that come next.
    next: S::f32s,
    width: S::f32s,
}

/// The best column, with its value and the second best.
#[derive(Clone, Copy)]
pub(super) struct Lead {
    pub(super) column: usize,
    pub(super) best: f32,
    pub(super) second: f32,
}

impl<S: Simd> Leader<S> {
    #[inline(always)]
    pub(super) fn new(simd: S) -> Self {
        let nothing = simd.splat_f32s(f32::INFINITY);
        let next = S::as_simd_f32s(&NUMBERS).0[0];
        Self {
            simd,
            best: nothing,
            second: nothing,
            at: next,
            next,
            width: simd.splat_f32s(S::F32_LANES as f32),
        }
    }

    /// Looks at the next columns.
    #[inline(always)]
    pub(super) fn see(&mut self, values: S::f32s) {
        let simd = self.simd;
        let better = simd.less_than_f32s(values, self.best);
        self.second = simd.min_f32s(self.second, simd.max_f32s(self.best, values));
        self.best = simd.min_f32s(self.best, values);
        self.at = simd.select_f32s(better, self.next, self.at);
        self.next = simd.add_f32s(self.next, self.width);
    }

    /// The best of the columns seen and of the last ones, too few for a vector.
    #[inline(always)]
    pub(super) fn finish(self, last: impl Iterator<Item = f32>) -> Lead {
        let simd = self.simd;
        let none = simd.splat_f32s(f32::INFINITY);
        let best = simd.reduce_min_f32s(self.best);
        let leads = simd.equal_f32s(self.best, simd.splat_f32s(best));
        let first = simd.reduce_min_f32s(simd.select_f32s(leads, self.at, none));
        let is_first = simd.equal_f32s(self.at, simd.splat_f32s(first));
        let others = simd.select_f32s(is_first, none, self.best);
        let mut lead = Lead {
            column: first as usize,
            best,
            second: simd.reduce_min_f32s(simd.min_f32s(self.second, others)),
        };
        let mut next = 0.0;
        simd.partial_store_f32s(slice::from_mut(&mut next), self.next);
        for (column, value) in (next as usize..).zip(last) {
            lead.second = lead.second.min(value.max(lead.best));
            if value < lead.best {
                (lead.column, lead.best) = (column, value);
            }
        }
        lead
    }
}
