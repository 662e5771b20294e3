//! The logistic function and the slope of the SiLU on a GPU.

use cubecl::prelude::*;

/// `s(z) = 1/(1 + e⁻ᶻ)`, by an exponential that does not overflow.
#[cube]
pub(super) fn logistic(z: f32) -> f32 {
    let e = f32::exp(-f32::abs(z));
    let share = 1.0 / (1.0 + e);
    select(z >= 0.0, share, e * share)
}

/// `s·(1 + z·(1 − s))`, the derivative of `z·s(z)`.
#[cube]
pub(super) fn silu_slope(z: f32) -> f32 {
    let s = logistic(z);
    s * (1.0 + z * (1.0 - s))
}
