//! Convolution on GPUs, as matrix products of a shape that keeps the whole device busy.
//!
//! `y = conv(x, W) + b`; `dx = conv(dy, flip(W)ᵀ)`; `dW = Σ_s dy_s·unfold(x)_sᵀ`
//!
//! burn's own gradients leave most of a large GPU idle: that of a 3×3 kernel on 32×32 pixels took nine times as long as
//! the value on an H200, since the sum over pixels and samples is one long loop of few cubes. Here that sum is cut into
//! `s` parts which run side by side, and the gradient of x is a convolution like the value's. The product of tiles is
//! chosen by the sizes, not by timing candidates, which takes minutes at the first step.

use super::product::Factor;
use super::unfold::unfold;
use crate::precision::Precision;
use crate::tape::Fused;
use crate::window::Window;
use burn::tensor::backend::Backend;
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions, FloatTensorOps, ModuleOps};
use burn::tensor::{DType, Shape, TensorMetadata};
use burn_cubecl::kernel::conv::{
    ConvStrategy, ConvTranspose2dStrategy, conv_forward, conv_transpose2d,
};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_dtype;
use burn_cubecl::tensor::CubeTensor;
use burn_cubecl::{BoolElement, CubeBackend, CubeRuntime, FloatElement, IntElement};
use cubek::convolution::{
    AcceleratedTileKind, ConvAlgorithm, ConvolutionArgs, ConvolutionInputs, Strategy, launch_ref,
};
use cubek::matmul::definition::{MatmulElems, MatmulGlobalElems};
use cubek::std::InputBinding;

/// Tiles of the product that are wanted at once: some for every processor of a large GPU.
const TILES: usize = 512;
/// Rows and columns of a tile.
const TILE: usize = 64;
/// Numbers of the unfolded image that are held at once.
const HELD: usize = 1 << 27;

/// The convolution as an operation on the tape.
#[derive(Debug, Clone)]
pub(super) struct Conv2d {
    pub(super) window: Window,
    pub(super) precision: Precision,
}

impl<R, F, I, T> Fused<CubeBackend<R, F, I, T>, 3> for Conv2d
where
    R: CubeRuntime,
    F: FloatElement,
    I: IntElement,
    T: BoolElement,
    CubeBackend<R, F, I, T>: Backend<FloatTensorPrimitive = CubeTensor<R>>,
{
    type Saved = [Factor<R>; 2];

    fn forward(&self, [x, weight, bias]: [CubeTensor<R>; 3]) -> (CubeTensor<R>, Self::Saved) {
        let [x, weight] = [x, weight].map(|factor| Factor::of(factor, self.precision));
        let y = Of::<R, F, I, T>::convolve(&x, &weight, Some(bias), self.window);
        (y, [x, weight])
    }

    fn backward(
        &self,
        [x, weight]: Self::Saved,
        gradient: CubeTensor<R>,
        wanted: [bool; 3],
    ) -> [Option<CubeTensor<R>>; 3] {
        let factor = Factor::of(gradient.clone(), self.precision);
        let dx = || Of::<R, F, I, T>::by_image(&x, &weight, &factor, self.window);
        let dw = || Of::<R, F, I, T>::by_weight(&x, &weight, &factor, self.window);
        let db = || {
            let [n, channels, h, w] = sizes(&gradient);
            let shape = Shape::from([n, channels, h * w]);
            let rows = CubeBackend::<R, F, I, T>::float_reshape(gradient.clone(), shape);
            let pixels = CubeBackend::<R, F, I, T>::float_sum_dim(rows, 2);
            let sum = CubeBackend::<R, F, I, T>::float_sum_dim(pixels, 0);
            CubeBackend::<R, F, I, T>::float_reshape(sum, Shape::from([channels]))
        };
        let [first, second, third] = wanted;
        [first.then(dx), second.then(dw), third.then(db)]
    }
}

/// The operations of one backend.
struct Of<R, F, I, T>(std::marker::PhantomData<(R, F, I, T)>);

