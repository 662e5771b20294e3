//! Convolution on GPUs, as matrix products of a shape that keeps the whole device busy.
//!
//! `y = conv(x, W) + b`; `dx = conv(dy, flip(W)ᵀ)`; `dW = Σ_s dy_sᵀ·unfold(x)_s`
//!
//! Images are held with their channels last. burn's own gradients leave most of a large GPU idle:
//! that of a 3×3 kernel on 32×32 pixels took nine times as long as the value on an H200, since the
//! sum over pixels and samples is one long loop of few cubes. Here that sum is cut into `s` parts
//! which run side by side, and the gradient of x is a convolution like the value's. The product of
//! tiles is chosen by the sizes, not by timing candidates, which takes minutes at the first step.

use super::columns::sum_rows;
use super::order::{Order, channels_last, packed};
use super::product::Factor;
use super::spread::spread;
use super::taps::{sum_parts, turned};
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
use burn_cubecl::ops::{permute, reshape};
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
    /// The image and the kernel.
    type Saved = [Factor<R>; 2];

    fn forward(&self, [x, weight, bias]: [CubeTensor<R>; 3]) -> (CubeTensor<R>, Self::Saved) {
        let x = self.image(channels_last(x));
        let weight = Factor::of(weight, self.precision);
        let y = Of::<R, F, I, T>::convolve(&x, &weight, Some(bias), self.window);
        (y, [x, weight])
    }

    fn backward(
        &self,
        [x, weight]: Self::Saved,
        gradient: CubeTensor<R>,
        wanted: [bool; 3],
    ) -> [Option<CubeTensor<R>>; 3] {
        // Copied once for all three, if at all.
        let gradient = channels_last(gradient);
        let factor = self.image(gradient.clone());
        let dx = || Of::<R, F, I, T>::by_image(&x, &weight, &factor, self.window);
        let dw = || Of::<R, F, I, T>::by_weight(&x, &weight, &factor, self.window);
        let db = || {
            let [n, h, w, channels] = sizes(&gradient);
            let rows = Shape::from([n * h * w, channels]);
            let sum = sum_rows(reshape(gradient.clone(), rows));
            reshape(sum, Shape::from([channels]))
        };
        let [first, second, third] = wanted;
        [first.then(dx), second.then(dw), third.then(db)]
    }
}

impl Conv2d {
    /// An image whose channels lie last, as a factor that has them second. Rounded in the order of
    /// memory.
    fn image<R: CubeRuntime>(&self, x: CubeTensor<R>) -> Factor<R> {
        Factor::of(x, self.precision).seen(|x| Order::Last.back(x))
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
    /// The value, with its channels last.
    fn convolve(
        x: &Factor<R>,
        weight: &Factor<R>,
        bias: Option<CubeTensor<R>>,
        window: Window,
    ) -> CubeTensor<R> {
        let Window { stride, padding } = window;
        let last = |x: &Factor<R>| Order::Last.view(x.x.clone());
        for strategy in strategies(x, weight) {
            let y = launch(&strategy, last(x), last(weight), bias.clone(), window);
            if let Some(y) = y {
                return Order::Last.back(y);
            }
        }
        let options = ConvOptions::new([stride; 2], [padding; 2], [1; 2], 1);
        let is_exact = x.is_exact();
        let [x, weight] = [x, weight].map(Factor::single);
        match is_exact {
            // burn's choice may be by timing, which may round.
            true => conv_forward(x, weight, bias, options, ConvStrategy::Direct)
                .expect("a direct convolution, which takes every shape"),
            false => CubeBackend::<R, F, I, T>::conv2d(x, weight, bias, options),
        }
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
        let [_, _, h, w] = sizes(&gradient.x);
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
        let spread = gradient.seen(|gradient| match stride {
            1 => gradient,
            _ => spread(gradient),
        });
        let window = Window {
            stride: 1,
            padding: rows - 1 - padding,
        };
        Self::convolve(&spread, &weight.seen(turned), None, window)
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

        // [parts, samples·pixels, outputs]
        let left = gradient.seen(|gradient| {
            let left = into_contiguous(Order::Last.view(gradient));
            reshape(left, Shape::from([parts, long, outputs]))
        });
        let image = x.seen(|x| Order::Last.view(x));
        let is_itself = [rows, columns] == [1, 1] && window.stride == 1 && window.padding == 0;
        let at_once = (HELD / (taps * long)).clamp(1, parts);
        let mut total: Option<CubeTensor<R>> = None;
        for first in (0..parts).step_by(at_once) {
            let count = at_once.min(parts - first);
            let some = |x: CubeTensor<R>| {
                if count == parts {
                    return x;
                }
                let part = burn::tensor::Slice::from(first..first + count);
                B::<R, F, I, T>::float_slice(x, &[part])
            };
            // [count, samples·pixels, taps]
            let right = image.seen(|image| {
                if is_itself {
                    let right = reshape(into_contiguous(image), Shape::from([parts, long, taps]));
                    return some(right);
                }
                let part = [count, samples, first * samples];
                unfold(&image, part, [rows, columns], [h, w], window)
            });
            let left = left.seen(|left| permute(some(left), &[0, 2, 1]));
            let product = left.times::<F, I, T>(&right);
            let sum = sum_parts(product, [outputs, channels, rows, columns]);
            total = Some(match total {
                Some(total) => B::<R, F, I, T>::float_add(total, sum),
                None => sum,
            });
        }
        total.expect("a batch is not empty")
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
    // Without matrix units every attempt would fail, after it has put its inputs in order.
    if x.is_exact() || x.x.client.properties().features.matmul.mma.is_empty() {
        return Vec::new();
    }
    let [x, weight] = [&x.x, &weight.x];
    let [outputs, channels, rows, columns] = sizes(weight);
    // A kernel of one tile, 16 outputs by 32 bytes, may have fewer vectors than there are units to
    // load them. The device's thread finds that when it compiles, too late for another algorithm.
    if outputs <= 16 && channels * rows * columns <= 32 / x.dtype.size() {
        return Vec::new();
    }
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
    let out = packed(&x, [n, h, w, outputs], single);
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
