//! Two-dimensional convolution and its gradients, as matrix products of packed tiles.
//!
//! All of them run on one loop, [`crate::flex::tile::product`]: a tile of MR × NR sums that stays
//! in registers while it runs over a long axis.
//! - `correlation`: the value; and dx, which is the correlation of dy, spread out by the stride,
//!   with the kernel rotated by 180° and its channels exchanged; `strided` has a shorter way to dx;
//! - `weight_gradient`: dW and the gradient of the bias.
//!
//! Each is computed in one of two ways: by `direct`, or with fewer multiplications by `winograd`
//! where `winograd::pays` says so.

mod correlation;
mod direct;
mod gather;
mod planes;
mod split;
mod strided;
mod unpadded;
mod weight_gradient;
mod winograd;

use crate::downcast::raw;
use crate::flex::tensor::{by_dtype, contiguous, from_vec, run, slice};
use crate::flex::tile::Tiles;
use crate::tape::Fused;
use crate::window::Window;
use burn::tensor::backend::Backend;
use burn::tensor::{Shape, Tensor};
use burn_flex::{Flex, FlexTensor};
use correlation::{Correlation, Kernels};
use planes::Planes;
use strided::Strided;
use weight_gradient::WeightGradient;

pub(crate) fn conv2d<B: Backend>(
    x: Tensor<B, 4>,
    weight: Tensor<B, 4>,
    bias: Tensor<B, 1>,
    window: Window,
) -> Tensor<B, 4> {
    run::<B, _, 3, 4>(Conv2d(window), [raw(x), raw(weight), raw(bias)])
}

#[derive(Debug, Clone)]
struct Conv2d(Window);

/// x and the weight.
type Saved = (FlexTensor, FlexTensor);

impl Fused<Flex, 3> for Conv2d {
    type Saved = Saved;

    fn forward(&self, inputs: [FlexTensor; 3]) -> (FlexTensor, Saved) {
        let [x, weight, bias] = inputs.map(|x| contiguous(&x));
        let y = by_dtype!(x.dtype(), forward::<_>(self.0, &x, &weight, &bias));
        (y, (x, weight))
    }

    fn backward(
        &self,
        (x, weight): Saved,
        gradient: FlexTensor,
        wanted: [bool; 3],
    ) -> [Option<FlexTensor>; 3] {
        let g = contiguous(&gradient);
        let dx = || by_dtype!(g.dtype(), of_input::<_>(self.0, &x, &weight, &g));
        let dx = wanted[0].then(dx);
        let of_parameters = || by_dtype!(g.dtype(), of_parameters::<_>(self.0, &x, &weight, &g));
        let [dw, db] = if wanted[1] || wanted[2] {
            of_parameters().map(Some)
        } else {
            [None, None]
        };
        [dx, dw, db]
    }
}

fn dims(x: &FlexTensor) -> [usize; 4] {
    let shape = x.layout().shape();
    std::array::from_fn(|i| shape[i])
}

fn forward<T: Tiles>(
    window: Window,
    x: &FlexTensor,
    weight: &FlexTensor,
    bias: &FlexTensor,
) -> FlexTensor {
    let ([batch, channels, height, width], [outputs, _, rows, columns]) = (dims(x), dims(weight));
    let size = window.output([height, width], [rows, columns]);
    let correlation = Correlation {
        planes: Planes {
            channels,
            size: [height, width],
            padding: [window.padding; 2],
            spread: 1,
            padded: [height + 2 * window.padding, width + 2 * window.padding],
        },
        kernel: [rows, columns],
        stride: window.stride,
        outputs,
        size,
    };
    let kernels = Kernels {
        weight: slice::<T>(weight),
        row: channels,
        turned: false,
        places: rows * columns,
    };
    let y = correlate(&correlation, slice(x), kernels, Some(slice(bias)));
    from_vec(y, Shape::from([batch, outputs, size[0], size[1]]))
}

/// The value of a correlation. The way it is computed depends on the sizes of one sample alone, so
/// a sample's output does not depend on its batch.
fn correlate<T: Tiles>(
    of: &Correlation,
    x: &[T],
    weight: Kernels<'_, T>,
    bias: Option<&[T]>,
) -> Vec<T> {
    let sizes = [of.planes.size, of.size];
    let channels = [of.planes.channels, of.outputs];
    if winograd::pays(of.kernel, of.stride, sizes, channels) {
        T::on_tiles(winograd::correlation::Winograd {
            of,
            x,
            weight,
            bias,
        })
    } else {
        T::on_tiles(direct::correlation::Direct {
            of,
            x,
            weight: &weight.in_order(),
            bias,
        })
    }
}

/// The gradients of the kernel, `[outputs, channels, rows, columns]`, and of the bias, computed in
/// a way that is chosen likewise.
fn weight_gradient<T: Tiles>(of: &WeightGradient, x: &[T], g: &[T]) -> (Vec<T>, Vec<T>) {
    let sizes = [of.size, of.pixels];
    if winograd::pays(of.kernel, of.stride, sizes, [of.channels, of.outputs]) {
        T::on_tiles(winograd::weight_gradient::Winograd { of, x, g })
    } else {
        T::on_tiles(direct::weight_gradient::Direct { of, x, g })
    }
}

fn of_input<T: Tiles>(
    window: Window,
    x: &FlexTensor,
    weight: &FlexTensor,
    g: &FlexTensor,
) -> FlexTensor {
    let (shape, [outputs, channels, rows, columns]) = (dims(x), dims(weight));
    let [_, _, height, width] = shape;
    let [_, _, g_height, g_width] = dims(g);
    let strided = Strided {
        window,
        channels: [outputs, channels],
        size: [height, width],
        pixels: [g_height, g_width],
        kernel: [rows, columns],
    };
    if let Some(dx) = strided.gradient::<T>(slice(weight), slice(g)) {
        return from_vec(dx, Shape::from(shape));
    }
    let correlation = Correlation {
        planes: Planes {
            channels: outputs,
            size: [g_height, g_width],
            padding: [
                rows - 1 - window.padding.min(rows - 1),
                columns - 1 - window.padding.min(columns - 1),
            ],
            spread: window.stride,
            padded: [height + rows - 1, width + columns - 1],
        },
        kernel: [rows, columns],
        stride: 1,
        outputs: channels,
        size: [height, width],
    };
    let kernels = Kernels {
        weight: slice::<T>(weight),
        row: channels,
        turned: true,
        places: rows * columns,
    };
    let dx = correlate(&correlation, slice(g), kernels, None);
    from_vec(dx, Shape::from(shape))
}

fn of_parameters<T: Tiles>(
    window: Window,
    x: &FlexTensor,
    weight: &FlexTensor,
    g: &FlexTensor,
) -> [FlexTensor; 2] {
    let (shape, [_, channels, height, width]) = (dims(weight), dims(x));
    let [_, outputs, g_height, g_width] = dims(g);
    let sizes = WeightGradient {
        channels,
        size: [height, width],
        padding: window.padding,
        kernel: [shape[2], shape[3]],
        stride: window.stride,
        outputs,
        pixels: [g_height, g_width],
    };
    let (dw, db) = weight_gradient(&sizes, slice::<T>(x), slice::<T>(g));
    [
        from_vec(dw, Shape::from(shape)),
        from_vec(db, Shape::from([outputs])),
    ]
}