impl<R, F, I, T> Of<R, F, I, T>
where
    R: CubeRuntime,
    F: FloatElement,
    I: IntElement,
    T: BoolElement,
    CubeBackend<R, F, I, T>: Backend<FloatTensorPrimitive = CubeTensor<R>>,
{
    /// The value, in order.
    fn convolve(
        x: &Factor<R>,
        weight: &Factor<R>,
        bias: Option<CubeTensor<R>>,
        window: Window,
    ) -> CubeTensor<R> {
        let Window { stride, padding } = window;
        let last =
            |x: &Factor<R>| CubeBackend::<R, F, I, T>::float_permute(x.x.clone(), &[0, 2, 3, 1]);
        for strategy in strategies(x, weight) {
            let y = launch(&strategy, last(x), last(weight), bias.clone(), window);
            if let Some(y) = y {
                return into_contiguous(CubeBackend::<R, F, I, T>::float_permute(y, &[0, 3, 1, 2]));
            }
        }
        let options = ConvOptions::new([stride; 2], [padding; 2], [1; 2], 1);
        let is_exact = x.is_exact();
        let [x, weight] = [x, weight].map(Factor::single);
        into_contiguous(match is_exact {
            // burn's choice may be by timing, which may round.
            true => conv_forward(x, weight, bias, options, ConvStrategy::Direct)
                .expect("a direct convolution, which takes every shape"),
            false => CubeBackend::<R, F, I, T>::conv2d(x, weight, bias, options),
        })
    }

    /// The gradient of the image: the convolution of the outputs' gradient, spread out by the stride, with the kernel
    /// turned around.
    fn by_image(
        x: &Factor<R>,
        weight: &Factor<R>,
        gradient: &Factor<R>,
        window: Window,
    ) -> CubeTensor<R> {
        type B<R, F, I, T> = CubeBackend<R, F, I, T>;
        let [n, outputs, h, w] = sizes(&gradient.x);
        let [_, _, height, width] = sizes(&x.x);
        let [_, _, rows, columns] = sizes(&weight.x);
        let Window { stride, padding } = window;
        let is_square = rows == columns && padding < rows;
        let fits = match stride {
            1 => is_square,
            // A zero behind every number gives the size of the image back.
            2 => is_square && [height, width] == [2 * h, 2 * w] && rows == 2 * padding + 1,
            _ => false,
        };
        if !fits {
            let options = ConvOptions::new([stride; 2], [padding; 2], [1; 2], 1);
            let is_exact = x.is_exact();
            let [x, weight, gradient] = [x, weight, gradient].map(Factor::single);
            if is_exact {
                let rest = |size: usize, made: usize, taps: usize| {
                    size + 2 * padding - (made - 1) * stride - taps
                };
                let rest = [rest(height, h, rows), rest(width, w, columns)];
                let options = ConvTransposeOptions::new([stride; 2], [padding; 2], rest, [1; 2], 1);
                let strategy = ConvTranspose2dStrategy::Direct;
                return conv_transpose2d(gradient, weight, None, options, strategy)
                    .expect("a direct convolution, which takes every shape");
            }
            return B::<R, F, I, T>::conv2d_x_backward(x, weight, gradient, options);
        }
        let spread = gradient.seen(|gradient| {
            if stride == 1 {
                return gradient;
            }
            let (device, dtype) = (B::<R, F, I, T>::float_device(&gradient), gradient.dtype);
            let zeros = |shape: [usize; 5]| {
                B::<R, F, I, T>::float_zeros(Shape::from(shape), &device, dtype.into())
            };
            let reshape = B::<R, F, I, T>::float_reshape;
            let spread = reshape(gradient, Shape::from([n, outputs, h, w, 1]));
            let spread = B::<R, F, I, T>::float_cat(vec![spread, zeros([n, outputs, h, w, 1])], 4);
            let spread = reshape(spread, Shape::from([n, outputs, h, 1, 2 * w]));
            let row = zeros([n, outputs, h, 1, 2 * w]);
            let spread = B::<R, F, I, T>::float_cat(vec![spread, row], 3);
            reshape(spread, Shape::from([n, outputs, 2 * h, 2 * w]))
        });
        let turned = weight.seen(|weight| {
            let turned = match rows {
                1 => weight,
                _ => B::<R, F, I, T>::float_flip(weight, &[2, 3]),
            };
            B::<R, F, I, T>::float_swap_dims(turned, 0, 1)
        });
        let window = Window {
            stride: 1,
            padding: rows - 1 - padding,
        };
        Self::convolve(&spread, &turned, None, window)
    }

    /// The gradient of the kernel.
    fn by_weight(
        x: &Factor<R>,
        weight: &Factor<R>,
        gradient: &Factor<R>,
        window: Window,
    ) -> CubeTensor<R> {
        type B<R, F, I, T> = CubeBackend<R, F, I, T>;
        let [n, outputs, h, w] = sizes(&gradient.x);
        let [_, channels, rows, columns] = sizes(&weight.x);
        let taps = channels * rows * columns;
        let parts = parts(n, outputs, taps, h * w);
        let samples = n / parts;
        let long = samples * h * w;

        // [parts, outputs, samples·pixels]
        let left = gradient.seen(|gradient| {
            let shape = Shape::from([parts, samples, outputs, h * w]);
            let left = B::<R, F, I, T>::float_reshape(into_contiguous(gradient), shape);
            let left = into_contiguous(B::<R, F, I, T>::float_swap_dims(left, 1, 2));
            B::<R, F, I, T>::float_reshape(left, Shape::from([parts, outputs, long]))
        });

        let x = x.seen(into_contiguous);
        let at_once = (HELD / (taps * long)).clamp(1, parts);
        let mut total: Option<CubeTensor<R>> = None;
        for first in (0..parts).step_by(at_once) {
            let count = at_once.min(parts - first);
            // [count, taps, samples·pixels]
            let right = x.seen(|x| {
                let part = [count, samples, first * samples];
                let right = unfold(&x, part, [rows, columns], [h, w], window);
                B::<R, F, I, T>::float_swap_dims(right, 1, 2)
            });
            let left = left.seen(|left| {
                if count == parts {
                    return left;
                }
                let part = burn::tensor::Slice::from(first..first + count);
                B::<R, F, I, T>::float_slice(left, &[part])
            });
            let product = left.times::<F, I, T>(&right);
            let sum = B::<R, F, I, T>::float_sum_dim(product, 0);
            total = Some(match total {
                Some(total) => B::<R, F, I, T>::float_add(total, sum),
                None => sum,
            });
        }
        let total = total.expect("a batch is not empty");
        B::<R, F, I, T>::float_reshape(total, weight.x.shape())
    }
}

