//! The quantile function of the standard normal distribution.
//!
//! Source: Wichura 1988, AS 241, PPND16.

/// Half the width of the middle part, in which there is no logarithm.
const MIDDLE: f64 = 0.425;
/// `√(−ln p)` up to which the nearer part of a tail reaches: all but 3 of 10¹¹ numbers.
const NEAREST: f64 = 5.0;

/// Numerator and denominator of a rational function, from the constant up.
type Rational = ([f64; 8], [f64; 8]);

const CENTRE: Rational = (
    [
        3.387_132_872_796_366_5,
        133.141_667_891_784_38,
        1_971.590_950_306_551_3,
        13_731.693_765_509_46,
        45_921.953_931_549_87,
        67_265.770_927_008_7,
        33_430.575_583_588_13,
        2_509.080_928_730_122_7,
    ],
    [
        1.0,
        42.313_330_701_600_91,
        687.187_007_492_057_9,
        5_394.196_021_424_751,
        21_213.794_301_586_597,
        39_307.895_800_092_71,
        28_729.085_735_721_943,
        5_226.495_278_852_854,
    ],
);
const NEAR: Rational = (
    [
        1.423_437_110_749_683_5,
        4.630_337_846_156_546,
        5.769_497_221_460_691,
        3.647_848_324_763_204_5,
        1.270_458_252_452_368_4,
        0.241_780_725_177_450_6,
        0.022_723_844_989_269_184,
        7.745_450_142_783_414e-4,
    ],
    [
        1.0,
        2.053_191_626_637_759,
        1.676_384_830_183_803_8,
        0.689_767_334_985_1,
        0.148_103_976_427_480_08,
        0.015_198_666_563_616_457,
        5.475_938_084_995_345e-4,
        1.050_750_071_644_416_9e-9,
    ],
);
const FAR: Rational = (
    [
        6.657_904_643_501_103,
        5.463_784_911_164_114,
        1.784_826_539_917_291_3,
        0.296_560_571_828_504_87,
        0.026_532_189_526_576_124,
        0.001_242_660_947_388_078_4,
        2.711_555_568_743_487_6e-5,
        2.010_334_399_292_288_1e-7,
    ],
    [
        1.0,
        0.599_832_206_555_888,
        0.136_929_880_922_735_8,
        0.014_875_361_290_850_615,
        7.868_691_311_456_133e-4,
        1.846_318_317_510_054_8e-5,
        1.421_511_758_316_446e-7,
        2.044_263_103_389_94e-15,
    ],
);

/// The quantile function `Φ⁻¹(p)` of the standard normal distribution, to 16 digits (Wichura 1988,
/// AS 241, PPND16).
///
/// The tails use `libm`'s logarithm rather than the platform's, so that a seed means the same
/// numbers everywhere.
///
/// Range: p in (0, 1).
pub fn normal_quantile(p: f64) -> f64 {
    let q = p - 0.5;
    if q.abs() <= MIDDLE {
        return centre(q);
    }
    tail(p, q, libm::log)
}

/// [`normal_quantile`] of each number, to the same bits: the middle first, then the tails, gathered
/// so that they fill vectors too.
///
/// N is a multiple of 8.
#[inline(always)]
pub(super) fn quantiles<const N: usize>(p: &mut [f64; N]) {
    let mut outside = [0_u8; N];
    for (outside, p) in outside.iter_mut().zip(p.iter()) {
        *outside = u8::from((p - 0.5).abs() > MIDDLE);
    }
    let (mut tails, mut places) = ([0.5; N], [0; N]);
    let mut count = 0;
    // Eight flags at a time, of which most are not set.
    for (block, flags) in outside.as_chunks::<8>().0.iter().enumerate() {
        let mut flags = u64::from_le_bytes(*flags);
        while flags != 0 {
            let i = 8 * block + flags.trailing_zeros() as usize / 8;
            tails[count] = p[i];
            places[count] = i;
            count += 1;
            flags &= flags - 1;
        }
    }
    p.iter_mut().for_each(|p| *p = centre(*p - 0.5));
    let mut found = [0.0; N];
    for (z, p) in found.iter_mut().zip(&tails[..count]) {
        *z = near(*p);
    }
    for ((z, tail_of), i) in found.iter().zip(&tails).zip(&places[..count]) {
        p[*i] = if z.is_nan() {
            normal_quantile(*tail_of)
        } else {
            *z
        };
    }
}

#[inline(always)]
fn centre(q: f64) -> f64 {
    q * ratio(&CENTRE, 0.180625 - q * q)
}

