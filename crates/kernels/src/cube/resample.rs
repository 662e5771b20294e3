//! Images of half and of twice the size: one launch forward, one backward.
//!
//! `grow: y[i, j] = s·x[⌊i/2⌋, ⌊j/2⌋]`, `shrink: y[i, j] = s·Σ_{a, b} x[2i + a, 2j + b]`
//!
//! Each is the gradient of the other. (The gradient of burn 0.21's nearest interpolation is wrong
//! where the channels lie last in memory.)

use super::elementwise::Work;
use super::order::{Order, packed};
use crate::tape::Fused;
use burn::tensor::TensorMetadata;
use burn::tensor::backend::Backend;
use burn_cubecl::tensor::CubeTensor;
use burn_cubecl::{BoolElement, CubeBackend, CubeRuntime, FloatElement, IntElement};
use cubecl::prelude::*;
use cubecl::std::tensor::layout::linear::LinearView;

/// What becomes of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resample {
    /// Each pixel four times.
    Double,
    /// The mean of each four; a row or column that is left over has no part in it.
    Halve,
}

impl<R, F, I, T> Fused<CubeBackend<R, F, I, T>, 1> for Resample
where
    R: CubeRuntime,
    F: FloatElement,
    I: IntElement,
    T: BoolElement,
    CubeBackend<R, F, I, T>: Backend<FloatTensorPrimitive = CubeTensor<R>>,
{
    /// Height and width.
    type Saved = [usize; 2];

    fn forward(&self, [x]: [CubeTensor<R>; 1]) -> (CubeTensor<R>, [usize; 2]) {
        let shape = x.shape();
        let [height, width] = [shape[2], shape[3]];
        let y = match self {
            Self::Double => resampled(x, [2 * height, 2 * width], 1.0, false),
            Self::Halve => resampled(x, [height / 2, width / 2], 0.25, true),
        };
        (y, [height, width])
    }

    fn backward(
        &self,
        size: [usize; 2],
        gradient: CubeTensor<R>,
        _: [bool; 1],
    ) -> [Option<CubeTensor<R>>; 1] {
        [Some(match self {
            Self::Double => resampled(gradient, size, 1.0, true),
            Self::Halve => resampled(gradient, size, 0.25, false),
        })]
    }
}

/// An image of this size.
fn resampled<R: CubeRuntime>(
    x: CubeTensor<R>,
    [height, width]: [usize; 2],
    scale: f32,
    shrinks: bool,
) -> CubeTensor<R> {
    let (order, shape) = (Order::of(&x), x.shape());
    let [batch, channels] = [shape[0], shape[1]];
    let (planes, depth, shape_of_y) = match order {
        Order::First => (batch * channels, 1, [batch, channels, height, width]),
        Order::Last => (batch, channels, [batch, height, width, channels]),
    };
    let from = [shape[2], shape[3]];
    let x = order.view(x);
    let y = packed(&x, shape_of_y, x.dtype);
    let work = Work::of(&y);
    resample::launch(
        &x.client.clone(),
        work.count,
        work.dim,
        x.into_linear_view(),
        y.clone().into_linear_view(),
        planes * height * width * depth,
        depth,
        scale,
        from,
        [height, width],
        shrinks,
    );
    order.back(y)
}

/// Of planes of pixels with some numbers each: one channel, or all.
#[cube(launch)]
fn resample(
    x: &LinearView<f32>,
    y: &mut LinearView<f32, ReadWrite>,
    count: usize,
    depth: usize,
    scale: f32,
    #[comptime] from: [usize; 2],
    #[comptime] to: [usize; 2],
    #[comptime] shrinks: bool,
) {
    let at = ABSOLUTE_POS;
    if at >= count {
        terminate!();
    }
    let (pixel, number) = (at / depth, at % depth);
    let (line, j) = (pixel / comptime![to[1]], pixel % comptime![to[1]]);
    let (plane, i) = (line / comptime![to[0]], line % comptime![to[0]]);
    let (height, width) = comptime![(from[0], from[1])];
    let mut sum = 0.0f32;
    if shrinks {
        #[unroll]
        for a in 0..2usize {
            #[unroll]
            for b in 0..2usize {
                let line = plane * height + 2 * i + a;
                sum += x[(line * width + 2 * j + b) * depth + number];
            }
        }
    } else if i / 2 < height && j / 2 < width {
        let line = plane * height + i / 2;
        sum = x[(line * width + j / 2) * depth + number];
    }
    y[at] = scale * sum;
}
