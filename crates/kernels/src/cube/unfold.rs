//! An image as the matrix whose product with a kernel is its convolution.
//!
//! `col[s][c·k·l + u·l + v][b·h·w + i·w + j] = x[s·B + b][c][stride·i + u − p][stride·j + v − p]`, 0 outside the image

use super::elementwise::UNITS;
use crate::window::Window;
use burn::tensor::{Shape, TensorMetadata};
use burn_cubecl::CubeRuntime;
use burn_cubecl::ops::numeric::empty_device_dtype;
use burn_cubecl::tensor::CubeTensor;
use cubecl::calculate_cube_count_elemwise;
use cubecl::prelude::*;
use cubecl::std::tensor::layout::linear::LinearView;

/// `[parts, channels·rows·columns, samples·h·w]` of `parts` times `samples` images from the `first` on.
pub(super) fn unfold<R: CubeRuntime>(
    x: &CubeTensor<R>,
    [parts, samples, first]: [usize; 3],
    [rows, columns]: [usize; 2],
    [h, w]: [usize; 2],
    window: Window,
) -> CubeTensor<R> {
    let shape = x.shape();
    let (channels, height, width) = (shape[1], shape[2], shape[3]);
    let taps = channels * rows * columns;
    let out = Shape::from([parts, taps, samples * h * w]);
    let out = empty_device_dtype(x.client.clone(), x.device.clone(), out, x.dtype);
    let lines = parts * taps;
    let count = calculate_cube_count_elemwise(&x.client, lines, CubeDim::new_single());
    unfold_lines::launch(
        &x.client,
        count,
        CubeDim::new_1d(UNITS as u32),
        x.clone().into_linear_view(),
        out.clone().into_linear_view(),
        lines,
        samples,
        first,
        channels,
        UNITS,
        [height, width],
        [rows, columns],
        [h, w],
        [window.stride, window.padding],
        x.dtype.into(),
    );
    out
}

/// A cube has one line: one channel and place of the kernel, over all pixels of all samples of its part.
#[cube(launch)]
fn unfold_lines<E: Numeric>(
    x: &LinearView<E>,
    out: &mut LinearView<E, ReadWrite>,
    lines: usize,
    samples: usize,
    first: usize,
    channels: usize,
    #[comptime] units: usize,
    #[comptime] image: [usize; 2],
    #[comptime] kernel: [usize; 2],
    #[comptime] output: [usize; 2],
    #[comptime] window: [usize; 2],
    #[define(E)] _dtype: StorageType,
) {
    let line = CUBE_POS;
    if line >= lines {
        terminate!();
    }
    let height = comptime![image[0]];
    let width = comptime![image[1]];
    let places = comptime![kernel[0] * kernel[1]];
    let columns = comptime![kernel[1]];
    let w = comptime![output[1]];
    let pixels = comptime![output[0] * output[1]];
    let stride = comptime![window[0]];
    let padding = comptime![window[1]];

    let taps = channels * places;
    let (part, tap) = (line / taps, line % taps);
    let (channel, place) = (tap / places, tap % places);
    let (u, v) = (place / columns, place % columns);
    let length = samples * pixels;
    let to = line * length;
    for i in range_stepped(UNIT_POS as usize, length, units) {
        let sample = first + part * samples + i / pixels;
        let pixel = i % pixels;
        // Shifted by the padding, so that no number is negative.
        let row = pixel / w * stride + u;
        let column = pixel % w * stride + v;
        let is_inside = row >= padding
            && row < height + padding
            && column >= padding
            && column < width + padding;
        let mut value = E::from_int(0);
        if is_inside {
            let line = (sample * channels + channel) * height + row - padding;
            value = x[line * width + column - padding];
        }
        out[to + i] = value;
    }
}
