//! Two linear combinations of two tensors, with coefficients per row: one upload and one launch.
//!
//! `y_b = Σ_j a_bj·x_j`, `z_b = Σ_j c_bj·x_j` for each row b

use super::elementwise::{Work, empty_like};
use burn_cubecl::CubeRuntime;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;
use cubecl::std::tensor::layout::linear::LinearView;

/// Both combinations, with rows of `[a_0, a_1, c_0, c_1]`.
pub(super) fn two_combinations<R: CubeRuntime>(
    [x0, x1]: [CubeTensor<R>; 2],
    rows: CubeTensor<R>,
    width: usize,
) -> [CubeTensor<R>; 2] {
    let (out, work) = ([empty_like(&x0), empty_like(&x0)], Work::of(&x0));
    combine::launch(
        &x0.client.clone(),
        work.count,
        work.dim,
        x0.into_linear_view(),
        x1.into_linear_view(),
        rows.into_linear_view(),
        out[0].clone().into_linear_view(),
        out[1].clone().into_linear_view(),
        width,
    );
    out
}

#[cube(launch)]
fn combine(
    x0: &LinearView<f32>,
    x1: &LinearView<f32>,
    rows: &LinearView<f32>,
    y: &mut LinearView<f32, ReadWrite>,
    z: &mut LinearView<f32, ReadWrite>,
    width: usize,
) {
    let at = ABSOLUTE_POS;
    if !y.is_in_bounds(at) {
        terminate!();
    }
    let row = at / width * 4;
    let (noise, data) = (x0[at], x1[at]);
    y[at] = rows[row] * noise + rows[row + 1] * data;
    z[at] = rows[row + 2] * noise + rows[row + 3] * data;
}
