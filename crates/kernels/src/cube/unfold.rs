//! An image as the matrix whose product with a kernel is its convolution.
//!
//! `col[s][b·h·w + i·w + j][(u·l + v)·C + c] = x[s·B + b][stride·i + u − p][stride·j + v − p][c]`, 0 outside the image

use super::elementwise::Work;
use super::order::packed;
use crate::window::Window;
use burn::tensor::TensorMetadata;
use burn_cubecl::CubeRuntime;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;
use cubecl::std::tensor::layout::linear::LinearView;

/// `[parts, samples·h·w, rows·columns·channels]` of `parts` times `samples` images of
/// `[batch, height, width, channels]` from the `first` on.
pub(super) fn unfold<R: CubeRuntime>(
    x: &CubeTensor<R>,
    [parts, samples, first]: [usize; 3],
    [rows, columns]: [usize; 2],
    [h, w]: [usize; 2],
    window: Window,
) -> CubeTensor<R> {
    let shape = x.shape();
    let (height, width, channels) = (shape[1], shape[2], shape[3]);
    let taps = rows * columns * channels;
    let out = packed(x, [parts, samples * h * w, taps], x.dtype);
    let work = Work::of(&out);
    unfold_pixels::launch(
        &x.client,
        work.count,
        work.dim,
        x.clone().into_linear_view(),
        out.clone().into_linear_view(),
        first,
        channels,
        [height, width],
        [rows, columns],
        [h, w],
        [window.stride, window.padding],
        x.dtype.into(),
    );
    out
}

/// A unit has one number: a channel and place of the kernel, at one pixel of one sample.
#[cube(launch)]
fn unfold_pixels<E: Numeric>(
    x: &LinearView<E>,
    out: &mut LinearView<E, ReadWrite>,
    first: usize,
    channels: usize,
    #[comptime] image: [usize; 2],
    #[comptime] kernel: [usize; 2],
    #[comptime] output: [usize; 2],
    #[comptime] window: [usize; 2],
    #[define(E)] _dtype: StorageType,
) {
    let at = ABSOLUTE_POS;
    if !out.is_in_bounds(at) {
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

    let (place, channel) = (at / channels, at % channels);
    let (line, place) = (place / places, place % places);
    let (sample, pixel) = (first + line / pixels, line % pixels);
    // Shifted by the padding, so that no number is negative.
    let row = pixel / w * stride + place / columns;
    let column = pixel % w * stride + place % columns;
    let is_inside =
        row >= padding && row < height + padding && column >= padding && column < width + padding;
    let mut value = E::from_int(0);
    if is_inside {
        let line = (sample * height + row - padding) * width + column - padding;
        value = x[line * channels + channel];
    }
    out[at] = value;
}
