//! What an adaptive solve saves besides the final state.
//!
//! `x(t_1), x(t_2), …` at times of the span, and the solution between them

use crate::error::SolveError;

/// What an adaptive solve saves besides the final state.
///
/// Saving never changes the solution, unless the steps land on the times.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Save {
    /// Times of the span whose states are saved, in any order; a time may occur more than once.
    pub times: Vec<f64>,
    /// Whether steps are cut short to end on the times. Each saved state is then one of the
    /// method's own, of its full order, instead of an interpolated one.
    pub landing: bool,
    /// Whether every step is kept, so that the solution can be evaluated at any time afterwards.
    /// Memory grows with the number of steps.
    pub dense: bool,
}

impl Save {
    /// The indices of the times, in the order in which a solve passes them.
    pub(super) fn order_of_passing(
        &self,
        (start, end): (f64, f64),
    ) -> Result<Vec<usize>, SolveError> {
        let times = &self.times;
        let (low, high) = (start.min(end), start.max(end));
        if let Some(&time) = times.iter().find(|t| !(low..=high).contains(*t)) {
            return Err(SolveError::OutsideSpan { time, start, end });
        }
        let mut order: Vec<usize> = (0..times.len()).collect();
        order.sort_by(|&a, &b| {
            if end >= start {
                times[a].total_cmp(&times[b])
            } else {
                times[b].total_cmp(&times[a])
            }
        });
        Ok(order)
    }
}
