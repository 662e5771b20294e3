//! Convolutions of any kernel size and stride, with one multiplication per term.

pub(super) mod correlation;
pub(super) mod weight_gradient;
