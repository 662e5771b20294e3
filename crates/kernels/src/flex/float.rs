//! Single and double precision, with functions that vectorise.
//!
//! Everything here is inlined into the loop that calls it, and has neither branches nor saturating
//! conversions between floats and integers. Otherwise the compiler could not turn the loop into
//! vector instructions.

use burn::tensor::Element;
use bytemuck::Pod;
use pulp::Simd;
use std::f64::consts::LOG2_E;
use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub};

/// Whether `a·b + c` is rounded twice. WebAssembly has no instruction that rounds it once, and in
/// software that takes a hundred times as long.
const UNFUSED: bool = cfg!(target_family = "wasm");

/// A float that the kernels run on.
pub(crate) trait Float:
    Element
    + Pod
    + PartialOrd
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + Into<f64>
    + Default
    + Send
    + Sync
{
    /// 1.
    const ONE: Self;

    /// Where eˣ is held to, so that it is a normal number.
    const EXP_RANGE: [Self; 2];

    /// ln 2 in two parts: the nearest number, or where [`UNFUSED`] one whose multiples are exact,
    /// and the rest.
    const LN_2: [Self; 2];

    /// Added to a small number, it rounds to an integer, which is then in the lowest bits of the
    /// sum.
    const ROUND: Self;

    /// A vector of the processor.
    type Vector<S: Simd>: Copy;

    /// The slice as vectors.
    fn vectors<S: Simd>(slice: &[Self]) -> &[Self::Vector<S>];

    /// The slice as vectors, to be written.
    fn vectors_mut<S: Simd>(slice: &mut [Self]) -> &mut [Self::Vector<S>];

    /// A vector whose lanes all hold one number.
    fn splat<S: Simd>(simd: S, value: Self) -> Self::Vector<S>;

    /// `a·b + c` of each lane.
    fn fma_lanes<S: Simd>(
        simd: S,
        a: Self::Vector<S>,
        b: Self::Vector<S>,
        c: Self::Vector<S>,
    ) -> Self::Vector<S>;

    /// `a + b` of each lane.
    fn add_lanes<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S>;

    /// `a − b` of each lane.
    fn sub_lanes<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S>;

    /// The first and the second number of each pair, from two vectors of pairs. The order of the
    /// lanes depends on the processor and is the same in both.
    fn unzip_lanes<S: Simd>(simd: S, pairs: [Self::Vector<S>; 2]) -> [Self::Vector<S>; 2];

    /// The inverse of [`Float::unzip_lanes`]: the pairs in order.
    fn zip_lanes<S: Simd>(simd: S, parts: [Self::Vector<S>; 2]) -> [Self::Vector<S>; 2];

    /// The four numbers of each group of four, from four vectors of groups, with the lanes in an
    /// order as in [`Float::unzip_lanes`].
    fn unzip_fours<S: Simd>(simd: S, fours: [Self::Vector<S>; 4]) -> [Self::Vector<S>; 4];

    /// The nearest value.
    fn of(value: f64) -> Self;

    /// `self·a + b`, rounded once.
    fn fma(self, a: Self, b: Self) -> Self;

    /// The square root.
    fn root(self) -> Self;

    /// 2ⁿ, from `ROUND + n`.
    fn power_of_two(rounded: Self) -> Self;

    /// `(e^r − 1 − r)/r²` for `|r| ≤ ½·ln 2`, by its Taylor series.
    fn exp_series(r: Self) -> Self;

    /// The error function, to the precision of the type.
    fn erf(self) -> Self;

    /// 2ⁿ and e^r − 1, with `x = n·ln 2 + r` and `|r| ≤ ½·ln 2`.
    #[inline(always)]
    fn split_exp(self) -> (Self, Self) {
        let [low, high] = Self::EXP_RANGE;
        let x = if self > high { high } else { self };
        let x = if x < low { low } else { x };
        let rounded = x.fma(Self::of(LOG2_E), Self::ROUND);
        let n = rounded - Self::ROUND;
        let r = (-n).fma(Self::LN_2[0], x);
        let r = (-n).fma(Self::LN_2[1], r);
        let rest = (r * r).fma(Self::exp_series(r), r);
        (Self::power_of_two(rounded), rest)
    }

    /// eˣ to within two units in the last place, between the least and the largest normal number.
    #[inline(always)]
    fn exp_(self) -> Self {
        let (scale, rest) = self.split_exp();
        scale.fma(rest, scale)
    }

    /// eˣ − 1 without cancellation near 0.
    #[inline(always)]
    fn exp_m1_(self) -> Self {
        let (scale, rest) = self.split_exp();
        scale.fma(rest, scale - Self::ONE)
    }

    /// 1/(1 + e⁻ˣ).
    #[inline(always)]
    fn sigmoid(self) -> Self {
        Self::ONE / (Self::ONE + (-self).exp_())
    }

    /// tanh x.
    #[inline(always)]
    fn tanh_(self) -> Self {
        // Beyond 20 the value is ±1 in either precision.
        let bound = Self::of(20.0);
        let x = if self > bound { bound } else { self };
        let x = if x < -bound { -bound } else { x };
        let e = (x + x).exp_m1_();
        e / (e + Self::of(2.0))
    }
}

