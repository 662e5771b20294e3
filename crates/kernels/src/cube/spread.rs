//! An image with a row and a column of zeros behind each of its own.

use super::elementwise::Work;
use super::order::{Order, packed};
use burn::tensor::TensorMetadata;
use burn_cubecl::CubeRuntime;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;
use cubecl::std::tensor::layout::linear::LinearView;

/// `y[2i, 2j] = x[i, j]`, 0 elsewhere: twice the height and width, with the channels last.
pub(super) fn spread<R: CubeRuntime>(x: CubeTensor<R>) -> CubeTensor<R> {
    let x = Order::Last.view(x);
    let shape = x.shape();
    let [n, height, width, channels] = [shape[0], shape[1], shape[2], shape[3]];
    let y = packed(&x, [n, 2 * height, 2 * width, channels], x.dtype);
    let (work, dtype) = (Work::of(&y), x.dtype);
    spread_pixels::launch(
        &x.client.clone(),
        work.count,
        work.dim,
        x.into_linear_view(),
        y.clone().into_linear_view(),
        height,
        width,
        channels,
        dtype.into(),
    );
    Order::Last.back(y)
}

#[cube(launch)]
fn spread_pixels<E: Numeric>(
    x: &LinearView<E>,
    y: &mut LinearView<E, ReadWrite>,
    height: usize,
    width: usize,
    channels: usize,
    #[define(E)] _dtype: StorageType,
) {
    let at = ABSOLUTE_POS;
    if !y.is_in_bounds(at) {
        terminate!();
    }
    let (pixel, channel) = (at / channels, at % channels);
    let (line, j) = (pixel / (2 * width), pixel % (2 * width));
    let (sample, i) = (line / (2 * height), line % (2 * height));
    let mut value = E::from_int(0);
    if i % 2 == 0 && j % 2 == 0 {
        let line = sample * height + i / 2;
        value = x[(line * width + j / 2) * channels + channel];
    }
    y[at] = value;
}
