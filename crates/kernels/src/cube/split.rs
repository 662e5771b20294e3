//! What lies side by side taken apart: rows into parts, tokens into the heads of several parts.
//!
//! `y_i[b, h, t, d] = x[b, t, (i·H + h)·D + d]`
//!
//! Parts of rows are views where the device allows it, and heads are one launch, since products want
//! them in order. The gradients are put together by one launch.

use super::elementwise::Work;
use super::many::{Outputs, Views, at_once, outputs, views};
use crate::tape::parts::Parted;
use burn::tensor::backend::Backend;
use burn::tensor::ops::FloatTensorOps;
use burn::tensor::{Shape, Slice, TensorMetadata};
use burn_cubecl::ops::numeric::empty_device_dtype;
use burn_cubecl::tensor::CubeTensor;
use burn_cubecl::{BoolElement, CubeBackend, CubeRuntime, FloatElement, IntElement};
use cubecl::prelude::*;
use cubecl::std::tensor::layout::linear::LinearView;

/// Parts of rows: `[batch, parts·w]` → `[batch, w]`.
#[derive(Debug, Clone)]
pub(super) struct Rows {
    pub(super) parts: usize,
}

/// Heads of parts of tokens: `[batch, tokens, parts·heads·depth]` → `[batch, heads, tokens, depth]`.
#[derive(Debug, Clone)]
pub(super) struct Heads {
    pub(super) parts: usize,
    pub(super) heads: usize,
}

/// Whether the device can bind so many tensors, and one more.
pub(super) fn fits<R: CubeRuntime>(x: &CubeTensor<R>, parts: usize) -> bool {
    parts < at_once(x, 1)
}

impl<R, F, I, T> Parted<CubeBackend<R, F, I, T>> for Rows
where
    R: CubeRuntime,
    F: FloatElement,
    I: IntElement,
    T: BoolElement,
    CubeBackend<R, F, I, T>: Backend<FloatTensorPrimitive = CubeTensor<R>>,
{
    fn forward(&self, x: CubeTensor<R>) -> Vec<CubeTensor<R>> {
        let shape = x.shape();
        let (batch, width) = (shape[0], shape[1] / self.parts);
        let part = |i: usize| {
            let slices = [
                Slice::from(0..batch),
                Slice::from(i * width..(i + 1) * width),
            ];
            CubeBackend::<R, F, I, T>::float_slice(x.clone(), &slices)
        };
        (0..self.parts).map(part).collect()
    }

    fn backward(&self, gradients: Vec<Option<CubeTensor<R>>>) -> CubeTensor<R> {
        let known = gradients.iter().flatten().next();
        let shape = known.expect("a value with a gradient").shape();
        let dx = Shape::from([shape[0], shape[1] * self.parts]);
        together::<R, F, I, T>(gradients, [1, 1, shape[1]], dx)
    }
}

impl<R, F, I, T> Parted<CubeBackend<R, F, I, T>> for Heads
where
    R: CubeRuntime,
    F: FloatElement,
    I: IntElement,
    T: BoolElement,
    CubeBackend<R, F, I, T>: Backend<FloatTensorPrimitive = CubeTensor<R>>,
{
    fn forward(&self, x: CubeTensor<R>) -> Vec<CubeTensor<R>> {
        let shape = x.shape();
        let [batch, tokens, width] = [shape[0], shape[1], shape[2]];
        let depth = width / (self.parts * self.heads);
        let shape = Shape::from([batch, self.heads, tokens, depth]);
        let empty =
            |_| empty_device_dtype(x.client.clone(), x.device.clone(), shape.clone(), x.dtype);
        let all: Vec<_> = (0..self.parts).map(empty).collect();
        let work = Work::of(&all[0]);
        take_apart::launch(
            &x.client.clone(),
            work.count,
            work.dim,
            x.into_linear_view(),
            outputs(&all),
            batch * self.heads * tokens * depth,
            tokens,
            depth,
            self.heads,
            self.parts,
        );
        all
    }

    fn backward(&self, gradients: Vec<Option<CubeTensor<R>>>) -> CubeTensor<R> {
        let known = gradients.iter().flatten().next();
        let shape = known.expect("a value with a gradient").shape();
        let [batch, heads, tokens, depth] = [shape[0], shape[1], shape[2], shape[3]];
        let dx = Shape::from([batch, tokens, self.parts * heads * depth]);
        together::<R, F, I, T>(gradients, [heads, tokens, depth], dx)
    }
}

/// The gradient of x, of this shape, by those of its parts. Where there is none it is zero.
fn together<R, F, I, T>(
    gradients: Vec<Option<CubeTensor<R>>>,
    [heads, tokens, depth]: [usize; 3],
    shape: Shape,
) -> CubeTensor<R>
where
    R: CubeRuntime,
    F: FloatElement,
    I: IntElement,
    T: BoolElement,
    CubeBackend<R, F, I, T>: Backend<FloatTensorPrimitive = CubeTensor<R>>,
{
    let known = gradients.iter().flatten().next();
    let known = known.expect("a value with a gradient").clone();
    let zeros = || {
        let (device, dtype) = (CubeBackend::<R, F, I, T>::float_device(&known), known.dtype);
        CubeBackend::<R, F, I, T>::float_zeros(known.shape(), &device, dtype.into())
    };
    let gradients = gradients.into_iter().map(|g| g.unwrap_or_else(zeros));
    let gradients: Vec<_> = gradients.collect();
    let dx = empty_device_dtype(
        known.client.clone(),
        known.device.clone(),
        shape,
        known.dtype,
    );
    let work = Work::of(&known);
    put_together::launch(
        &known.client,
        work.count,
        work.dim,
        views(&gradients),
        dx.clone().into_linear_view(),
        known.shape().num_elements(),
        tokens,
        depth,
        heads,
        gradients.len(),
    );
    dx
}

/// The place in x of a number of the first part.
#[cube]
fn place(
    at: usize,
    tokens: usize,
    depth: usize,
    #[comptime] heads: usize,
    #[comptime] parts: usize,
) -> usize {
    let (row, d) = (at / depth, at % depth);
    let (line, t) = (row / tokens, row % tokens);
    let (b, h) = (line / heads, line % heads);
    ((b * tokens + t) * parts * heads + h) * depth + d
}

#[cube(launch)]
fn take_apart(
    x: &LinearView<f32>,
    y: &mut Outputs,
    count: usize,
    tokens: usize,
    depth: usize,
    #[comptime] heads: usize,
    #[comptime] parts: usize,
) {
    let at = ABSOLUTE_POS;
    if at >= count {
        terminate!();
    }
    let first = place(at, tokens, depth, heads, parts);
    #[unroll]
    for i in 0..parts {
        y[i].write(at, x[first + i * heads * depth]);
    }
}

#[cube(launch)]
fn put_together(
    gradients: &Views,
    dx: &mut LinearView<f32, ReadWrite>,
    count: usize,
    tokens: usize,
    depth: usize,
    #[comptime] heads: usize,
    #[comptime] parts: usize,
) {
    let at = ABSOLUTE_POS;
    if at >= count {
        terminate!();
    }
    let first = place(at, tokens, depth, heads, parts);
    #[unroll]
    for i in 0..parts {
        dx[first + i * heads * depth] = gradients[i][at];
    }
}
