//! Normal numbers by their words: one launch, and nothing that is sent.
//!
//! `z = Φ⁻¹(u)`, `u = (⌊word / 2¹²⌋ + ½)/2⁵²`
//!
//! Of the two tails the shorter one is taken, so that its 52 bits are enough however far out it is.
//!
//! Source: Wichura 1988, AS 241, PPND7, with coefficients of single precision.

use super::elementwise::Work;
use super::philox::{Place, place, word};
use crate::words::Words;
use burn_cubecl::CubeRuntime;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;
use cubecl::std::tensor::layout::linear::LinearView;

/// Half the width of the middle part, in which there is no logarithm.
const MIDDLE: f32 = 0.425;
/// `√(−ln p)` up to which the nearer part of a tail reaches.
const NEAREST: f32 = 5.0;

/// Writes normal numbers of this standard deviation over y.
pub(super) fn fill<R: CubeRuntime>(y: &CubeTensor<R>, words: &Words, std: f64) {
    let work = Work::of(y);
    normals::launch(
        &y.client,
        work.count,
        work.dim,
        y.clone().into_linear_view(),
        place(words),
        std as f32,
    );
}

#[cube(launch)]
fn normals(y: &mut LinearView<f32, ReadWrite>, place: Place, std: f32) {
    let at = ABSOLUTE_POS;
    if !y.is_in_bounds(at) {
        terminate!();
    }
    let (low, high) = word(&place, at);
    y[at] = std * quantile(low, high);
}

/// `Φ⁻¹(u)` of the word with these halves.
#[cube]
fn quantile(low: u32, high: u32) -> f32 {
    // k = ⌊word / 2¹²⌋ in 32 and 20 bits, and m = min(k, 2⁵² − 1 − k).
    let k_low = (low >> 12u32) | (high << 20u32);
    let k_high = high >> 12u32;
    let is_upper = k_high >= 0x8_0000u32;
    let m_low = select(is_upper, !k_low, k_low);
    let m_high = select(is_upper, 0xF_FFFFu32 - k_high, k_high);
    // The tail p, and its distance from ½, each with all digits that it has.
    let p = share(m_low, m_high);
    let q = share(!m_low, 0x7_FFFFu32 - m_high);
    // A tail is there for the middle too: the logarithm is finite, and its quantile is not taken.
    let r = f32::sqrt(-f32::ln(p));
    let outside = select(
        r <= comptime![NEAREST],
        near(r - 1.6f32),
        far(r - comptime![NEAREST]),
    );
    let z = select(
        q <= comptime![MIDDLE],
        q * centre(0.180_625f32 - q * q),
        outside,
    );
    select(is_upper, z, -z)
}

/// `(high·2³² + low + ½)/2⁵²`.
#[cube]
fn share(low: u32, high: u32) -> f32 {
    let of_low = (f32::cast_from(low) + 0.5f32) * 2.220_446e-16f32;
    f32::cast_from(high) * 9.536_743e-7f32 + of_low
}

#[cube]
fn centre(r: f32) -> f32 {
    let above = ((59.109_375f32 * r + 159.291_13f32) * r + 50.434_273f32) * r + 3.387_132_7f32;
    let below = ((67.187_56f32 * r + 78.757_76f32) * r + 17.895_17f32) * r + 1.0f32;
    above / below
}

#[cube]
fn near(r: f32) -> f32 {
    let above = ((0.170_238_21f32 * r + 1.306_728_5f32) * r + 2.756_815_4f32) * r + 1.423_437_2f32;
    let below = (0.120_211_33f32 * r + 0.737_001_6f32) * r + 1.0f32;
    above / below
}

#[cube]
fn far(r: f32) -> f32 {
    let above = ((0.017_337_204f32 * r + 0.428_682_94f32) * r + 3.081_226_3f32) * r + 6.657_905f32;
    let below = (0.012_258_202f32 * r + 0.241_978_94f32) * r + 1.0f32;
    above / below
}
