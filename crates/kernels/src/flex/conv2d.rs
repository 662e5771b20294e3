//! Two-dimensional convolution and both its gradients, as products of packed tiles.
//!
//! All of them run on one loop, [`super::tile::product`]: a tile of MR × NR sums that stays in registers while it runs over a long axis.
//! - `correlate`: the value, and `dx`, which is the value of dy, spread out by the stride, under the kernel turned by half a turn with its
//!   channels exchanged;
//! - `correspond`: `dW` and the gradient of the bias.
//!
//! Each is taken in one of two ways, as `winograd::pays` says: `direct`, product by product, or `winograd`, with fewer.

mod correlate;
mod correspond;
mod direct;
mod gather;
mod winograd;

use super::float::Float;
use super::tile::by_tile;
use super::{by_dtype, contiguous, from_vec, raw, run, slice};
use crate::conv2d::Window;
use crate::tape::Fused;
use burn::tensor::backend::Backend;
use burn::tensor::{Shape, Tensor};
use burn_flex::{Flex, FlexTensor};
use correlate::Correlation;
use correspond::Correspondence;
use gather::Planes;

pub(crate) fn conv2d<B: Backend>(
    x: Tensor<B, 4>,
    weight: Tensor<B, 4>,
    bias: Tensor<B, 1>,
    window: Window,
) -> Tensor<B, 4> {
    run::<B, _, 3, 4>(window, [raw(x), raw(weight), raw(bias)])
}

/// x and the weight.
type Saved = (FlexTensor, FlexTensor);

impl Fused<Flex, 3> for Window {
    type Saved = Saved;

    fn forward(&self, inputs: [FlexTensor; 3]) -> (FlexTensor, Saved) {
        let [x, weight, bias] = inputs.map(|x| contiguous(&x));
        let y = by_dtype!(x.dtype(), forward::<_>(*self, &x, &weight, &bias));
        (y, (x, weight))
    }

    fn backward(
        &self,
        (x, weight): Saved,
        gradient: FlexTensor,
        wanted: [bool; 3],
    ) -> [Option<FlexTensor>; 3] {
        let g = contiguous(&gradient);
        let dx = || by_dtype!(g.dtype(), of_input::<_>(*self, &x, &weight, &g));
        let dx = wanted[0].then(dx);
        let of_parameters = || by_dtype!(g.dtype(), of_parameters::<_>(*self, &x, &weight, &g));
        let [dw, db] = match wanted[1] || wanted[2] {
            true => of_parameters().map(Some),
            false => [None, None],
        };
        [dx, dw, db]
    }
}

fn dims(x: &FlexTensor) -> [usize; 4] {
    let shape = x.layout().shape();
    std::array::from_fn(|i| shape[i])
}

fn forward<T: Float>(
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
    // Row-major [outputs, channels·rows·columns], as it lies.
    let (x, weight) = (slice::<T>(x), slice(weight));
    let y = correlate(&correlation, x, weight, Some(slice(bias)));
    from_vec(y, Shape::from([batch, outputs, size[0], size[1]]))
}

/// The value of a correlation. How it is taken depends on the sizes of one sample alone, so a sample's output does not depend on how many
/// there are.
fn correlate<T: Float>(of: &Correlation, x: &[T], weight: &[T], bias: Option<&[T]>) -> Vec<T> {
    let sizes = [of.planes.size, of.size];
    match winograd::pays(
        of.kernel,
        of.stride,
        sizes,
        [of.planes.channels, of.outputs],
    ) {
        true => by_tile!(T, winograd::value::run(of, x, weight, bias)),
        false => by_tile!(T, direct::value::run(of, x, weight, bias)),
    }
}

/// The gradient of the kernel, `[outputs, channels, rows, columns]`, and of the bias, likewise.
fn correspond<T: Float>(of: &Correspondence, x: &[T], g: &[T]) -> (Vec<T>, Vec<T>) {
    let sizes = [of.size, of.pixels];
    match winograd::pays(of.kernel, of.stride, sizes, [of.channels, of.outputs]) {
        true => by_tile!(T, winograd::weight::run(of, x, g)),
        false => by_tile!(T, direct::weight::run(of, x, g)),
    }
}

fn of_input<T: Float>(
    window: Window,
    x: &FlexTensor,
    weight: &FlexTensor,
    g: &FlexTensor,
) -> FlexTensor {
    let (shape, [outputs, channels, rows, columns]) = (dims(x), dims(weight));
    let [_, _, height, width] = shape;
    let [_, _, g_height, g_width] = dims(g);
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
    let turned = turned(slice::<T>(weight), [outputs, channels, rows * columns]);
    let dx = correlate(&correlation, slice::<T>(g), &turned, None);
    from_vec(dx, Shape::from(shape))
}

/// `[outputs, channels, places]` → `[channels, outputs, places]`, the places in reverse order.
fn turned<T: Float>(weight: &[T], [outputs, channels, places]: [usize; 3]) -> Vec<T> {
    let mut out = Vec::with_capacity(weight.len());
    for c in 0..channels {
        for o in 0..outputs {
            let start = (o * channels + c) * places;
            out.extend(weight[start..start + places].iter().rev());
        }
    }
    out
}

fn of_parameters<T: Float>(
    window: Window,
    x: &FlexTensor,
    weight: &FlexTensor,
    g: &FlexTensor,
) -> [FlexTensor; 2] {
    let (shape, [_, channels, height, width]) = (dims(weight), dims(x));
    let [_, outputs, g_height, g_width] = dims(g);
    let correspondence = Correspondence {
        channels,
        size: [height, width],
        padding: window.padding,
        kernel: [shape[2], shape[3]],
        stride: window.stride,
        outputs,
        pixels: [g_height, g_width],
    };
    let (dw, db) = correspond(&correspondence, slice::<T>(x), slice::<T>(g));
    [
        from_vec(dw, Shape::from(shape)),
        from_vec(db, Shape::from([outputs])),
    ]
}
