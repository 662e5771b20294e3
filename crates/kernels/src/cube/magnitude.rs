//! The Euclidean norm of many tensors together, without a read: a launch for some of them, and one
//! for all.
//!
//! `‖g‖ = √(Σ_i Σ_j g_ij²)`
//!
//! A tensor's squares are summed by a fixed number of cubes, and those sums in a fixed order, so that the norm comes out
//! the same every time.

use super::elementwise::UNITS;
use super::many::{Views, at_once, views};
use super::sum::sum;
use burn::tensor::{DType, Shape, TensorMetadata};
use burn_cubecl::CubeRuntime;
use burn_cubecl::ops::numeric::empty_device_dtype;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;
use cubecl::std::tensor::layout::linear::LinearView;

/// Cubes that share one tensor.
const CUBES: usize = 32;

/// The norm, of shape `[1]`, of tensors of which there is at least one.
pub(super) fn global_norm<R: CubeRuntime>(tensors: Vec<CubeTensor<R>>) -> CubeTensor<R> {
    let first = tensors[0].clone();
    let empty = |n: usize| {
        let shape = Shape::from([n]);
        empty_device_dtype(
            first.client.clone(),
            first.device.clone(),
            shape,
            DType::F32,
        )
    };
    let sums = empty(CUBES * tensors.len());
    let dim = CubeDim::new_1d(UNITS as u32);
    let some = at_once(&first, 1);
    for (group, tensors) in tensors.chunks(some).enumerate() {
        let lengths = tensors.iter().map(|x| x.shape().num_elements());
        squares::launch(
            &first.client,
            CubeCount::new_1d((CUBES * tensors.len()) as u32),
            dim,
            views(tensors),
            sums.clone().into_linear_view(),
            lengths.collect(),
            CUBES * some * group,
            UNITS,
            CUBES,
        );
    }
    let norm = empty(1);
    let length = sums.shape().num_elements();
    root::launch(
        &first.client,
        CubeCount::new_single(),
        dim,
        sums.into_linear_view(),
        norm.clone().into_linear_view(),
        length,
        UNITS,
    );
    norm
}

#[cube(launch)]
fn squares(
    x: &Views,
    sums: &mut LinearView<f32, ReadWrite>,
    lengths: &Sequence<usize>,
    first: usize,
    #[comptime] units: usize,
    #[comptime] cubes: usize,
) {
    let unit = UNIT_POS as usize;
    let (which, cube) = (CUBE_POS / cubes, CUBE_POS % cubes);
    let mut shared = SharedMemory::<f32>::new(units);
    let mut total = 0.0f32;
    #[unroll]
    for k in 0..x.len() {
        if which == k {
            for i in range_stepped(cube * units + unit, lengths[k], cubes * units) {
                total += x[k][i] * x[k][i];
            }
        }
    }
    let total = sum(total, &mut shared, units);
    if unit == 0 {
        sums[first + CUBE_POS] = total;
    }
}

#[cube(launch)]
fn root(
    sums: &LinearView<f32>,
    norm: &mut LinearView<f32, ReadWrite>,
    length: usize,
    #[comptime] units: usize,
) {
    let unit = UNIT_POS as usize;
    let mut shared = SharedMemory::<f32>::new(units);
    let mut total = 0.0f32;
    for i in range_stepped(unit, length, units) {
        total += sums[i];
    }
    let total = sum(total, &mut shared, units);
    if unit == 0 {
        norm[0] = f32::sqrt(total);
    }
}