/// What both types do alike: operations on pulp's vectors, under their names for the type, and on
/// single numbers.
macro_rules! shared {
    ($t:ty; vector $vector:ident, $as_slice:ident, $as_mut_slice:ident;
     splat $splat:ident, fma $fma:ident or $two_roundings:ident, add $add:ident, sub $sub:ident;
     unzip $unzip:ident, zip $zip:ident) => {
        const ONE: Self = 1.0;

        type Vector<S: Simd> = S::$vector;

        #[inline(always)]
        fn vectors<S: Simd>(slice: &[Self]) -> &[S::$vector] {
            S::$as_slice(slice).0
        }

        #[inline(always)]
        fn vectors_mut<S: Simd>(slice: &mut [Self]) -> &mut [S::$vector] {
            S::$as_mut_slice(slice).0
        }

        #[inline(always)]
        fn splat<S: Simd>(simd: S, value: Self) -> S::$vector {
            simd.$splat(value)
        }

        #[inline(always)]
        fn fma_lanes<S: Simd>(simd: S, a: S::$vector, b: S::$vector, c: S::$vector) -> S::$vector {
            if UNFUSED {
                simd.$two_roundings(a, b, c)
            } else {
                simd.$fma(a, b, c)
            }
        }

        #[inline(always)]
        fn add_lanes<S: Simd>(simd: S, a: S::$vector, b: S::$vector) -> S::$vector {
            simd.$add(a, b)
        }

        #[inline(always)]
        fn sub_lanes<S: Simd>(simd: S, a: S::$vector, b: S::$vector) -> S::$vector {
            simd.$sub(a, b)
        }

        #[inline(always)]
        fn unzip_lanes<S: Simd>(simd: S, pairs: [S::$vector; 2]) -> [S::$vector; 2] {
            simd.$unzip(pairs)
        }

        #[inline(always)]
        fn zip_lanes<S: Simd>(simd: S, parts: [S::$vector; 2]) -> [S::$vector; 2] {
            simd.$zip(parts)
        }

        #[inline(always)]
        fn unzip_fours<S: Simd>(simd: S, fours: [S::$vector; 4]) -> [S::$vector; 4] {
            simd.$unzip(fours)
        }

        #[inline(always)]
        fn of(value: f64) -> Self {
            value as $t
        }

        #[inline(always)]
        fn fma(self, a: Self, b: Self) -> Self {
            if UNFUSED {
                self * a + b
            } else {
                self.mul_add(a, b)
            }
        }

        #[inline(always)]
        fn root(self) -> Self {
            self.sqrt()
        }
    };
}

/// `Σ_k c_k·r^k`, from the highest coefficient down.
macro_rules! horner {
    ($r:expr; $first:expr $(, $c:expr)*) => {{
        let sum: Self = $first;
        $(let sum = sum.fma($r, $c);)*
        sum
    }};
}

impl Float for f32 {
    shared! {
        f32;
        vector f32s, as_simd_f32s, as_mut_simd_f32s;
        splat splat_f32s, fma mul_add_f32s or mul_add_e_f32s, add add_f32s, sub sub_f32s;
        unzip deinterleave_shfl_f32s, zip interleave_shfl_f32s
    }

