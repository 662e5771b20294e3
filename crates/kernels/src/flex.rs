//! The loops on flex's own memory.
//!
//! [`takes`] asks whether a tensor is flex's, [`run`] runs a fused operation on what it took, with or without a tape.

mod arch;
mod attention;
mod combine;
mod concat;
mod conv2d;
mod dense;
mod float;
mod group_norm;
mod linear;
mod norm;
mod path;
mod silu;
mod simd;
mod tile;
mod turn;
mod update;

pub(crate) use attention::attention;
pub(crate) use combine::combine;
pub(crate) use concat::concat;
pub(crate) use conv2d::conv2d;
pub(crate) use group_norm::group_norm;
pub(crate) use linear::linear;
pub(crate) use norm::scaled_squares;
pub(crate) use path::two_combinations;
pub(crate) use silu::silu;
pub(crate) use update::{adamw, lerp};

use crate::known::{cast, is, is_over, raw, wrap};
use crate::tape;
use burn::tensor::backend::Backend;
use burn::tensor::ops::FloatTensor;
use burn::tensor::{Bytes, DType, Shape, Tensor};
use burn_flex::{Flex, FlexTensor, Layout};
use float::Float;

/// Elements that one thread takes at a time, and from which on more than one thread is worth waking.
const CHUNK: usize = 32_768;

type Tracked = tape::Tracked<Flex>;

/// Whether a tensor of this backend and float type can be run here.
pub(crate) fn takes<B: Backend>(dtype: DType) -> bool {
    is_over::<B, Flex>() && matches!(dtype, DType::F32 | DType::F64)
}

/// Whether it can, and no tape would have to know of it.
pub(crate) fn takes_untracked<B: Backend>(dtype: DType) -> bool {
    is::<B, FlexTensor>() && matches!(dtype, DType::F32 | DType::F64)
}

/// The tensor's primitive, which is known to be a `T`.
fn primitive<B: Backend, T: 'static, const D: usize>(x: Tensor<B, D>) -> T {
    cast::<FloatTensor<B>, T>(raw(x)).expect("compared before")
}

/// The values of a tensor that is taken, whether it is tracked or not.
fn values<B: Backend, const D: usize>(x: Tensor<B, D>) -> FlexTensor {
    match is::<B, Tracked>() {
        true => primitive::<B, Tracked, D>(x).primitive,
        false => primitive::<B, FlexTensor, D>(x),
    }
}

/// A fused operation on tensors of a backend that is taken.
fn run<B: Backend, O: tape::Fused<Flex, N>, const N: usize, const D: usize>(
    operation: O,
    inputs: [FloatTensor<B>; N],
) -> Tensor<B, D> {
    crate::known::run::<B, Flex, O, N, D>(operation, inputs)
}

/// The elements in order, as they lie; what is not in order is copied.
fn contiguous(x: &FlexTensor) -> FlexTensor {
    x.to_contiguous()
}

/// The elements in order, in a buffer of their own if it is nobody else's: `storage_mut` copies it otherwise.
fn owned(x: FlexTensor) -> FlexTensor {
    let values = contiguous(&x);
    // x itself would count as another holder.
    drop(x);
    values
}

/// Whether the elements lie in order in a buffer that nobody else holds and that is no longer than they are.
fn reusable(x: &FlexTensor) -> bool {
    x.is_unique()
        && x.is_contiguous()
        && x.bytes().len() == x.layout().num_elements() * x.dtype().size()
}

fn slice<T: Float>(x: &FlexTensor) -> &[T] {
    x.as_slice::<T>().expect("made contiguous before")
}

fn from_vec<T: Float>(values: Vec<T>, shape: Shape) -> FlexTensor {
    FlexTensor::new(
        Bytes::from_elems(values),
        Layout::contiguous(shape),
        T::dtype(),
    )
}

/// Calls a function that is generic over the float type by the type of a tensor.
macro_rules! by_dtype {
    ($dtype:expr, $function:ident::<_ $(, $generic:tt)*>($($argument:expr),* $(,)?)) => {
        match $dtype {
            ::burn::tensor::DType::F64 => $function::<f64 $(, $generic)*>($($argument),*),
            _ => $function::<f32 $(, $generic)*>($($argument),*),
        }
    };
}
use by_dtype;
