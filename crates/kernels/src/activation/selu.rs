//! The constants of the SELU (Klambauer et al. 2017).

/// λ, the slope above 0.
pub(crate) const SCALE: f64 = 1.050_700_987_355_480_5;
/// λ·α, the slope just below 0.
pub(crate) const BELOW: f64 = 1.758_099_340_847_376_6;
