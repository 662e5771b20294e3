//! How far two consistency functions are apart.

use crate::named;
use crate::named::POSITIVE;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

named! {
    /// The distance of two samples, from the mean square m of their difference.
    #[derive(Clone, Copy, PartialEq)]
    pub enum Metric as "metric" {
        /// `m` (Song et al. 2023).
        "squared" => Squared,
        /// `√(m + c²) − c`, which outliers move less (Song & Dhariwal 2024; their c is √D times as
        /// large, since their norm is a sum over D numbers).
        "pseudo-huber" => PseudoHuber {
            /// c.
            offset: f64 = 5.4e-4 => POSITIVE,
        },
    }
}

/// Pseudo-Huber's, with the offset of its paper.
impl Default for Metric {
    fn default() -> Self {
        Self::PseudoHuber { offset: 5.4e-4 }
    }
}

impl Metric {
    /// The distance for each mean square.
    pub fn of<B: Backend>(self, squares: Tensor<B, 1>) -> Tensor<B, 1> {
        match self {
            Self::Squared => squares,
            Self::PseudoHuber { offset } => (squares + offset * offset).sqrt() - offset,
        }
    }
}
