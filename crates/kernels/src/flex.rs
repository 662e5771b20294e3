//! The loops on flex's own memory.
//!
//! A tensor of an unknown backend is recognised by the type of its primitive: [`takes`] asks, [`run`] runs a fused operation on what
//! it took, with or without a tape.

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
mod tape;
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

use burn::backend::Autodiff;
use burn::tensor::backend::{Backend, BackendTypes};
use burn::tensor::ops::FloatTensor;
use burn::tensor::{Bytes, DType, Shape, Tensor, TensorPrimitive};
use burn_flex::{Flex, FlexTensor, Layout};
use float::Float;
use std::any::{Any, TypeId};

/// Elements that one thread takes at a time, and from which on more than one thread is worth waking.
const CHUNK: usize = 32_768;

type Tracked = <Autodiff<Flex> as BackendTypes>::FloatTensorPrimitive;

fn is<B: Backend, T: 'static>() -> bool {
    TypeId::of::<FloatTensor<B>>() == TypeId::of::<T>()
}

/// Whether a tensor of this backend and float type can be run here.
pub(crate) fn takes<B: Backend>(dtype: DType) -> bool {
    (is::<B, FlexTensor>() || is::<B, Tracked>()) && matches!(dtype, DType::F32 | DType::F64)
}

/// Whether it can, and no tape would have to know of it.
pub(crate) fn takes_untracked<B: Backend>(dtype: DType) -> bool {
    is::<B, FlexTensor>() && matches!(dtype, DType::F32 | DType::F64)
}

fn cast<S: 'static, T: 'static>(value: S) -> Option<T> {
    (&mut Some(value) as &mut dyn Any)
        .downcast_mut::<Option<T>>()
        .and_then(Option::take)
}

/// The tensor's primitive, which is known to be a `T`.
fn primitive<B: Backend, T: 'static, const D: usize>(x: Tensor<B, D>) -> T {
    cast::<FloatTensor<B>, T>(x.into_primitive().tensor()).expect("compared before")
}

/// The values of a tensor that is taken, whether it is tracked or not.
fn values<B: Backend, const D: usize>(x: Tensor<B, D>) -> FlexTensor {
    match is::<B, Tracked>() {
        true => primitive::<B, Tracked, D>(x).primitive,
        false => primitive::<B, FlexTensor, D>(x),
    }
}

fn wrap<B: Backend, T: 'static, const D: usize>(value: T) -> Tensor<B, D> {
    let value = cast::<T, FloatTensor<B>>(value).expect("the same type as came in");
    Tensor::from_primitive(TensorPrimitive::Float(value))
}

/// The primitive of a tensor, to be handed to [`run`].
fn raw<B: Backend, const D: usize>(x: Tensor<B, D>) -> FloatTensor<B> {
    x.into_primitive().tensor()
}

/// A fused operation on tensors of a backend that is taken.
fn run<B: Backend, O: tape::Fused<N>, const N: usize, const D: usize>(
    operation: O,
    inputs: [FloatTensor<B>; N],
) -> Tensor<B, D> {
    const KNOWN: &str = "every input is of the backend that was recognised";
    if is::<B, FlexTensor>() {
        let inputs = inputs.map(|x| cast::<_, FlexTensor>(x).expect(KNOWN));
        return wrap(operation.value(inputs));
    }
    let inputs = inputs.map(|x| cast::<_, Tracked>(x).expect(KNOWN));
    wrap(tape::track(operation, inputs))
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
