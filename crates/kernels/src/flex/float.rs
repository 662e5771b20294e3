//! Single and double precision, with functions that vectorise.
//!
//! Everything here is inlined into the loop that calls it, free of branches and of saturating conversions between floats and integers: that
//! is what it takes for a compiler to turn the loop into vector instructions.

use burn::tensor::Element;
use bytemuck::Pod;
use pulp::Simd;
use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub};

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

    /// A vector of the processor.
    type Vector<S: Simd>: Copy;

    /// The vectors that a slice holds.
    fn vectors<S: Simd>(slice: &[Self]) -> &[Self::Vector<S>];

    /// The vectors that a slice holds, to be written.
    fn vectors_mut<S: Simd>(slice: &mut [Self]) -> &mut [Self::Vector<S>];

    /// A vector of one number.
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

    /// The first and the second of each pair, from two vectors of pairs. The order of the lanes is the processor's own, the same for both.
    fn unzip_lanes<S: Simd>(simd: S, pairs: [Self::Vector<S>; 2]) -> [Self::Vector<S>; 2];

    /// The pairs, in order, that [`Float::unzip_lanes`] has taken apart.
    fn zip_lanes<S: Simd>(simd: S, parts: [Self::Vector<S>; 2]) -> [Self::Vector<S>; 2];

    /// The four numbers of each group of four, from four vectors of groups, in an order of lanes likewise.
    fn unzip_fours<S: Simd>(simd: S, fours: [Self::Vector<S>; 4]) -> [Self::Vector<S>; 4];

    /// The nearest value.
    fn of(value: f64) -> Self;

    /// `self·a + b`, rounded once.
    fn fma(self, a: Self, b: Self) -> Self;

    /// The square root.
    fn root(self) -> Self;

    /// 2ⁿ and e^r − 1, with x = n·ln 2 + r and |r| ≤ ½·ln 2; x is held where 2ⁿ is a normal number.
    fn split_exp(self) -> (Self, Self);

    /// The error function, to the precision of the type.
    fn erf(self) -> Self;

    /// eˣ to an ulp or two, between the least and the largest normal number.
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

/// `Σ_k c_k·r^k` from the highest coefficient down.
macro_rules! horner {
    ($t:ty, $r:expr, $first:expr $(, $c:expr)*) => {{
        let sum: $t = $first;
        $(let sum = Float::fma(sum, $r, $c);)*
        sum
    }};
}

macro_rules! float {
    ($t:ty, $bits:ty, $mantissa:literal, $bias:literal, [$low:expr, $high:expr], [$ln2:expr, $ln2_rest:expr], $erf:path, ($vector:ident, $slice:ident, $slice_mut:ident, $splat:ident, $fma:ident, $add:ident, $sub:ident, $unzip:ident, $zip:ident), [$($c:expr),*]) => {
        impl Float for $t {
            const ONE: Self = 1.0;

            type Vector<S: Simd> = S::$vector;

            #[inline(always)]
            fn vectors<S: Simd>(slice: &[Self]) -> &[S::$vector] {
                S::$slice(slice).0
            }

            #[inline(always)]
            fn vectors_mut<S: Simd>(slice: &mut [Self]) -> &mut [S::$vector] {
                S::$slice_mut(slice).0
            }

            #[inline(always)]
            fn splat<S: Simd>(simd: S, value: Self) -> S::$vector {
                simd.$splat(value)
            }

            #[inline(always)]
            fn fma_lanes<S: Simd>(simd: S, a: S::$vector, b: S::$vector, c: S::$vector) -> S::$vector {
                simd.$fma(a, b, c)
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
                self.mul_add(a, b)
            }

            #[inline(always)]
            fn root(self) -> Self {
                self.sqrt()
            }

            #[inline(always)]
            fn split_exp(self) -> (Self, Self) {
                // Added, it rounds to an integer, whose bits are then the lowest of the sum.
                const ROUND: $t = 1.5 * (1_u64 << $mantissa) as $t;
                let x = if self > $high { $high } else { self };
                let x = if x < $low { $low } else { x };
                let sum = x.mul_add(std::f64::consts::LOG2_E as $t, ROUND);
                let n = sum - ROUND;
                let r = (-n).mul_add($ln2, x);
                let r = (-n).mul_add($ln2_rest, r);
                let scale = <$t>::from_bits(sum.to_bits().wrapping_add($bias) << $mantissa);
                // Taylor's series: its first term left out is less than half an ulp.
                let rest = horner!($t, r, $($c),*);
                (scale, (r * r).mul_add(rest, r))
            }

            #[inline(always)]
            fn erf(self) -> Self {
                $erf(self)
            }
        }
    };
}

float!(
    f32,
    u32,
    23,
    127,
    [-87.33, 88.37],
    [std::f32::consts::LN_2, -1.904_654_2e-9],
    libm::erff,
    (
        f32s,
        as_simd_f32s,
        as_mut_simd_f32s,
        splat_f32s,
        mul_add_f32s,
        add_f32s,
        sub_f32s,
        deinterleave_shfl_f32s,
        interleave_shfl_f32s
    ),
    [
        1.0 / 5040.0,
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5
    ]
);
float!(
    f64,
    u64,
    52,
    1023,
    [-708.39, 709.43],
    [std::f64::consts::LN_2, 2.319_046_813_846_3e-17],
    libm::erf,
    (
        f64s,
        as_simd_f64s,
        as_mut_simd_f64s,
        splat_f64s,
        mul_add_f64s,
        add_f64s,
        sub_f64s,
        deinterleave_shfl_f64s,
        interleave_shfl_f64s
    ),
    [
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
    ]
);

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
