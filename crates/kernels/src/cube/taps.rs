//! The kernel of a convolution in the orders that its gradients want.

use super::elementwise::Work;
use super::order::{Order, packed};
use burn::tensor::TensorMetadata;
use burn_cubecl::CubeRuntime;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;
use cubecl::std::tensor::layout::linear::LinearView;

/// `y[c, o, k, l] = W[o, c, rows − 1 − k, columns − 1 − l]`, with o last in memory.
pub(super) fn turned<R: CubeRuntime>(weight: CubeTensor<R>) -> CubeTensor<R> {
    let shape = weight.shape();
    let [outputs, channels, rows, columns] = [shape[0], shape[1], shape[2], shape[3]];
    let y = packed(&weight, [channels, rows, columns, outputs], weight.dtype);
    let (work, dtype) = (Work::of(&y), weight.dtype);
    turn::launch(
        &weight.client.clone(),
        work.count,
        work.dim,
        weight.into_linear_view(),
        y.clone().into_linear_view(),
        outputs,
        channels,
        rows * columns,
        dtype.into(),
    );
    Order::Last.back(y)
}

#[cube(launch)]
fn turn<E: Numeric>(
    weight: &LinearView<E>,
    y: &mut LinearView<E, ReadWrite>,
    outputs: usize,
    channels: usize,
    places: usize,
    #[define(E)] _dtype: StorageType,
) {
    let at = ABSOLUTE_POS;
    if !y.is_in_bounds(at) {
        terminate!();
    }
    let (line, output) = (at / outputs, at % outputs);
    let (channel, place) = (line / places, line % places);
    y[at] = weight[(output * channels + channel + 1) * places - 1 - place];
}

/// `dW[o, c, k, l] = Σ_s x[s, o, (k·columns + l)·channels + c]`, in order.
pub(super) fn sum_parts<R: CubeRuntime>(
    x: CubeTensor<R>,
    [outputs, channels, rows, columns]: [usize; 4],
) -> CubeTensor<R> {
    let parts = x.shape()[0];
    let y = packed(&x, [outputs, channels, rows, columns], x.dtype);
    let work = Work::of(&y);
    add::launch(
        &x.client.clone(),
        work.count,
        work.dim,
        x.into_linear_view(),
        y.clone().into_linear_view(),
        parts,
        outputs,
        channels,
        rows * columns,
    );
    y
}

#[cube(launch)]
fn add(
    x: &LinearView<f32>,
    y: &mut LinearView<f32, ReadWrite>,
    parts: usize,
    outputs: usize,
    channels: usize,
    places: usize,
) {
    let at = ABSOLUTE_POS;
    if !y.is_in_bounds(at) {
        terminate!();
    }
    // In the order in which the parts are read, since they are many.
    let mut sum = 0.0f32;
    for part in 0..parts {
        sum += x[at + part * outputs * places * channels];
    }
    let (line, channel) = (at / channels, at % channels);
    let (output, place) = (line / places, line % places);
    y[(output * channels + channel) * places + place] = sum;
}
