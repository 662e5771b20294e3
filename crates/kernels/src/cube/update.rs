//! Elementwise updates of parameters: a launch for some of them.
//!
//! `m ← β1·m + (1 − β1)·g`, `v ← β2·v + (1 − β2)·g²`, `θ ← (1 − d)·θ − r·m/(√v/c + ε)`; `θ̄ ← θ̄ + w·(θ − θ̄)`
//!
//! burn composes the first of some fourteen launches per tensor, and a network has hundreds of tensors.

use super::elementwise::{UNITS, empty_like};
use super::many::{Cubes, Outputs, Views, at_once, in_groups, outputs, place, views};
use crate::adamw_step::AdamWStep;
use burn_cubecl::CubeRuntime;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;
use cubecl::std::tensor::layout::linear::LinearView;

pub(super) fn adamw<R: CubeRuntime>(
    state: Vec<[CubeTensor<R>; 3]>,
    gradients: Vec<CubeTensor<R>>,
    factor: Option<CubeTensor<R>>,
    step: &AdamWStep,
) -> Vec<[CubeTensor<R>; 3]> {
    let Some(first) = gradients.first().cloned() else {
        return state;
    };
    let some = at_once(&first, 7);
    let is_bounded = factor.is_some();
    // Without a bound the argument is there and is not read.
    let factor = factor.unwrap_or(first);
    let [beta1, beta2] = step.betas.map(|beta| beta as f32);
    let pairs: Vec<_> = state.into_iter().zip(gradients).collect();
    in_groups(pairs, some)
        .flat_map(|pairs| {
            let (state, gradients): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
            let out: Vec<[_; 3]> = state.iter().map(|x| x.each_ref().map(empty_like)).collect();
            let part = |i: usize| state.iter().map(move |x| &x[i]);
            let part_out = |i: usize| out.iter().map(move |x| &x[i]);
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
            let cubes = Cubes::of(&gradients);
            adamw_step::launch(
                &factor.client,
                cubes.count(&factor),
                CubeDim::new_1d(UNITS as u32),
                factor.clone().into_linear_view(),
                views(part(0)),
                views(part(1)),
                views(part(2)),
                views(&gradients),
                outputs(part_out(0)),
                outputs(part_out(1)),
                outputs(part_out(2)),
                cubes.starts(),
                numbers,
                is_bounded,
            );
            out
        })
        .collect()
}

pub(super) fn lerp<R: CubeRuntime>(
    averages: Vec<CubeTensor<R>>,
    x: Vec<CubeTensor<R>>,
    weight: f64,
) -> Vec<CubeTensor<R>> {
    let Some(first) = x.first().cloned() else {
        return averages;
    };
    let some = at_once(&first, 3);
    let pairs: Vec<_> = averages.into_iter().zip(x).collect();
    in_groups(pairs, some)
        .flat_map(|pairs| {
            let (averages, x): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
            let out: Vec<_> = averages.iter().map(empty_like).collect();
            let cubes = Cubes::of(&x);
            lerp_step::launch(
                &first.client,
                cubes.count(&first),
                CubeDim::new_1d(UNITS as u32),
                views(&averages),
                views(&x),
                outputs(&out),
                cubes.starts(),
                weight as f32,
            );
            out
        })
        .collect()
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
    theta: &Views,
    m: &Views,
    v: &Views,
    gradient: &Views,
    theta_out: &mut Outputs,
    m_out: &mut Outputs,
    v_out: &mut Outputs,
    starts: &Sequence<usize>,
    numbers: Numbers,
    #[comptime] is_bounded: bool,
) {
    #[unroll]
    for k in 0..theta.len() {
        let (at, is_here) = place(starts, k);
        if is_here && theta[k].is_in_bounds(at) {
            let mut g = gradient[k][at];
            if is_bounded {
                g *= factor[0];
            }
            let first = m[k][at] * numbers.beta1 + g * numbers.rest1;
            let second = v[k][at] * numbers.beta2 + g * g * numbers.rest2;
            let size = f32::sqrt(second) * numbers.correction + numbers.epsilon;
            m_out[k].write(at, first);
            v_out[k].write(at, second);
            let old = theta[k][at];
            theta_out[k].write(at, old * numbers.keep - first / size * numbers.rate);
        }
    }
}

#[cube(launch)]
fn lerp_step(average: &Views, x: &Views, out: &mut Outputs, starts: &Sequence<usize>, weight: f32) {
    #[unroll]
    for k in 0..average.len() {
        let (at, is_here) = place(starts, k);
        if is_here && average[k].is_in_bounds(at) {
            let old = average[k][at];
            out[k].write(at, old + (x[k][at] - old) * weight);
        }
    }
}
