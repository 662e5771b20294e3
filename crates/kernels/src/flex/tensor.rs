//! flex's tensors: recognised, read, made and run on.

use crate::downcast::{cast, is, is_over, raw};
use crate::flex::float::Float;
use crate::tape;
use burn::tensor::backend::Backend;
use burn::tensor::ops::FloatTensor;
use burn::tensor::{Bytes, DType, Shape, Tensor};
use burn_flex::{Flex, FlexTensor, Layout};

pub(super) type Tracked = tape::Tracked<Flex>;

/// Whether there are kernels for tensors of this backend and float type.
pub(crate) fn supports<B: Backend>(dtype: DType) -> bool {
    is_over::<B, Flex>() && matches!(dtype, DType::F32 | DType::F64)
}

/// Whether there are, and the backend has no tape.
pub(crate) fn supports_untracked<B: Backend>(dtype: DType) -> bool {
    is::<B, FlexTensor>() && matches!(dtype, DType::F32 | DType::F64)
}

/// The tensor's primitive, which is known to be a `T`.
pub(super) fn primitive<B: Backend, T: 'static, const D: usize>(x: Tensor<B, D>) -> T {
    cast::<FloatTensor<B>, T>(raw(x)).expect("compared before")
}

/// The values of a tensor of a supported backend, tracked or not.
pub(super) fn values<B: Backend, const D: usize>(x: Tensor<B, D>) -> FlexTensor {
    if is::<B, Tracked>() {
        primitive::<B, Tracked, D>(x).primitive
    } else {
        primitive::<B, FlexTensor, D>(x)
    }
}

/// Runs a fused operation on tensors of a supported backend.
pub(super) fn run<B: Backend, O: tape::Fused<Flex, N>, const N: usize, const D: usize>(
    operation: O,
    inputs: [FloatTensor<B>; N],
) -> Tensor<B, D> {
    crate::downcast::run::<B, Flex, O, N, D>(operation, inputs)
}

/// The elements in order: the same buffer if they lie in order, a copy if not.
pub(super) fn contiguous(x: &FlexTensor) -> FlexTensor {
    x.to_contiguous()
}

/// The elements in order, to be written over. `storage_mut` copies them if something else holds the
/// buffer.
pub(super) fn owned(x: FlexTensor) -> FlexTensor {
    let values = contiguous(&x);
    // x would count as something else that holds it.
    drop(x);
    values
}

/// Whether the elements lie in order in a buffer that nothing else holds and that has no more than
/// them.
pub(super) fn reusable(x: &FlexTensor) -> bool {
    x.is_unique()
        && x.is_contiguous()
        && x.bytes().len() == x.layout().num_elements() * x.dtype().size()
}

pub(super) fn slice<T: Float>(x: &FlexTensor) -> &[T] {
    x.as_slice::<T>().expect("made contiguous before")
}

pub(super) fn from_vec<T: Float>(values: Vec<T>, shape: Shape) -> FlexTensor {
    FlexTensor::new(
        Bytes::from_elems(values),
        Layout::contiguous(shape),
        T::dtype(),
    )
}

/// Calls a function that is generic over the float type with the type that a tensor has.
macro_rules! by_dtype {
    ($dtype:expr, $function:ident::<_ $(, $generic:tt)*>($($argument:expr),* $(,)?)) => {
        match $dtype {
            ::burn::tensor::DType::F64 => $function::<f64 $(, $generic)*>($($argument),*),
            _ => $function::<f32 $(, $generic)*>($($argument),*),
        }
    };
}
pub(super) use by_dtype;