/// Into how many parts the sum over samples is cut: a divisor of the batch that gives enough tiles, and parts that can
/// be held.
fn parts(batch: usize, outputs: usize, taps: usize, pixels: usize) -> usize {
    let tiles = outputs.div_ceil(TILE) * taps.div_ceil(TILE);
    let enough = |parts: usize| parts * tiles >= TILES && batch / parts * pixels * taps <= HELD;
    (1..=batch)
        .filter(|parts| batch.is_multiple_of(*parts))
        .find(|parts| enough(*parts))
        .unwrap_or(batch)
}

/// The algorithms to try, best first.
fn strategies<R: CubeRuntime>(x: &Factor<R>, weight: &Factor<R>) -> Vec<Strategy> {
    if x.is_exact() {
        return Vec::new();
    }
    let [x, weight] = [&x.x, &weight.x];
    let [outputs, channels, ..] = sizes(weight);
    let of = |algorithm| Strategy::Inferred {
        algorithm,
        tile_kind: AcceleratedTileKind::Mma,
    };
    // Whole vectors of 16 bytes, as the copy engine moves them.
    let vector = 16 / x.dtype.size();
    let is_aligned = channels.is_multiple_of(vector) && outputs.is_multiple_of(vector);
    let pixels: usize = x.shape()[2..].iter().product();
    let mut all = Vec::new();
    // Small images do not fill what the copy engine brings.
    if is_aligned && pixels >= 64 {
        all.push(of(ConvAlgorithm::SimpleAsyncTma));
    }
    all.push(of(ConvAlgorithm::SimpleSyncStrided));
    all
}

/// The product as one launch, or nothing where the device or the sizes forbid it.
fn launch<R: CubeRuntime>(
    strategy: &Strategy,
    x: CubeTensor<R>,
    weight: CubeTensor<R>,
    bias: Option<CubeTensor<R>>,
    window: Window,
) -> Option<CubeTensor<R>> {
    let [n, height, width, _] = sizes(&x);
    let [outputs, rows, columns, _] = sizes(&weight);
    let [h, w] = window.output([height, width], [rows, columns]);
    let (client, dtype, single) = (x.client.clone(), x.dtype, DType::F32);
    let shape = Shape::from([n, h, w, outputs]);
    let out = empty_device_dtype(client.clone(), x.device.clone(), shape, single);
    let dtypes = MatmulElems::from_globals(&MatmulGlobalElems {
        lhs: dtype.into(),
        rhs: dtype.into(),
        out: single.into(),
    });
    let inputs = ConvolutionInputs::Forward {
        input: InputBinding::new(x.binding(), dtype.into()),
        weight: InputBinding::new(weight.binding(), dtype.into()),
        bias: bias.map(|bias| InputBinding::Normal(bias.binding(), single.into())),
        out: out.clone().binding(),
    };
    let arguments = ConvolutionArgs {
        stride: [window.stride; 2],
        padding: [window.padding; 2],
        dilation: [1; 2],
    };
    launch_ref::<R, 2>(strategy, &client, inputs, arguments, dtypes)
        .ok()
        .map(|()| out)
}

fn sizes<R: CubeRuntime>(x: &CubeTensor<R>) -> [usize; 4] {
    let shape = x.shape();
    std::array::from_fn(|i| shape[i])
}
