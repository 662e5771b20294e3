//! Tsitouras 5(4).

use crate::dense::DenseWeights;
use crate::runge_kutta::{EmbeddedRk, ExplicitRk, Tableau};

/// Tsitouras 5(4): order 5, first same as last, so six evaluations per step; smaller error
/// constants than Dormand–Prince's.
///
/// Source: Tsitouras 2011, table 1 and the interpolant of §3 (order 4).
pub const TSIT5: EmbeddedRk = EmbeddedRk {
    method: ExplicitRk(&Tableau {
        name: "tsit5",
        order: 5,
        a: &[
            &[],
            &[0.161],
            &[-0.008480655492356989, 0.335480655492357],
            &[2.8971530571054935, -6.359448489975075, 4.3622954328695815],
            &[
                5.325864828439257,
                -11.748883564062828,
                7.4955393428898365,
                -0.09249506636175525,
            ],
            &[
                5.86145544294642,
                -12.92096931784711,
                8.159367898576159,
                -0.071584973281401,
                -0.028269050394068383,
            ],
            &[
                0.09646076681806523,
                0.01,
                0.4798896504144996,
                1.379008574103742,
                -3.290069515436081,
                2.324710524099774,
            ],
        ],
        b: &B,
        c: &[0.0, 0.161, 0.327, 0.9, 0.9800255409045097, 1.0, 1.0],
        first_same_as_last: true,
    }),
    embedded: &[
        B[0] + 0.001780011052225777,
        B[1] + 0.0008164344596567469,
        B[2] - 0.007880878010261995,
        B[3] + 0.1447110071732629,
        B[4] - 0.5823571654525552,
        B[5] + 0.45808210592918697,
        -1.0 / 66.0,
    ],
    embedded_order: 4,
    dense: DenseWeights::Quartic(&[
        {
            // θ(θ − r)(θ² + pθ + q), scaled.
            let (scale, r) = (-1.0530884977290216, 1.329989018975141);
            let (p, q) = (-1.4364028541716352, 0.7139816917074209);
            [-scale * r * q, scale * (q - r * p), scale * (p - r), scale]
        },
        from_squares(0.1017, -2.1966568338249752, 1.294985250737463),
        from_squares(2.490627285651253, -2.3853564547206165, 1.5780346820809248),
        from_roots(-16.548102889244902, 1.2171292729553325, 0.6162040603780009),
        from_roots(47.37952196281928, 1.2030712083723627, 0.6580472926535473),
        from_roots(-34.87065786149661, 1.2, 2.0 / 3.0),
        from_roots(2.5, 1.0, 0.6),
    ]),
};

const B: [f64; 7] = [
    0.09646076681806523,
    0.01,
    0.4798896504144996,
    1.379008574103742,
    -3.290069515436081,
    2.324710524099774,
    0.0,
];

/// `scale·θ²(θ² + pθ + q)`.
const fn from_squares(scale: f64, p: f64, q: f64) -> [f64; 4] {
    [0.0, scale * q, scale * p, scale]
}

/// `scale·θ²(θ − r)(θ − s)`.
const fn from_roots(scale: f64, r: f64, s: f64) -> [f64; 4] {
    from_squares(scale, -(r + s), r * s)
}