    const EXP_RANGE: [Self; 2] = [-87.33, 88.37];
    const LN_2: [Self; 2] = if UNFUSED {
        [355.0 / 512.0, -2.121_944_4e-4]
    } else {
        [std::f32::consts::LN_2, -1.904_654_2e-9]
    };
    const ROUND: Self = 1.5 * (1_u64 << 23) as Self;

    #[inline(always)]
    fn power_of_two(rounded: Self) -> Self {
        Self::from_bits(rounded.to_bits().wrapping_add(127) << 23)
    }

    // The first term left out of either series is less than half a unit in the last place.
    #[inline(always)]
    fn exp_series(r: Self) -> Self {
        horner!(r; 1.0 / 5040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5)
    }

    #[inline(always)]
    fn erf(self) -> Self {
        libm::erff(self)
    }
}

impl Float for f64 {
    shared! {
        f64;
        vector f64s, as_simd_f64s, as_mut_simd_f64s;
        splat splat_f64s, fma mul_add_f64s or mul_add_e_f64s, add add_f64s, sub sub_f64s;
        unzip deinterleave_shfl_f64s, zip interleave_shfl_f64s
    }

    const EXP_RANGE: [Self; 2] = [-708.39, 709.43];
    const LN_2: [Self; 2] = if UNFUSED {
        [0.693_147_180_369_123_8, 1.908_214_929_270_587_7e-10]
    } else {
        [std::f64::consts::LN_2, 2.319_046_813_846_3e-17]
    };
    const ROUND: Self = 1.5 * (1_u64 << 52) as Self;

    #[inline(always)]
    fn power_of_two(rounded: Self) -> Self {
        Self::from_bits(rounded.to_bits().wrapping_add(1023) << 52)
    }

    #[inline(always)]
    fn exp_series(r: Self) -> Self {
        horner!(
            r;
            1.0 / 6_227_020_800.0,
            1.0 / 479_001_600.0,
            1.0 / 39_916_800.0,
            1.0 / 3_628_800.0,
            1.0 / 362_880.0,
            1.0 / 40_320.0,
            1.0 / 5040.0,
            1.0 / 720.0,
            1.0 / 120.0,
            1.0 / 24.0,
            1.0 / 6.0,
            0.5
        )
    }

    #[inline(always)]
    fn erf(self) -> Self {
        libm::erf(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worst<T: Float>(range: (f64, f64), got: fn(T) -> T, exact: fn(f64) -> f64) -> f64 {
        let at = |i: u32| range.0 + (range.1 - range.0) * f64::from(i) / 100_000.0;
        let error = |x: T| {
            let exact = exact(x.into());
            ((got(x).into() - exact) / exact.abs().max(1e-30)).abs()
        };
        (0..=100_000)
            .map(|i| error(T::of(at(i))))
            .fold(0.0, f64::max)
    }

    #[test]
    fn functions_are_exact_to_a_few_ulps() {
        let single = 4.0 * f64::from(f32::EPSILON);
        let double = 4.0 * f64::EPSILON;
        assert!(worst::<f32>((-80.0, 80.0), f32::exp_, f64::exp) < single);
        assert!(worst::<f64>((-700.0, 700.0), f64::exp_, f64::exp) < double);
        for range in [(-30.0, 30.0), (-1e-3, 1e-3), (-1e-9, 1e-9)] {
            assert!(worst::<f32>(range, f32::exp_m1_, f64::exp_m1) < single);
            assert!(worst::<f64>(range, f64::exp_m1_, f64::exp_m1) < double);
            assert!(worst::<f32>(range, f32::tanh_, f64::tanh) < single);
            assert!(worst::<f64>(range, f64::tanh_, f64::tanh) < double);
        }
        assert!(worst::<f32>((-30.0, 30.0), f32::sigmoid, |x| 1.0 / (1.0 + (-x).exp())) < single);
    }

    #[test]
    fn the_ends_of_the_range_are_finite_and_nan_stays() {
        for x in [f32::NEG_INFINITY, -1e30, 1e30, f32::INFINITY] {
            assert!(x.exp_().is_finite(), "{x}");
            assert!((x.tanh_() - x.signum()).abs() < 1e-6);
        }
        for x in [f64::NEG_INFINITY, -1e300, 1e300] {
            assert!(x.exp_().is_finite(), "{x}");
        }
        assert!(f32::NAN.exp_().is_nan() && f64::NAN.sigmoid().is_nan());
    }
}
