//! The numbers of one step of AdamW.

/// The numbers of one step of [`adamw`](crate::adamw()), the same for all parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamWStep {
    /// β1 and β2, each in [0, 1).
    pub betas: [f64; 2],
    /// ε.
    pub epsilon: f64,
    /// r: the learning rate over `1 − β1ᵏ`.
    pub rate: f64,
    /// c: `√(1 − β2ᵏ)`.
    pub root_correction: f64,
    /// d: the learning rate times the weight decay.
    pub decay: f64,
}
