//! The sigmoid-weighted linear unit: one launch forward, one backward.
//!
//! `y = x·s(x)`, `dx = g·s·(1 + x·(1 − s))`, s the logistic function

use super::elementwise::Work;
use super::logistic::{logistic, silu_slope};
use super::order::{Order, packed_like};
use crate::tape::Fused;
use burn::tensor::backend::Backend;
use burn_cubecl::tensor::CubeTensor;
use burn_cubecl::{BoolElement, CubeBackend, CubeRuntime, FloatElement, IntElement};
use cubecl::prelude::*;
use cubecl::std::tensor::layout::linear::LinearView;

#[derive(Debug, Clone)]
pub(super) struct Silu;

impl<R, F, I, T> Fused<CubeBackend<R, F, I, T>, 1> for Silu
where
    R: CubeRuntime,
    F: FloatElement,
    I: IntElement,
    T: BoolElement,
    CubeBackend<R, F, I, T>: Backend<FloatTensorPrimitive = CubeTensor<R>>,
{
    type Saved = CubeTensor<R>;

    fn forward(&self, [x]: [CubeTensor<R>; 1]) -> (CubeTensor<R>, CubeTensor<R>) {
        let order = Order::of(&x);
        let z = order.view(x.clone());
        let (y, work) = (packed_like(&z), Work::of(&z));
        value::launch(
            &x.client,
            work.count,
            work.dim,
            z.into_linear_view(),
            y.clone().into_linear_view(),
        );
        (order.back(y), x)
    }

    fn backward(
        &self,
        x: CubeTensor<R>,
        gradient: CubeTensor<R>,
        _: [bool; 1],
    ) -> [Option<CubeTensor<R>>; 1] {
        let order = Order::of(&x);
        let [x, gradient] = [x, gradient].map(|x| order.view(x));
        let (dx, work) = (packed_like(&x), Work::of(&x));
        pull::launch(
            &x.client.clone(),
            work.count,
            work.dim,
            x.into_linear_view(),
            gradient.into_linear_view(),
            dx.clone().into_linear_view(),
        );
        [Some(order.back(dx))]
    }
}

#[cube(launch)]
fn value(x: &LinearView<f32>, y: &mut LinearView<f32, ReadWrite>) {
    if !y.is_in_bounds(ABSOLUTE_POS) {
        terminate!();
    }
    let z = x[ABSOLUTE_POS];
    y[ABSOLUTE_POS] = z * logistic(z);
}

#[cube(launch)]
fn pull(x: &LinearView<f32>, gradient: &LinearView<f32>, dx: &mut LinearView<f32, ReadWrite>) {
    if !dx.is_in_bounds(ABSOLUTE_POS) {
        terminate!();
    }
    dx[ABSOLUTE_POS] = gradient[ABSOLUTE_POS] * silu_slope(x[ABSOLUTE_POS]);
}
