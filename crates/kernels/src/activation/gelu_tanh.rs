//! The constants of the GELU's tanh form.

/// `√(2/π)`.
pub(crate) const SLOPE: f64 = 0.797_884_560_802_865_4;
/// The weight of the cube.
pub(crate) const CUBE: f64 = 0.044_715;