/// The quantile in a tail, NaN where it is too far out.
#[inline(always)]
fn near(p: f64) -> f64 {
    let q = p - 0.5;
    let tail = if q < 0.0 { p } else { 1.0 - p };
    let r = (-log(tail)).sqrt();
    let z = ratio(&NEAR, r - 1.6);
    let z = if r <= NEAREST { z } else { f64::NAN };
    if q < 0.0 { -z } else { z }
}

fn tail(p: f64, q: f64, log: impl Fn(f64) -> f64) -> f64 {
    let tail = if q < 0.0 { p } else { 1.0 - p };
    let r = (-log(tail)).sqrt();
    let z = if r <= NEAREST {
        ratio(&NEAR, r - 1.6)
    } else {
        ratio(&FAR, r - 5.0)
    };
    if q < 0.0 { -z } else { z }
}

#[inline(always)]
fn ratio((top, bottom): &Rational, r: f64) -> f64 {
    let horner = |c: &[f64; 8]| {
        let mut sum = c[7];
        for c in c[..7].iter().rev() {
            sum = sum * r + c;
        }
        sum
    };
    horner(top) / horner(bottom)
}

/// `libm::log` of a normal number in (0, ½), to the bit and without a branch.
///
/// `ln(2ᵏ·m) = k·ln 2 + ln(1 + f)` with 1 + f in [√½, √2]; the series and the splitting of ln 2 are
/// those of Sun's fdlibm.
#[inline(always)]
fn log(x: f64) -> f64 {
    const LN2: [f64; 2] = [0.693_147_180_369_123_8, 1.908_214_929_270_587_7e-10];
    const ODD: [f64; 4] = [
        0.666_666_666_666_673_5,
        0.285_714_287_436_623_9,
        0.181_835_721_616_180_5,
        0.147_981_986_051_165_86,
    ];
    const EVEN: [f64; 3] = [
        0.399_999_999_994_094_2,
        0.222_221_984_321_497_84,
        0.153_138_376_992_093_73,
    ];
    // √½ to 20 bits, as the upper half of a double's bits.
    const ROOT: u64 = 0x3FE6_A09E << 32;
    let shifted = x.to_bits().wrapping_add((0x3FF0_0000 << 32) - ROOT);
    let k = f64::from((shifted >> 52) as i32 - 0x3FF);
    let f = f64::from_bits((shifted & ((1 << 52) - 1)).wrapping_add(ROOT)) - 1.0;
    let half_square = 0.5 * f * f;
    let s = f / (2.0 + f);
    let z = s * s;
    let w = z * z;
    let even = w * (EVEN[0] + w * (EVEN[1] + w * EVEN[2]));
    let odd = z * (ODD[0] + w * (ODD[1] + w * (ODD[2] + w * ODD[3])));
    s * (half_square + (odd + even)) + k * LN2[1] - half_square + f + k * LN2[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_at_once_are_the_same_as_one_by_one() {
        let mut state = 1_u64;
        for round in 0..2000 {
            let mut p = [0.0; 64];
            for p in &mut p {
                state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
                *p = ((state >> 12) as f64 + 0.5) / (1_u64 << 52) as f64;
                // Every third round far out in the tails, beyond the nearer part too.
                if round % 3 == 0 {
                    *p = p.powi(1 + round / 60);
                    if state & 1 << 40 == 0 && 1.0 - *p < 1.0 {
                        *p = 1.0 - *p;
                    }
                }
            }
            let expected = p.map(normal_quantile).map(f64::to_bits);
            quantiles(&mut p);
            assert_eq!(p.map(f64::to_bits), expected);
        }
    }

    #[test]
    fn the_logarithm_is_that_of_libm() {
        let mut x = 1e-17;
        while x < 0.5 {
            assert_eq!(log(x).to_bits(), libm::log(x).to_bits(), "{x}");
            x *= 1.000_123;
        }
    }

    #[test]
    fn the_quantile_inverts_the_distribution_function() {
        let phi = |z: f64| 0.5 * libm::erfc(-z / std::f64::consts::SQRT_2);
        for i in 1..2000 {
            let p = f64::from(i) / 2000.0;
            assert!((phi(normal_quantile(p)) - p).abs() < 1e-15, "p = {p}");
        }
        for p in [1e-300, 1e-100, 1e-20, 1e-12, 1e-6] {
            let relative = phi(normal_quantile(p)) / p - 1.0;
            assert!(relative.abs() < 1e-12, "p = {p}: {relative}");
        }
    }
}
