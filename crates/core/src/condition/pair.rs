//! Two conditions at once.
//!
//! `c = (c1, c2)`; both are dropped together, and a longer list is a pair in a pair

use super::{Condition, Given};
use burn::tensor::backend::Backend;

/// Each reads its own part of what is given.
impl<B: Backend, C1: Condition<B>, C2: Condition<B>> Condition<B> for (C1, C2) {
    fn upload(given: &Given, device: &B::Device) -> Self {
        (C1::upload(given, device), C2::upload(given, device))
    }

    fn select(&self, rows: &[usize]) -> Self {
        (self.0.select(rows), self.1.select(rows))
    }
}
