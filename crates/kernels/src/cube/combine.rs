//! `y = x + Σ_i w_i·k_i`: one launch for every four terms.

use super::elementwise::Work;
use super::order::{Order, packed_like};
use burn_cubecl::CubeRuntime;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;
use cubecl::std::tensor::layout::linear::LinearView;

/// Terms of a launch.
const TERMS: usize = 4;

pub(super) fn combine<R: CubeRuntime>(
    x: CubeTensor<R>,
    terms: &[(f64, CubeTensor<R>)],
) -> CubeTensor<R> {
    let order = Order::of(&x);
    let sum = terms.chunks(TERMS).fold(order.view(x), |x, terms| {
        let (y, work) = (packed_like(&x), Work::of(&x));
        // Terms that are not there are the first again, and are not read.
        let term = |i: usize| terms.get(i).unwrap_or(&terms[0]);
        let k = |i: usize| order.view(term(i).1.clone()).into_linear_view();
        let w = |i: usize| term(i).0 as f32;
        add::launch(
            &x.client.clone(),
            work.count,
            work.dim,
            x.into_linear_view(),
            k(0),
            k(1),
            k(2),
            k(3),
            y.clone().into_linear_view(),
            w(0),
            w(1),
            w(2),
            w(3),
            terms.len(),
        );
        y
    });
    order.back(sum)
}

#[cube(launch)]
fn add(
    x: &LinearView<f32>,
    k0: &LinearView<f32>,
    k1: &LinearView<f32>,
    k2: &LinearView<f32>,
    k3: &LinearView<f32>,
    y: &mut LinearView<f32, ReadWrite>,
    w0: f32,
    w1: f32,
    w2: f32,
    w3: f32,
    #[comptime] terms: usize,
) {
    let at = ABSOLUTE_POS;
    if !y.is_in_bounds(at) {
        terminate!();
    }
    let mut sum = x[at] + w0 * k0[at];
    if terms > 1 {
        sum += w1 * k1[at];
    }
    if terms > 2 {
        sum += w2 * k2[at];
    }
    if terms > 3 {
        sum += w3 * k3[at];
    }
    y[at] = sum;
}
