//! Elementwise updates of parameters: one launch for a step of AdamW, one for a step of a moving average.
//!
//! `m ← β1·m + (1 − β1)·g`, `v ← β2·v + (1 − β2)·g²`, `θ ← (1 − d)·θ − r·m/(√v/c + ε)`; `θ̄ ← θ̄ + w·(θ − θ̄)`
//!
//! burn composes the first of some fourteen launches per tensor, and a network has hundreds of tensors.

use super::elementwise::{Work, empty_like};
use crate::adamw_step::AdamWStep;
use burn_cubecl::CubeRuntime;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;
use cubecl::std::tensor::layout::linear::LinearView;

pub(super) fn adamw<R: CubeRuntime>(
    [theta, m, v]: [CubeTensor<R>; 3],
    gradient: CubeTensor<R>,
    factor: Option<CubeTensor<R>>,
    step: &AdamWStep,
) -> [CubeTensor<R>; 3] {
    let out = [&theta, &m, &v].map(empty_like);
    let work = Work::of(&theta);
    let [beta1, beta2] = step.betas.map(|beta| beta as f32);
    let numbers = NumbersLaunch::new(
        beta1,
        (1.0 - step.betas[0]) as f32,
        beta2,
        (1.0 - step.betas[1]) as f32,
        step.epsilon as f32,
        step.rate as f32,
        (1.0 / step.root_correction) as f32,
        (1.0 - step.decay) as f32,
    );
    let is_bounded = factor.is_some();
    adamw_step::launch(
        &theta.client.clone(),
        work.count,
        work.dim,
        // Without a bound the argument is there and is not read.
        factor
            .unwrap_or_else(|| gradient.clone())
            .into_linear_view(),
        theta.into_linear_view(),
        m.into_linear_view(),
        v.into_linear_view(),
        gradient.into_linear_view(),
        out[0].clone().into_linear_view(),
        out[1].clone().into_linear_view(),
        out[2].clone().into_linear_view(),
        numbers,
        is_bounded,
    );
    out
}

pub(super) fn lerp<R: CubeRuntime>(
    average: CubeTensor<R>,
    x: CubeTensor<R>,
    weight: f64,
) -> CubeTensor<R> {
    let out = empty_like(&average);
    let work = Work::of(&average);
    lerp_step::launch(
        &average.client.clone(),
        work.count,
        work.dim,
        average.into_linear_view(),
        x.into_linear_view(),
        out.clone().into_linear_view(),
        weight as f32,
    );
    out
}

#[derive(CubeType, CubeLaunch)]
struct Numbers {
    beta1: f32,
    rest1: f32,
    beta2: f32,
    rest2: f32,
    epsilon: f32,
    rate: f32,
    /// 1/c.
    correction: f32,
    /// 1 − d.
    keep: f32,
}

#[cube(launch)]
fn adamw_step(
    factor: &LinearView<f32>,
    theta: &LinearView<f32>,
    m: &LinearView<f32>,
    v: &LinearView<f32>,
    gradient: &LinearView<f32>,
    theta_out: &mut LinearView<f32, ReadWrite>,
    m_out: &mut LinearView<f32, ReadWrite>,
    v_out: &mut LinearView<f32, ReadWrite>,
    numbers: Numbers,
    #[comptime] is_bounded: bool,
) {
    if !theta_out.is_in_bounds(ABSOLUTE_POS) {
        terminate!();
    }
    let mut g = gradient[ABSOLUTE_POS];
    if is_bounded {
        g *= factor[0];
    }
    let first = m[ABSOLUTE_POS] * numbers.beta1 + g * numbers.rest1;
    let second = v[ABSOLUTE_POS] * numbers.beta2 + g * g * numbers.rest2;
    let size = f32::sqrt(second) * numbers.correction + numbers.epsilon;
    m_out[ABSOLUTE_POS] = first;
    v_out[ABSOLUTE_POS] = second;
    theta_out[ABSOLUTE_POS] = theta[ABSOLUTE_POS] * numbers.keep - first / size * numbers.rate;
}

#[cube(launch)]
fn lerp_step(
    average: &LinearView<f32>,
    x: &LinearView<f32>,
    out: &mut LinearView<f32, ReadWrite>,
    weight: f32,
) {
    if !out.is_in_bounds(ABSOLUTE_POS) {
        terminate!();
    }
    let old = average[ABSOLUTE_POS];
    out[ABSOLUTE_POS] = old + (x[ABSOLUTE_POS] - old) * weight;
}
