//! The nonlinearities and their slopes on a GPU.

use super::logistic::{logistic, silu_slope};
use crate::activation::{Activation, gelu_tanh, selu};
use cubecl::prelude::*;
use std::f32::consts::{FRAC_1_SQRT_2, TAU};

/// `act(z)`.
#[cube]
pub(super) fn value(z: f32, #[comptime] activation: Activation) -> f32 {
    if comptime![activation == Activation::Selu] {
        let scale = comptime![selu::SCALE as f32];
        let below = comptime![selu::BELOW as f32];
        // Without the bound, the exponential of a large number would be infinite. A minimum in its
        // place may lose what is not a number.
        let bounded = select(z > 0.0, 0.0f32, z);
        select(z > 0.0, scale * z, below * (f32::exp(bounded) - 1.0))
    } else if comptime![activation == Activation::Silu] {
        z * logistic(z)
    } else if comptime![activation == Activation::Gelu] {
        z * normal(z)
    } else if comptime![activation == Activation::GeluTanh] {
        // ½(1 + tanh u) = s(2u)
        z * logistic(2.0 * inner(z))
    } else if comptime![activation == Activation::Relu] {
        max(z, 0.0)
    } else if comptime![activation == Activation::Tanh] {
        2.0 * logistic(2.0 * z) - 1.0
    } else {
        z
    }
}

/// `act'(z)`.
#[cube]
pub(super) fn slope(z: f32, #[comptime] activation: Activation) -> f32 {
    if comptime![activation == Activation::Selu] {
        let scale = comptime![selu::SCALE as f32];
        let below = comptime![selu::BELOW as f32];
        select(z > 0.0, scale, below * f32::exp(select(z > 0.0, 0.0f32, z)))
    } else if comptime![activation == Activation::Silu] {
        silu_slope(z)
    } else if comptime![activation == Activation::Gelu] {
        let root = comptime![TAU.sqrt().recip()];
        normal(z) + z * root * f32::exp(-0.5 * z * z)
    } else if comptime![activation == Activation::GeluTanh] {
        let cube = comptime![3.0 * gelu_tanh::CUBE as f32];
        let slope = comptime![gelu_tanh::SLOPE as f32];
        let s = logistic(2.0 * inner(z));
        s + 2.0 * z * s * (1.0 - s) * slope * (1.0 + cube * z * z)
    } else if comptime![activation == Activation::Relu] {
        select(z > 0.0, 1.0f32, 0.0f32)
    } else if comptime![activation == Activation::Tanh] {
        let s = logistic(2.0 * z);
        4.0 * s * (1.0 - s)
    } else {
        1.0f32.runtime()
    }
}

/// Φ(z), the distribution function of the normal distribution.
#[cube]
fn normal(z: f32) -> f32 {
    0.5 * (1.0 + Erf::erf(z * comptime![FRAC_1_SQRT_2]))
}

/// What the GELU's tanh form takes the tanh of.
#[cube]
fn inner(z: f32) -> f32 {
    let cube = comptime![gelu_tanh::CUBE as f32];
    let slope = comptime![gelu_tanh::SLOPE as f32];
    slope * (z + cube * z * z * z)
}
