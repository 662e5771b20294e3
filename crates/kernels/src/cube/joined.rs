//! Tensors one behind the other in one buffer, and taken out of it: a launch for as many as one can
//! bind.

use super::elementwise::UNITS;
use super::many::{Cubes, Outputs, Views, at_once, outputs, place, views};
use super::order::packed;
use burn::tensor::{DType, TensorMetadata};
use burn_cubecl::CubeRuntime;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;
use cubecl::std::tensor::layout::linear::LinearView;

pub(super) fn joined<R: CubeRuntime>(tensors: &[CubeTensor<R>]) -> CubeTensor<R> {
    let length: usize = tensors.iter().map(|x| x.shape().num_elements()).sum();
    let y = packed(&tensors[0], [length], DType::F32);
    let mut first = 0;
    for group in tensors.chunks(at_once(&y, 1)) {
        let cubes = Cubes::of(group);
        let firsts = firsts(group, &mut first);
        join::launch(
            &y.client,
            cubes.count(&y),
            CubeDim::new_1d(UNITS as u32),
            views(group),
            y.clone().into_linear_view(),
            cubes.starts(),
            firsts,
        );
    }
    y
}

pub(super) fn taken_apart<R: CubeRuntime>(
    x: &CubeTensor<R>,
    lengths: &[usize],
) -> Vec<CubeTensor<R>> {
    let tensors: Vec<_> = (lengths.iter())
        .map(|&length| packed(x, [length], DType::F32))
        .collect();
    let mut first = 0;
    for group in tensors.chunks(at_once(x, 1)) {
        let cubes = Cubes::of(group);
        let firsts = firsts(group, &mut first);
        take_apart::launch(
            &x.client,
            cubes.count(x),
            CubeDim::new_1d(UNITS as u32),
            x.clone().into_linear_view(),
            outputs(group),
            cubes.starts(),
            firsts,
        );
    }
    tensors
}

/// Where each of some tensors begins.
fn firsts<R: CubeRuntime>(group: &[CubeTensor<R>], next: &mut usize) -> SequenceArg<R, usize> {
    let first = |x: &CubeTensor<R>| {
        let first = *next;
        *next += x.shape().num_elements();
        first
    };
    group.iter().map(first).collect()
}

#[cube(launch)]
fn join(
    x: &Views,
    y: &mut LinearView<f32, ReadWrite>,
    starts: &Sequence<usize>,
    firsts: &Sequence<usize>,
) {
    #[unroll]
    for k in 0..x.len() {
        let (at, is_here) = place(starts, k);
        if is_here && x[k].is_in_bounds(at) {
            let to = firsts[k] + at;
            y[to] = x[k][at];
        }
    }
}

#[cube(launch)]
fn take_apart(
    x: &LinearView<f32>,
    y: &mut Outputs,
    starts: &Sequence<usize>,
    firsts: &Sequence<usize>,
) {
    #[unroll]
    for k in 0..y.len() {
        let (at, is_here) = place(starts, k);
        if is_here && y[k].is_in_bounds(at) {
            let from = firsts[k] + at;
            y[k].write(at, x[from]);
        }
    }
}
