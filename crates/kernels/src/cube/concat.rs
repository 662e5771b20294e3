//! Two tensors joined along an axis: one launch forward, one backward.

use super::elementwise::Work;
use super::many::{Outputs, outputs};
use super::order::{Order, packed};
use crate::tape::Fused;
use burn::tensor::backend::Backend;
use burn::tensor::{Shape, TensorMetadata};
use burn_cubecl::tensor::CubeTensor;
use burn_cubecl::{BoolElement, CubeBackend, CubeRuntime, FloatElement, IntElement};
use cubecl::prelude::*;
use cubecl::std::tensor::layout::linear::LinearView;

/// The operation.
#[derive(Debug, Clone)]
pub(super) struct Concat {
    pub(super) axis: usize,
}

/// The shapes of both in the order of memory.
#[derive(Debug, Clone)]
pub(crate) struct Saved {
    order: Order,
    shapes: [Shape; 2],
}

impl<R, F, I, T> Fused<CubeBackend<R, F, I, T>, 2> for Concat
where
    R: CubeRuntime,
    F: FloatElement,
    I: IntElement,
    T: BoolElement,
    CubeBackend<R, F, I, T>: Backend<FloatTensorPrimitive = CubeTensor<R>>,
{
    type Saved = Saved;

    fn forward(&self, inputs: [CubeTensor<R>; 2]) -> (CubeTensor<R>, Saved) {
        let order = Order::of(&inputs[0]);
        let [a, b] = inputs.map(|x| order.view(x));
        let shapes = [a.shape(), b.shape()];
        let axis = order.place(self.axis, shapes[0].num_dims());
        let lengths = shapes.each_ref().map(|shape| length(shape, axis));
        let mut shape = shapes[0].clone();
        shape[axis] += shapes[1][axis];
        let y = packed(&a, shape, a.dtype);
        let work = Work::of(&y);
        join::launch(
            &a.client.clone(),
            work.count,
            work.dim,
            a.into_linear_view(),
            b.into_linear_view(),
            y.clone().into_linear_view(),
            lengths[0],
            lengths[1],
        );
        (order.back(y), Saved { order, shapes })
    }

    fn backward(
        &self,
        Saved { order, shapes }: Saved,
        gradient: CubeTensor<R>,
        wanted: [bool; 2],
    ) -> [Option<CubeTensor<R>>; 2] {
        let gradient = order.view(gradient);
        let axis = order.place(self.axis, shapes[0].num_dims());
        let lengths = shapes.each_ref().map(|shape| length(shape, axis));
        let shares: [_; 2] = std::array::from_fn(|i| {
            wanted[i].then(|| packed(&gradient, shapes[i].clone(), gradient.dtype))
        });
        let work = Work::of(&gradient);
        part::launch(
            &gradient.client.clone(),
            work.count,
            work.dim,
            gradient.into_linear_view(),
            outputs(&shares[0]),
            outputs(&shares[1]),
            lengths[0],
            lengths[1],
        );
        shares.map(|share| share.map(|share| order.back(share)))
    }
}

/// The numbers that lie together along an axis and all behind it.
fn length(shape: &Shape, axis: usize) -> usize {
    shape[axis..].iter().product()
}

#[cube(launch)]
fn join(
    a: &LinearView<f32>,
    b: &LinearView<f32>,
    y: &mut LinearView<f32, ReadWrite>,
    of_a: usize,
    of_b: usize,
) {
    let at = ABSOLUTE_POS;
    if !y.is_in_bounds(at) {
        terminate!();
    }
    let (row, i) = (at / (of_a + of_b), at % (of_a + of_b));
    if i < of_a {
        y[at] = a[row * of_a + i];
    } else {
        y[at] = b[row * of_b + i - of_a];
    }
}

#[cube(launch)]
fn part(gradient: &LinearView<f32>, a: &mut Outputs, b: &mut Outputs, of_a: usize, of_b: usize) {
    let at = ABSOLUTE_POS;
    if !gradient.is_in_bounds(at) {
        terminate!();
    }
    let (row, i) = (at / (of_a + of_b), at % (of_a + of_b));
    if i < of_a {
        #[unroll]
        for k in 0..a.len() {
            a[k].write(row * of_a + i, gradient[at]);
        }
    } else {
        #[unroll]
        for k in 0..b.len() {
            b[k].write(row * of_b + i - of_a, gradient[at]);
        }
    }
}
