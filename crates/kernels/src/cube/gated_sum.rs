//! A residual connection with a gate: one launch forward, one backward.
//!
//! `z = x + gate·y`; `dx = g`, `dy = g·gate`, `dgate = Σ g·y` over the tokens of a sample

use super::columns::{Columns, Sizes, TEAMS, part, shared, sum_groups, total};
use super::elementwise::{Work, empty_like, stride_of};
use crate::tape::Fused;
use burn::tensor::TensorMetadata;
use burn::tensor::backend::Backend;
use burn_cubecl::tensor::CubeTensor;
use burn_cubecl::{BoolElement, CubeBackend, CubeRuntime, FloatElement, IntElement};
use cubecl::prelude::*;
use cubecl::std::tensor::layout::linear::LinearView;

#[derive(Debug, Clone)]
pub(super) struct GatedSum;

impl<R, F, I, T> Fused<CubeBackend<R, F, I, T>, 3> for GatedSum
where
    R: CubeRuntime,
    F: FloatElement,
    I: IntElement,
    T: BoolElement,
    CubeBackend<R, F, I, T>: Backend<FloatTensorPrimitive = CubeTensor<R>>,
{
    /// y and the gate.
    type Saved = [CubeTensor<R>; 2];

    fn forward(&self, [x, y, gate]: [CubeTensor<R>; 3]) -> (CubeTensor<R>, Self::Saved) {
        let (z, work) = (empty_like(&x), Work::of(&x));
        let shape = x.shape();
        let [tokens, width] = [shape[1], shape[2]];
        add::launch(
            &x.client.clone(),
            work.count,
            work.dim,
            x.into_linear_view(),
            y.clone().into_linear_view(),
            gate.clone().into_linear_view(),
            z.clone().into_linear_view(),
            tokens * width,
            width,
            stride_of(&gate),
        );
        (z, [y, gate])
    }

    fn backward(
        &self,
        [y, gate]: Self::Saved,
        gradient: CubeTensor<R>,
        wanted: [bool; 3],
    ) -> [Option<CubeTensor<R>>; 3] {
        let shape = y.shape();
        let columns = Columns {
            rows: shape[0] * shape[1],
            width: shape[2],
            group: shape[1],
        };
        let (dy, sums) = (empty_like(&y), columns.sums(&y));
        let (stride, is_shared) = (stride_of(&gate), gate.shape()[0] == 1);
        pull::launch(
            &y.client.clone(),
            columns.count(&y),
            Columns::dim(),
            y.into_linear_view(),
            gate.into_linear_view(),
            gradient.clone().into_linear_view(),
            dy.clone().into_linear_view(),
            sums.clone().into_linear_view(),
            columns.sizes(),
            stride,
        );
        let d_gate = wanted[2].then(|| if is_shared { sum_groups(sums) } else { sums });
        [Some(gradient), Some(dy), d_gate]
    }
}

#[cube(launch)]
fn add(
    x: &LinearView<f32>,
    y: &LinearView<f32>,
    gate: &LinearView<f32>,
    z: &mut LinearView<f32, ReadWrite>,
    sample: usize,
    width: usize,
    gates: usize,
) {
    let at = ABSOLUTE_POS;
    if !z.is_in_bounds(at) {
        terminate!();
    }
    z[at] = x[at] + gate[at / sample * gates + at % width] * y[at];
}

#[cube(launch)]
fn pull(
    y: &LinearView<f32>,
    gate: &LinearView<f32>,
    gradient: &LinearView<f32>,
    dy: &mut LinearView<f32, ReadWrite>,
    sums: &mut LinearView<f32, ReadWrite>,
    sizes: Sizes,
    gates: usize,
) {
    let part = part(&sizes);
    let mut shared = shared::<f32>();
    let mut sum = 0.0f32;
    let mut weight = 0.0f32;
    if part.first < part.end {
        weight = gate[part.group * gates + part.column];
    }
    for row in range_stepped(part.first, part.end, comptime![TEAMS]) {
        let at = row * sizes.width + part.column;
        let g = gradient[at];
        dy[at] = g * weight;
        sum += g * y[at];
    }
    let sum = total(sum, &mut shared);
    if part.writes {
        sums[part.group * sizes.width + part.column] = sum;
    }
}
