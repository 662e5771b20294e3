//! Sinusoids of a time: one launch forward, one backward.
//!
//! `y = [cos φ_k, sin φ_k]`, `dt = Σ_k a_k·(g_{n+k}·cos φ_k − g_k·sin φ_k)`, with
//! `φ_k = a_k·t + b_k`, or with the sines first
//!
//! Vulkan promises a sine for angles up to π alone, and three digits of it. So φ is brought near 0
//! in parts of π/2 that single precision multiplies exactly, and the rest is a polynomial's.
//!
//! Source: Moshier, the Cephes library, `sinf.c`.

use super::elementwise::{Work, empty_like};
use super::order::packed;
use crate::tape::Fused;
use burn::tensor::TensorMetadata;
use burn::tensor::backend::Backend;
use burn_cubecl::tensor::CubeTensor;
use burn_cubecl::{BoolElement, CubeBackend, CubeRuntime, FloatElement, IntElement};
use cubecl::prelude::*;
use cubecl::std::tensor::layout::linear::LinearView;

/// Of times, and of a and b of each angle, `[2·n]`, which have no gradient.
#[derive(Debug, Clone)]
pub(super) struct Sinusoids {
    pub(super) sines_first: bool,
}

impl<R, F, I, T> Fused<CubeBackend<R, F, I, T>, 2> for Sinusoids
where
    R: CubeRuntime,
    F: FloatElement,
    I: IntElement,
    T: BoolElement,
    CubeBackend<R, F, I, T>: Backend<FloatTensorPrimitive = CubeTensor<R>>,
{
    type Saved = [CubeTensor<R>; 2];

    fn forward(&self, [t, angles]: [CubeTensor<R>; 2]) -> (CubeTensor<R>, Self::Saved) {
        let numbers = angles.shape()[0];
        let y = packed(&t, [t.shape()[0], numbers], t.dtype);
        let work = Work::of(&y);
        value::launch(
            &t.client,
            work.count,
            work.dim,
            t.clone().into_linear_view(),
            angles.clone().into_linear_view(),
            y.clone().into_linear_view(),
            numbers / 2,
            self.sines_first,
        );
        (y, [t, angles])
    }

    fn backward(
        &self,
        [t, angles]: Self::Saved,
        gradient: CubeTensor<R>,
        _: [bool; 2],
    ) -> [Option<CubeTensor<R>>; 2] {
        let (dt, work) = (empty_like(&t), Work::of(&t));
        let n = angles.shape()[0] / 2;
        pull::launch(
            &t.client.clone(),
            work.count,
            work.dim,
            t.into_linear_view(),
            angles.into_linear_view(),
            gradient.into_linear_view(),
            dt.clone().into_linear_view(),
            n,
            self.sines_first,
        );
        [Some(dt), None]
    }
}

#[cube(launch)]
fn value(
    t: &LinearView<f32>,
    angles: &LinearView<f32>,
    y: &mut LinearView<f32, ReadWrite>,
    n: usize,
    #[comptime] sines_first: bool,
) {
    let at = ABSOLUTE_POS;
    if !y.is_in_bounds(at) {
        terminate!();
    }
    let (row, column) = (at / (2 * n), at % (2 * n));
    let k = column % n;
    let (cosine, sine) = cosine_and_sine(angles[2 * k] * t[row] + angles[2 * k + 1]);
    let is_first = column < n;
    if comptime![sines_first] {
        y[at] = select(is_first, sine, cosine);
    } else {
        y[at] = select(is_first, cosine, sine);
    }
}

/// One unit per time.
#[cube(launch)]
fn pull(
    t: &LinearView<f32>,
    angles: &LinearView<f32>,
    gradient: &LinearView<f32>,
    dt: &mut LinearView<f32, ReadWrite>,
    n: usize,
    #[comptime] sines_first: bool,
) {
    let row = ABSOLUTE_POS;
    if !dt.is_in_bounds(row) {
        terminate!();
    }
    let mut total = 0.0f32;
    for k in 0..n {
        let rate = angles[2 * k];
        let (cosine, sine) = cosine_and_sine(rate * t[row] + angles[2 * k + 1]);
        let first = gradient[row * 2 * n + k];
        let second = gradient[row * 2 * n + n + k];
        if comptime![sines_first] {
            total += rate * (first * cosine - second * sine);
        } else {
            total += rate * (second * cosine - first * sine);
        }
    }
    dt[row] = total;
}

#[cube]
fn cosine_and_sine(angle: f32) -> (f32, f32) {
    // The nearest quarter turn, and the angle from there.
    let turns = f32::round(angle * std::f32::consts::FRAC_2_PI);
    let r = angle - turns * 1.570_312_5f32;
    let r = r - turns * 4.837_513e-4f32;
    let r = r - turns * 7.549_79e-8f32;
    let z = r * r;
    let of_sine = z * -1.951_529_6e-4f32 + 8.332_161e-3f32;
    let sine = r + r * z * (z * of_sine - 1.666_665_5e-1f32);
    let of_cosine = z * 2.443_315_7e-5f32 - 1.388_731_6e-3f32;
    let cosine = 1.0f32 - 0.5f32 * z + z * z * (z * of_cosine + 4.166_664_6e-2f32);
    // Each quarter turn takes (cos, sin) to (−sin, cos).
    let quarter = i32::cast_from(turns) & 3i32;
    let is_odd = (quarter & 1i32) == 1i32;
    let (c, s) = (select(is_odd, sine, cosine), select(is_odd, cosine, sine));
    let is_negative = quarter >= 2i32;
    let turned = (quarter == 1i32) || (quarter == 2i32);
    (select(turned, -c, c), select(is_negative, -s, s))
}
