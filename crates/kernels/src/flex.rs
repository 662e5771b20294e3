//! The loops on flex's own memory.
//!
//! A tensor of an unknown backend is recognised by the type of its primitive; what is not flex's is handed back.

use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::tensor::backend::Backend;
use burn::tensor::backend::BackendTypes;
use burn::tensor::ops::FloatTensor;
use burn::tensor::{Bytes, DType, Element, Tensor, TensorMetadata, TensorPrimitive};
use burn_flex::{Flex, FlexTensor, Layout};
use bytemuck::Pod;
use rayon::prelude::*;
use std::any::Any;
use std::ops::{AddAssign, Mul};

/// Elements that one thread takes at a time, and from which on more than one thread is worth waking.
const CHUNK: usize = 32_768;
/// Elements whose every operand stays in the first-level cache while the terms are added one by one.
const BLOCK: usize = 1024;

type Tracked = <Autodiff<Flex> as BackendTypes>::FloatTensorPrimitive;

/// The tensor's primitive if it is a `T`.
fn primitive<B: Backend, T: 'static, const D: usize>(x: Tensor<B, D>) -> Option<T> {
    cast::<FloatTensor<B>, T>(x.into_primitive().tensor())
}

fn cast<S: 'static, T: 'static>(value: S) -> Option<T> {
    (&mut Some(value) as &mut dyn Any)
        .downcast_mut::<Option<T>>()
        .and_then(Option::take)
}

fn is<B: Backend, T: 'static>() -> bool {
    std::any::TypeId::of::<FloatTensor<B>>() == std::any::TypeId::of::<T>()
}

fn wrap<B: Backend, T: 'static, const D: usize>(value: T) -> Tensor<B, D> {
    let value = cast::<T, FloatTensor<B>>(value).expect("the same type as came in");
    Tensor::from_primitive(TensorPrimitive::Float(value))
}

/// The most terms that are taken at once: a node of the tape has as many parents as its type says.
pub(crate) const MOST: usize = 13;

/// `x + Σ w·k`, or x again where the backend is another.
pub(crate) fn combine<B: Backend, const D: usize>(
    x: Tensor<B, D>,
    terms: &[(f64, &Tensor<B, D>)],
) -> Result<Tensor<B, D>, Tensor<B, D>> {
    let plain = is::<B, FlexTensor>();
    if !(plain || is::<B, Tracked>()) || !matches!(x.dtype(), DType::F32 | DType::F64) {
        return Err(x);
    }
    let (shape, dtype) = (x.shape(), x.dtype());
    let kept = || terms.iter().filter(|(w, _)| *w != 0.0);
    for (_, k) in kept() {
        assert_eq!(k.shape(), shape, "every term has the shape of x");
        assert_eq!(k.dtype(), dtype, "every term has the float type of x");
    }
    if plain {
        let x = primitive::<B, FlexTensor, D>(x).expect("compared just now");
        let k = kept()
            .map(|(w, k)| {
                let k = primitive::<B, FlexTensor, D>((*k).clone());
                (*w, k.expect("of the same type"))
            })
            .collect();
        return Ok(wrap(sum(x, k)));
    }
    let x = primitive::<B, Tracked, D>(x).expect("compared just now");
    let k: Vec<(f64, Tracked)> = kept()
        .map(|(w, k)| {
            let k = primitive::<B, Tracked, D>((*k).clone());
            (*w, k.expect("of the same type"))
        })
        .collect();
    macro_rules! by_parents {
        ($($n:literal)*) => {
            match k.len() + 1 {
                $($n => track::<$n>(x, k),)*
                _ => unreachable!("no more than {MOST} terms"),
            }
        };
    }
    Ok(wrap(by_parents!(1 2 3 4 5 6 7 8 9 10 11 12 13 14)))
}

/// The sum on the tape.
#[derive(Debug)]
struct Combine;

impl<const N: usize> Backward<Flex, N> for Combine {
    /// Of each term; x comes first and has none.
    type State = Vec<f64>;

    fn backward(self, ops: Ops<Vec<f64>, N>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = grads.consume::<Flex>(&ops.node);
        for (i, parent) in ops.parents.into_iter().enumerate() {
            let Some(parent) = parent else { continue };
            let share = match i {
                0 => gradient.clone(),
                _ if ops.state[i - 1] == 1.0 => gradient.clone(),
                _ => scaled(gradient.clone(), ops.state[i - 1]),
            };
            grads.register::<Flex>(parent.id, share);
        }
    }
}

fn track<const N: usize>(x: Tracked, k: Vec<(f64, Tracked)>) -> Tracked {
    let weights = k.iter().map(|(w, _)| *w).collect();
    let values = k.iter().map(|(w, k)| (*w, k.primitive.clone())).collect();
    let value = sum(x.primitive, values);
    let nodes: Vec<_> = std::iter::once(x.node)
        .chain(k.into_iter().map(|(_, k)| k.node))
        .collect();
    let nodes: [_; N] = nodes.try_into().expect("as many as N says");
    let operation = Backward::<Flex, N>::prepare::<NoCheckpointing>(Combine, nodes);
    match operation.compute_bound().stateful() {
        OpsKind::Tracked(prepared) => prepared.finish(weights, value),
        OpsKind::UnTracked(prepared) => prepared.finish(value),
    }
}

trait Float: Element + Pod + Mul<Output = Self> + AddAssign + Into<f64> {
    fn from_f64(v: f64) -> Self;
}

