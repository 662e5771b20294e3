//! Which channels are normalised together.

/// Which channels [`group_norm`](crate::group_norm()) normalises together, and what follows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Grouping {
    /// Number of groups, each of equally many channels.
    pub groups: usize,
    /// Added to the variance, ε.
    pub epsilon: f64,
    /// Whether a SiLU follows.
    pub silu: bool,
}
