//! Dormand–Prince 5(4).

use crate::dense::DenseWeights;
use crate::runge_kutta::{EmbeddedRk, ExplicitRk, Tableau};

/// Dormand–Prince 5(4): order 5, first same as last, so six evaluations per step.
///
/// Source: Dormand & Prince 1980, table 2; the error estimate and the dense output (order 4) are
/// Shampine's (1986).
pub const DOPRI5: EmbeddedRk = EmbeddedRk {
    method: ExplicitRk(&Tableau {
        name: "dopri5",
        order: 5,
        a: &[
            &[],
            &[1.0 / 5.0],
            &[3.0 / 40.0, 9.0 / 40.0],
            &[44.0 / 45.0, -56.0 / 15.0, 32.0 / 9.0],
            &[
                19372.0 / 6561.0,
                -25360.0 / 2187.0,
                64448.0 / 6561.0,
                -212.0 / 729.0,
            ],
            &[
                9017.0 / 3168.0,
                -355.0 / 33.0,
                46732.0 / 5247.0,
                49.0 / 176.0,
                -5103.0 / 18656.0,
            ],
            &[
                35.0 / 384.0,
                0.0,
                500.0 / 1113.0,
                125.0 / 192.0,
                -2187.0 / 6784.0,
                11.0 / 84.0,
            ],
        ],
        b: &B,
        c: &[0.0, 0.2, 0.3, 0.8, 8.0 / 9.0, 1.0, 1.0],
        first_same_as_last: true,
    }),
    embedded: &[
        1951.0 / 21600.0,
        0.0,
        22642.0 / 50085.0,
        451.0 / 720.0,
        -12231.0 / 42400.0,
        649.0 / 6300.0,
        1.0 / 60.0,
    ],
    embedded_order: 4,
    dense: DenseWeights::Quartic(&[
        quartic(0, -12715105075.0 / 11282082432.0),
        quartic(1, 0.0),
        quartic(2, 87487479700.0 / 32700410799.0),
        quartic(3, -10690763975.0 / 1880347072.0),
        quartic(4, 701980252875.0 / 199316789632.0),
        quartic(5, -1453857185.0 / 822651844.0),
        quartic(6, 69997945.0 / 29380423.0),
    ]),
};

const B: [f64; 7] = [
    35.0 / 384.0,
    0.0,
    500.0 / 1113.0,
    125.0 / 192.0,
    -2187.0 / 6784.0,
    11.0 / 84.0,
    0.0,
];

/// `b_i(θ) = θ(b + (1 − θ)(e − b + θ(2b − e − f + (1 − θ)d)))`, which is Hermite's cubic through
/// the endpoints of the step and a quartic that vanishes there; e and f pick the first and last
/// stage (Hairer, Nørsett & Wanner 1993, eq. 6.11).
const fn quartic(i: usize, d: f64) -> [f64; 4] {
    let b = B[i];
    let e = if i == 0 { 1.0 } else { 0.0 };
    let f = if i == 6 { 1.0 } else { 0.0 };
    let middle = 2.0 * b - e - f;
    [e, middle + d - (e - b), -(middle + 2.0 * d), d]
}
