//! The activations and their derivatives, as functions that vectorise.

use crate::activation::gelu_tanh::{CUBE, SLOPE};
use crate::activation::selu;
use crate::flex::float::Float;
pub(super) use crate::flex::silu::{slope as silu_slope, value as silu};

/// Evaluates an expression once per activation, with a name for the activation (`value`) or for its
/// derivative (`slope`), each a closure of a `T` that is inlined.
macro_rules! by_activation {
    ($activation:expr, value $f:ident => $run:expr) => {
        by_activation!(@ $activation, $f => $run;
            Identity: identity; Selu: selu; Silu: silu; Gelu: gelu;
            GeluTanh: gelu_tanh; Relu: relu; Tanh: tanh)
    };
    ($activation:expr, slope $f:ident => $run:expr) => {
        by_activation!(@ $activation, $f => $run;
            Identity: identity_slope; Selu: selu_slope; Silu: silu_slope; Gelu: gelu_slope;
            GeluTanh: gelu_tanh_slope; Relu: relu_slope; Tanh: tanh_slope)
    };
    (@ $activation:expr, $f:ident => $run:expr; $($name:ident: $of:ident);*) => {
        match $activation {
            $($crate::activation::Activation::$name => {
                // A closure may have an attribute only inside another expression.
                let ($f,) = (
                    #[inline(always)]
                    |z: T| $crate::flex::activation::$of(z),
                );
                $run
            })*
        }
    };
}
pub(super) use by_activation;

#[inline(always)]
pub(super) fn identity<T: Float>(z: T) -> T {
    z
}

#[inline(always)]
pub(super) fn identity_slope<T: Float>(_: T) -> T {
    T::ONE
}

#[inline(always)]
pub(super) fn selu<T: Float>(z: T) -> T {
    let low = T::of(selu::BELOW) * z.exp_m1_();
    if z > T::default() {
        T::of(selu::SCALE) * z
    } else {
        low
    }
}

#[inline(always)]
pub(super) fn selu_slope<T: Float>(z: T) -> T {
    let low = T::of(selu::BELOW) * z.exp_();
    if z > T::default() {
        T::of(selu::SCALE)
    } else {
        low
    }
}

#[inline(always)]
pub(super) fn relu<T: Float>(z: T) -> T {
    if z > T::default() { z } else { T::default() }
}

#[inline(always)]
pub(super) fn relu_slope<T: Float>(z: T) -> T {
    if z > T::default() {
        T::ONE
    } else {
        T::default()
    }
}

#[inline(always)]
pub(super) fn tanh<T: Float>(z: T) -> T {
    z.tanh_()
}

#[inline(always)]
pub(super) fn tanh_slope<T: Float>(z: T) -> T {
    let y = z.tanh_();
    (-y).fma(y, T::ONE)
}

/// Φ(z).
#[inline(always)]
fn phi<T: Float>(z: T) -> T {
    let half = T::of(0.5);
    (z * T::of(std::f64::consts::FRAC_1_SQRT_2))
        .erf()
        .fma(half, half)
}

#[inline(always)]
pub(super) fn gelu<T: Float>(z: T) -> T {
    z * phi(z)
}

#[inline(always)]
pub(super) fn gelu_slope<T: Float>(z: T) -> T {
    // 1/√(2π).
    let density = T::of(0.398_942_280_401_432_7) * (z * z * T::of(-0.5)).exp_();
    z.fma(density, phi(z))
}

/// `2·√(2/π)·(z + c·z³)`: half of one plus its half's tanh is its logistic function.
#[inline(always)]
fn twice_inner<T: Float>(z: T) -> T {
    T::of(2.0 * SLOPE) * z * (z * z).fma(T::of(CUBE), T::ONE)
}

#[inline(always)]
pub(super) fn gelu_tanh<T: Float>(z: T) -> T {
    z * twice_inner(z).sigmoid()
}

#[inline(always)]
pub(super) fn gelu_tanh_slope<T: Float>(z: T) -> T {
    let e = (-twice_inner(z)).exp_();
    let s = T::ONE / (T::ONE + e);
    let inner = (z * z).fma(T::of(6.0 * SLOPE * CUBE), T::of(2.0 * SLOPE));
    // e·s is 1 − s without cancellation, which z·inner would enlarge.
    s * (z * (e * s)).fma(inner, T::ONE)
}
