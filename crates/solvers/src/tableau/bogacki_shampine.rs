//! Bogacki–Shampine 3(2).

use crate::dense::DenseWeights;
use crate::runge_kutta::{EmbeddedRk, ExplicitRk, Tableau};

/// Bogacki–Shampine 3(2): order 3, first same as last, so three evaluations per step.
///
/// Source: Bogacki & Shampine 1989.
pub const BOGACKI_SHAMPINE: EmbeddedRk = EmbeddedRk {
    method: ExplicitRk(&Tableau {
        name: "bosh3",
        order: 3,
        a: &[
            &[],
            &[1.0 / 2.0],
            &[0.0, 3.0 / 4.0],
            &[2.0 / 9.0, 1.0 / 3.0, 4.0 / 9.0],
        ],
        b: &[2.0 / 9.0, 1.0 / 3.0, 4.0 / 9.0, 0.0],
        c: &[0.0, 0.5, 0.75, 1.0],
        first_same_as_last: true,
    }),
    embedded: &[7.0 / 24.0, 1.0 / 4.0, 1.0 / 3.0, 1.0 / 8.0],
    embedded_order: 2,
    dense: DenseWeights::Hermite,
};
