//! `eˣ` for the kernels of entropic transport.

/// Below this, eˣ is 0: 2⁻¹⁰²² and what is smaller counts as nothing.
const LEAST: f64 = -708.0;
/// 1.5·2⁵²: added, it leaves an integer in the lowest bits.
const ROUNDING: f64 = 6_755_399_441_055_744.0;
/// ln 2 in two parts; the first has so few digits that its multiples are exact.
const LN_2: [f64; 2] = [0.693_147_180_369_123_8, 1.908_214_929_270_587_7e-10];
/// 1/k! from 13 down to 2: on |r| ≤ ½ ln 2 the series ends with 2·10⁻¹⁸.
const SERIES: [f64; 12] = {
    let mut series = [0.0; 12];
    let (mut k, mut factorial) = (0, 1.0);
    while k < 12 {
        factorial *= (k + 2) as f64;
        series[11 - k] = 1.0 / factorial;
        k += 1;
    }
    series
};

/// `eˣ` of a number that is at most 0, within 2 units in the last place.
///
/// Without a fused product, so that all machines give the same bits, and without a branch, so that
/// a loop over many numbers takes as many at a time as the machine's vectors hold.
#[inline(always)]
pub(super) fn exp(x: f64) -> f64 {
    let bounded = if x < LEAST { LEAST } else { x };
    let shifted = bounded * std::f64::consts::LOG2_E + ROUNDING;
    let k = shifted - ROUNDING;
    let r = (bounded - k * LN_2[0]) - k * LN_2[1];
    let series = SERIES[1..]
        .iter()
        .fold(SERIES[0], |sum, term| sum * r + term);
    // The lowest bits hold k; the exponent of a double is k + 1023.
    let power = f64::from_bits(shifted.to_bits().wrapping_add(1023) << 52);
    let value = ((series * r * r + r) + 1.0) * power;
    if x < LEAST { 0.0 } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_exponential_function() {
        for k in 0..70_790 {
            let x = -0.01 * f64::from(k);
            let (found, expected) = (exp(x), libm::exp(x));
            let ulps = found.to_bits().abs_diff(expected.to_bits());
            assert!(ulps <= 2, "{found} and {expected} at {x}");
        }
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(-708.5), 0.0);
        assert_eq!(exp(f64::NEG_INFINITY), 0.0);
    }
}