impl Float for f32 {
    fn from_f64(v: f64) -> Self {
        v as f32
    }
}

impl Float for f64 {
    fn from_f64(v: f64) -> Self {
        v
    }
}

fn sum(x: FlexTensor, terms: Vec<(f64, FlexTensor)>) -> FlexTensor {
    match x.dtype() {
        DType::F64 => typed_sum::<f64>(x, terms),
        _ => typed_sum::<f32>(x, terms),
    }
}

fn typed_sum<T: Float>(x: FlexTensor, terms: Vec<(f64, FlexTensor)>) -> FlexTensor {
    let terms: Vec<(T, FlexTensor)> = (terms.into_iter())
        .map(|(w, k)| (T::from_f64(w), k.to_contiguous()))
        .collect();
    let terms: Vec<(T, &[T])> = (terms.iter())
        .map(|(w, k)| (*w, k.as_slice().expect("contiguous")))
        .collect();
    let mut sum = x.to_contiguous();
    // What nobody else holds is overwritten; x itself would count as another holder.
    drop(x);
    let whole = sum.storage::<T>().len() == sum.shape().num_elements();
    if let Some(out) = sum.try_storage_mut::<T>().filter(|_| whole) {
        add(out, &terms);
        return sum;
    }
    let mut out = sum.as_slice::<T>().expect("contiguous").to_vec();
    add(&mut out, &terms);
    from_vec(out, &sum)
}

fn add<T: Float>(out: &mut [T], terms: &[(T, &[T])]) {
    let chunk = |(index, out): (usize, &mut [T])| {
        for (block, out) in out.chunks_mut(BLOCK).enumerate() {
            let start = index * CHUNK + block * BLOCK;
            for (w, k) in terms {
                let k = &k[start..start + out.len()];
                out.iter_mut().zip(k).for_each(|(y, k)| *y += *k * *w);
            }
        }
    };
    if out.len() > CHUNK {
        out.par_chunks_mut(CHUNK).enumerate().for_each(chunk);
    } else {
        chunk((0, out));
    }
}

fn scaled(x: FlexTensor, w: f64) -> FlexTensor {
    fn typed<T: Float>(x: &FlexTensor, w: f64) -> FlexTensor {
        let w = T::from_f64(w);
        let values = x.as_slice::<T>().expect("contiguous");
        from_vec(values.iter().map(|v| *v * w).collect::<Vec<T>>(), x)
    }
    let x = x.to_contiguous();
    match x.dtype() {
        DType::F64 => typed::<f64>(&x, w),
        _ => typed::<f32>(&x, w),
    }
}

fn from_vec<T: Float>(values: Vec<T>, like: &FlexTensor) -> FlexTensor {
    FlexTensor::new(
        Bytes::from_elems(values),
        Layout::contiguous(like.shape()),
        T::dtype(),
    )
}

/// The sum over all of `(e/(atol + rtol·max(|x|, |y|)))²`, or one sum a row; `None` where the backend is another.
pub(crate) fn scaled_squares<B: Backend, const D: usize>(
    error: &Tensor<B, D>,
    x: &Tensor<B, D>,
    y: &Tensor<B, D>,
    tolerance: (f64, f64),
    leading: Option<usize>,
    by_row: bool,
) -> Option<Vec<f64>> {
    let values = |t: &Tensor<B, D>| {
        let primitive = t.clone().into_primitive().tensor();
        let flex = if is::<B, Tracked>() {
            cast::<FloatTensor<B>, Tracked>(primitive)?.primitive
        } else {
            cast::<FloatTensor<B>, FlexTensor>(primitive)?
        };
        Some(flex.to_contiguous())
    };
    assert!(
        error.shape() == x.shape() && x.shape() == y.shape(),
        "an error has the shape of its states"
    );
    let width = error.dims()[D - 1];
    let leading = leading.unwrap_or(width);
    assert!(
        (1..=width.max(1)).contains(&leading),
        "no such part of the last axis"
    );
    let (e, x, y) = (values(error)?, values(x)?, values(y)?);
    let n = e.shape().num_elements();
    let row = match by_row {
        true => n / error.dims()[0].max(1),
        false => n,
    };
    match e.dtype() {
        DType::F64 => typed_squares::<f64>(&e, &x, &y, tolerance, row, (leading, width)),
        DType::F32 => typed_squares::<f32>(&e, &x, &y, tolerance, row, (leading, width)),
        _ => None,
    }
}

fn typed_squares<T: Float>(
    e: &FlexTensor,
    x: &FlexTensor,
    y: &FlexTensor,
    (rtol, atol): (f64, f64),
    row: usize,
    (leading, width): (usize, usize),
) -> Option<Vec<f64>> {
    let (e, x, y) = (e.as_slice::<T>()?, x.as_slice::<T>()?, y.as_slice::<T>()?);
    let sum = |((e, x), y): ((&[T], &[T]), &[T])| {
        let mut sum = 0.0;
        for (i, ((e, x), y)) in e.iter().zip(x).zip(y).enumerate() {
            if leading == width || i % width < leading {
                let (e, x, y): (f64, f64, f64) = ((*e).into(), (*x).into(), (*y).into());
                let scaled = e / (atol + rtol * x.abs().max(y.abs()));
                sum += scaled * scaled;
            }
        }
        sum
    };
    let rows = e
        .chunks(row.max(1))
        .zip(x.chunks(row.max(1)))
        .zip(y.chunks(row.max(1)));
    Some(rows.map(sum).collect())
}
