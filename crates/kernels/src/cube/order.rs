//! The order of an image's numbers in memory.
//!
//! A convolution reads and writes the channels of a pixel together, so what it gives is a view: of
//! shape `[batch, channels, height, width]`, and in memory `[batch, height, width, channels]`. The
//! kernels take numbers in the order of memory, so that neighbouring units read neighbours, and
//! give what they write the same order. So no image is copied on its way from one convolution to
//! the next.

use burn::tensor::{DType, Shape, TensorMetadata};
use burn_cubecl::CubeRuntime;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::ops::{permute_nchw_to_nhwc, permute_nhwc_to_nchw, reshape};
use burn_cubecl::tensor::CubeTensor;

/// Where the channels of `[batch, channels, …]` lie in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// As the shape says.
    First,
    /// Behind the pixels, side by side.
    Last,
}

impl Order {
    /// The order of a tensor; any other order counts as the first.
    pub(super) fn of<R: CubeRuntime>(x: &CubeTensor<R>) -> Self {
        let strides = x.meta.strides();
        match strides.len() > 2 && strides[1] == 1 && !x.is_contiguous() {
            true => Self::Last,
            false => Self::First,
        }
    }

    pub(super) fn is_last(self) -> bool {
        self == Self::Last
    }

    /// A tensor with its axes in this order, whatever its own is. Nothing is copied.
    pub(super) fn view<R: CubeRuntime>(self, x: CubeTensor<R>) -> CubeTensor<R> {
        match self {
            Self::First => x,
            Self::Last => permute_nchw_to_nhwc(x),
        }
    }

    /// Undoes [`Order::view`].
    pub(super) fn back<R: CubeRuntime>(self, x: CubeTensor<R>) -> CubeTensor<R> {
        match self {
            Self::First => x,
            Self::Last => permute_nhwc_to_nchw(x),
        }
    }

    /// Where an axis of `[batch, channels, …]` is in this order.
    pub(super) fn place(self, axis: usize, rank: usize) -> usize {
        match (self, axis) {
            (Self::First, _) | (_, 0) => axis,
            (Self::Last, 1) => rank - 1,
            (Self::Last, _) => axis - 1,
        }
    }
}

/// The image as `[batch, height, width, channels]`, copied only where its channels do not lie side
/// by side.
pub(super) fn channels_last<R: CubeRuntime>(x: CubeTensor<R>) -> CubeTensor<R> {
    let shape = x.shape();
    if shape[1] == 1 && x.is_contiguous() {
        // There is nothing to move.
        return reshape(x, Shape::from([shape[0], shape[2], shape[3], 1]));
    }
    let x = permute_nchw_to_nhwc(x);
    match x.meta.strides().last() {
        Some(1) => x,
        _ => into_contiguous(x),
    }
}

/// Memory for a result in which no row is padded.
pub(super) fn packed<R: CubeRuntime>(
    like: &CubeTensor<R>,
    shape: impl Into<Shape>,
    dtype: DType,
) -> CubeTensor<R> {
    let (client, device) = (like.client.clone(), like.device.clone());
    empty_device_contiguous_dtype(client, device, shape.into(), dtype)
}

/// Memory for a result of the shape of `x`.
pub(super) fn packed_like<R: CubeRuntime>(x: &CubeTensor<R>) -> CubeTensor<R> {
    packed(x, x.shape(), x.dtype)
}
