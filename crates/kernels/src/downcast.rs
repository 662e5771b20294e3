//! Recognises a backend by the type of its primitives.
//!
//! [`is`] and [`is_over`] ask; [`run`] and [`run_parts`] run a fused operation on what was
//! recognised, with or without a tape.

#[cfg(any(feature = "wgpu", feature = "cuda"))]
use crate::tape::parts::{Parted, track_parts};
use crate::tape::{Fused, Tracked, track};
use burn::tensor::backend::Backend;
use burn::tensor::ops::FloatTensor;
use burn::tensor::{Tensor, TensorPrimitive};
use std::any::{Any, TypeId};

/// Whether the primitives of a backend are `T`s.
pub(crate) fn is<B: Backend, T: 'static>() -> bool {
    TypeId::of::<FloatTensor<B>>() == TypeId::of::<T>()
}

/// Whether they are those of the backend `I`, on a tape or not.
pub(crate) fn is_over<B: Backend, I: Backend>() -> bool {
    is::<B, FloatTensor<I>>() || is::<B, Tracked<I>>()
}

/// The value as a `T`, if that is its type.
pub(crate) fn cast<S: 'static, T: 'static>(value: S) -> Option<T> {
    (&mut Some(value) as &mut dyn Any)
        .downcast_mut::<Option<T>>()
        .and_then(Option::take)
}

/// The tensor's primitive.
pub(crate) fn raw<B: Backend, const D: usize>(x: Tensor<B, D>) -> FloatTensor<B> {
    x.into_primitive().tensor()
}

/// A tensor with the primitive `value`, whose type is known to be the backend's.
pub(crate) fn wrap<B: Backend, T: 'static, const D: usize>(value: T) -> Tensor<B, D> {
    let value = cast::<T, FloatTensor<B>>(value).expect("the same type as came in");
    Tensor::from_primitive(TensorPrimitive::Float(value))
}

/// Runs a fused operation on primitives of a backend that is known to be over `I`.
pub(crate) fn run<B: Backend, I: Backend, O: Fused<I, N>, const N: usize, const D: usize>(
    operation: O,
    inputs: [FloatTensor<B>; N],
) -> Tensor<B, D> {
    const KNOWN: &str = "every input is of the backend that was recognised";
    if is::<B, FloatTensor<I>>() {
        let inputs = inputs.map(|x| cast::<_, FloatTensor<I>>(x).expect(KNOWN));
        return wrap(operation.value(inputs));
    }
    let inputs = inputs.map(|x| cast::<_, Tracked<I>>(x).expect(KNOWN));
    wrap(track(operation, inputs))
}

/// Runs an operation with several values on a primitive of a backend that is known to be over `I`.
#[cfg(any(feature = "wgpu", feature = "cuda"))]
pub(crate) fn run_parts<B: Backend, I: Backend, const D: usize>(
    operation: impl Parted<I>,
    x: FloatTensor<B>,
) -> Vec<Tensor<B, D>> {
    const KNOWN: &str = "of the backend that was recognised";
    if is::<B, FloatTensor<I>>() {
        let x = cast::<_, FloatTensor<I>>(x).expect(KNOWN);
        return operation.forward(x).into_iter().map(wrap).collect();
    }
    let x = cast::<_, Tracked<I>>(x).expect(KNOWN);
    track_parts(operation, x).into_iter().map(wrap).collect()
}
