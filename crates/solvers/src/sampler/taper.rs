//! The order of a multistep method towards the end of its grid.
//!
//! `min(p, steps that are left)`: …, 3, 2, 1
//!
//! With few steps the last ones are long for how fast x̂1 then changes, and a polynomial through
//! earlier evaluations overshoots.

use crate::entry::Settings;
use crate::entry::option::TAPER;

/// The number of steps from which no order falls towards the end unless it is asked to. It is
/// diffusers' too.
const MANY: usize = 15;

/// The number of steps, if the settings ask for an order that falls over the last of them.
pub(super) fn asked(settings: &Settings<'_>) -> Option<u64> {
    let falls = match settings.word(&TAPER) {
        "always" => true,
        "never" => false,
        _ => settings.steps < MANY,
    };
    falls.then_some(settings.steps as u64)
}

/// The order of a step, where `steps` is the number of steps of the grid if the order tapers, and
/// `taken` the number of those before this one.
pub(super) fn tapered(order: usize, steps: Option<u64>, taken: u64) -> usize {
    let left = steps.map_or(u64::MAX, |steps| steps.saturating_sub(taken));
    (order as u64).min(left.max(1)) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_falls_to_one_on_the_last_step() {
        let orders: Vec<usize> = (0..6).map(|taken| tapered(3, Some(6), taken)).collect();
        assert_eq!(orders, [3, 3, 3, 3, 2, 1]);
        assert_eq!(tapered(3, None, 1000), 3);
        // A grid that is longer than it was said to be goes on with order 1.
        assert_eq!(tapered(3, Some(6), 9), 1);
    }
}
